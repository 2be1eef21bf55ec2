-- Open legs in rooms of which nothing was heard for $1, the longest silence first; at most $2.
SELECT l.leg_id, l.room_sid, l.kind, l.resource_id
FROM call_leg AS l JOIN call_room AS r USING (room_sid)
WHERE l.settled_at IS NULL AND l.ended_at IS NULL AND l.lost_at IS NULL AND r.finished_at IS NULL
  -- A web page's recording stands for a room of its own, an ingress until it is in one: no list of rooms has these.
  AND (l.kind NOT IN ('egress', 'ingress') OR l.room_sid LIKE 'RM\_%')
  AND l.changed_at <= now() - $1::interval
ORDER BY l.changed_at
LIMIT $2
