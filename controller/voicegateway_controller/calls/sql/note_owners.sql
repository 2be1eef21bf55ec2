-- Note of agents in rooms whose session they carry and who pays. $1 sessions, $2 projects, $3 agents, $4 rooms.
-- An agent with a name of its own does not say its job's id: then the room tells, where only one session is in it.
WITH present AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS p (session_id, project, agent, room)
), lone AS (
    SELECT room, min(session_id) AS session_id FROM present WHERE room <> ''
    GROUP BY room HAVING count(DISTINCT session_id) = 1
), matched AS (
    SELECT DISTINCT ON (l.leg_id) l.leg_id, p.session_id, p.project, p.agent
    FROM call_leg AS l
    JOIN call_room AS r USING (room_sid)
    LEFT JOIN lone ON lone.room = r.name
    JOIN present AS p ON p.session_id = coalesce(nullif(l.session_id, ''), lone.session_id)
    WHERE l.settled_at IS NULL AND l.kind = 'agent' AND (l.present_project = '' OR l.session_id = '')
    ORDER BY l.leg_id, p.project
)
UPDATE call_leg AS l
SET session_id = m.session_id, present_project = m.project, agent = m.agent
FROM matched AS m
WHERE l.leg_id = m.leg_id AND l.settled_at IS NULL
