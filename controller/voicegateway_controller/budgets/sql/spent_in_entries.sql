-- Spend between any two instants by whom budgets may be about, from the entries. $1 since, $2 until.
-- The day is the one of the end as the worker told it; a suspect clock may be a week off.
SELECT project, agent, provider, modality, sum(amount_usd) AS amount_usd
FROM ledger_entry
WHERE charged_at >= $1 AND charged_at < $2 AND day >= ($1::timestamptz - interval '9 days')::date
GROUP BY project, agent, provider, modality
