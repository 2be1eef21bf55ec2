-- Close legs ($1) that LiveKit no longer has, unless something was heard of them within $2.
UPDATE call_leg AS l
SET lost_at = greatest(l.seen_at, l.started_at, coalesce(
        (SELECT max(s.last_ended_at) FROM rollup_session AS s
         WHERE s.session_id = l.session_id AND l.session_id <> '' AND s.last_ended_at <= now()), l.seen_at)),
    changed_at = clock_timestamp()
FROM call_room AS r
WHERE l.leg_id = ANY ($1::uuid[]) AND l.room_sid = r.room_sid AND l.settled_at IS NULL AND l.ended_at IS NULL
  AND l.lost_at IS NULL AND r.finished_at IS NULL AND l.changed_at <= now() - $2::interval
RETURNING l.leg_id
