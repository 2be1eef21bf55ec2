-- Legs that ended and may go into the books, with the session and the project they belong to.
-- $1 how long events in disorder are waited for, $2 how long a project is waited for, $3 how many legs.
WITH ended AS (
    SELECT l.*, r.name AS room_name, r.project AS room_project,
           coalesce(l.ended_at, r.finished_at, l.lost_at) AS end_at,
           -- LiveKit tells of each leaving before it tells of the room's end: an end that only the room told is late.
           l.ended_at IS NULL AS is_end_guessed,
           CASE WHEN l.ended_at IS NULL THEN greatest(l.changed_at, r.finish_seen_at) ELSE l.changed_at END AS known_at
    FROM call_leg AS l JOIN call_room AS r USING (room_sid)
    WHERE l.settled_at IS NULL AND coalesce(l.ended_at, r.finished_at, l.lost_at) IS NOT NULL
), ripe AS (
    -- After an outage there are many: those that wait longest are looked at, more of them than are taken, since some of
    -- them still wait for who pays.
    SELECT * FROM ended WHERE known_at + $1::interval <= clock_timestamp() ORDER BY known_at LIMIT $3 * 20
), owned AS (
    SELECT e.*, coalesce(
               CASE WHEN e.kind = 'agent' THEN nullif(e.session_id, '') ELSE nullif(first_agent.session_id, '') END,
               by_room.session_id, e.room_sid
           ) AS resolved_session,
           CASE WHEN e.kind = 'agent' THEN e.present_project ELSE coalesce(first_agent.present_project, '') END
               AS told_by_presence,
           CASE WHEN e.kind = 'agent' THEN e.agent ELSE coalesce(first_agent.agent, '') END AS present_agent,
           coalesce(first_agent.project, '') AS agent_project
    FROM ripe AS e
    LEFT JOIN LATERAL (
        SELECT coalesce(nullif(a.session_id, ''), a.settled_session) AS session_id, a.present_project, a.agent,
               a.project, a.started_at
        FROM call_leg AS a
        WHERE a.room_sid = e.room_sid AND a.kind = 'agent'
        ORDER BY a.is_connected DESC, a.started_at NULLS LAST, a.leg_id
        LIMIT 1
    ) AS first_agent ON true
    -- An agent with a name of its own does not say which job it is; its session says in which room it is.
    LEFT JOIN LATERAL (
        SELECT s.session_id
        FROM rollup_session AS s
        WHERE e.room_name <> '' AND s.room = e.room_name AND s.session_id <> e.room_sid
          AND CASE WHEN e.kind = 'agent' THEN e.session_id ELSE coalesce(first_agent.session_id, '') END = ''
          -- Its agent was there before its first request, and is not that of an earlier call in a room of this name.
          AND s.first_started_at BETWEEN coalesce(first_agent.started_at, e.started_at, e.end_at) - interval '5 seconds'
              AND e.end_at
        ORDER BY s.first_started_at, s.session_id
        LIMIT 1
    ) AS by_room ON true
), placed AS (
    SELECT o.*, spans.project AS told_by_spans, spans.agent AS spans_agent
    FROM owned AS o
    LEFT JOIN LATERAL (
        -- A session's row may be of our own legs alone, and then says nothing of who pays.
        SELECT s.project, s.agent
        FROM rollup_session AS s
        WHERE s.session_id = o.resolved_session AND s.requests > (
            SELECT coalesce(sum(b.spans), 0) FROM call_leg AS b
            WHERE b.settled_session = s.session_id AND b.settled_project = s.project AND b.settled_at IS NOT NULL
        )
        ORDER BY s.first_started_at, s.project
        LIMIT 1
    ) AS spans ON true
)
SELECT leg_id, room_sid, kind, resource_id, direction, trunk_id, livekit_model, carrier_provider, carrier_model,
       call_id, carrier_call_id, is_connected, is_unanswered, is_estimated, is_end_guessed, lost_at, started_at, end_at,
       changed_at, room_name, resolved_session,
       -- One payer for the whole call: what nobody but a trunk's rule says holds for its agent too.
       coalesce(told_by_spans, nullif(told_by_presence, ''), nullif(agent_project, ''), nullif(room_project, ''),
                (SELECT max(d.project) FROM call_leg AS d WHERE d.room_sid = placed.room_sid), '') AS resolved_project,
       coalesce(nullif(spans_agent, ''), present_agent) AS resolved_agent
FROM placed
WHERE told_by_spans IS NOT NULL OR told_by_presence <> '' OR NOT is_connected
   OR known_at + $2::interval <= clock_timestamp()
ORDER BY known_at
LIMIT $3
