-- Legs of a session ($1) that are not in the books yet: its agent's, and others' of the room it was first in.
WITH room AS (
    SELECT room_sid FROM call_leg WHERE settled_at IS NULL AND kind = 'agent' AND session_id = $1
    UNION
    SELECT room_sid FROM call_leg WHERE settled_at IS NOT NULL AND settled_session = $1
    UNION
    SELECT $1::text
)
SELECT l.leg_id, l.kind, l.resource_id, l.direction, l.livekit_model, l.carrier_provider, l.carrier_model, l.call_id,
       l.carrier_call_id, l.is_connected, l.is_unanswered, l.is_estimated, l.started_at, r.name AS room_name,
       coalesce(l.ended_at, r.finished_at, l.lost_at) AS end_at,
       coalesce(nullif(l.present_project, ''), first_agent.present_project, '') AS present_project
FROM call_leg AS l
JOIN room USING (room_sid)
JOIN call_room AS r USING (room_sid)
LEFT JOIN LATERAL (
    SELECT a.session_id, a.present_project FROM call_leg AS a
    WHERE a.room_sid = l.room_sid AND a.kind = 'agent'
    ORDER BY a.is_connected DESC, a.started_at NULLS LAST, a.leg_id LIMIT 1
) AS first_agent ON true
WHERE l.settled_at IS NULL
  AND CASE WHEN l.kind = 'agent' THEN l.session_id = $1 OR l.room_sid = $1
           ELSE coalesce(nullif(first_agent.session_id, ''), l.room_sid) = $1 END
ORDER BY l.started_at NULLS LAST, l.leg_id
LIMIT $2
