-- Corrections, the newest first, with what they come to. $1 at most; $2 and $3 where the page before ended, or nulls.
SELECT c.id::text, c.kind, c.reason, c.actor, c.created_at, c.reverses::text, coalesce(e.entries, 0) AS entries,
       trim_scale(coalesce(e.amount_usd, 0))::text AS amount_usd
FROM (
    SELECT * FROM ledger_correction
    WHERE created_at <= coalesce($2::timestamptz, 'infinity') AND ($2 IS NULL OR created_at < $2 OR id > $3::uuid)
    ORDER BY created_at DESC, id LIMIT $1
) AS c
LEFT JOIN LATERAL (
    SELECT count(*) AS entries, sum(amount_usd) AS amount_usd FROM ledger_entry WHERE correction_id = c.id
) AS e ON true
ORDER BY c.created_at DESC, c.id
