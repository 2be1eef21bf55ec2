-- What some holders spent between two instants, by whom. $1 incarnations, $2 since, $3 until.
SELECT incarnation, project, agent, provider, modality, sum(amount_usd) AS amount_usd
FROM ledger_entry
WHERE incarnation = ANY ($1::text[]) AND charged_at >= $2 AND charged_at < $3
    AND day >= ($2::timestamptz - interval '9 days')::date
GROUP BY incarnation, project, agent, provider, modality
