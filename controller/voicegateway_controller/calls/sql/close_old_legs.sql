-- Legs of which nothing was heard for $1 are over: since when, only their last sign of life tells.
UPDATE call_leg AS l
SET lost_at = greatest(l.seen_at, l.started_at, coalesce(
        (SELECT max(s.last_ended_at) FROM rollup_session AS s
         WHERE s.session_id = l.session_id AND l.session_id <> '' AND s.last_ended_at <= now()), l.seen_at)),
    changed_at = clock_timestamp()
FROM call_room AS r
WHERE l.room_sid = r.room_sid AND l.settled_at IS NULL AND l.ended_at IS NULL AND l.lost_at IS NULL
  AND r.finished_at IS NULL AND l.seen_at < now() - $1::interval AND l.changed_at < now() - $1::interval
RETURNING l.leg_id
