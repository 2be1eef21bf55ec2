-- Spend in each slice of a rolling day by whom budgets may be about. $1 since, $2 the length of a slice in seconds.
SELECT floor(extract(epoch FROM charged_at) / $2::int)::bigint AS slice, project, agent, provider, modality,
       sum(amount_usd) AS amount_usd
FROM ledger_entry
WHERE charged_at >= $1 AND day >= ($1::timestamptz - interval '9 days')::date
GROUP BY 1, project, agent, provider, modality
