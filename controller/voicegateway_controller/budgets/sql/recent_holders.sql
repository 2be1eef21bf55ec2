-- Holders that were charged anything lately. $1 since, $2 at most.
SELECT DISTINCT incarnation
FROM ledger_entry
WHERE charged_at >= $1 AND day >= ($1::timestamptz - interval '9 days')::date AND incarnation <> ''
LIMIT $2
