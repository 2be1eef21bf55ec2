-- Lock legs that nobody else settles, unless something was heard of them since they were read. $1 ids, $2 changed_at.
SELECT l.leg_id
FROM call_leg AS l
JOIN unnest($1::uuid[], $2::timestamptz[]) AS k (leg_id, changed_at) USING (leg_id, changed_at)
WHERE l.settled_at IS NULL
ORDER BY l.leg_id
FOR UPDATE OF l SKIP LOCKED
