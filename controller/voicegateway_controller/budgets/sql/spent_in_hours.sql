-- Spend between two full hours by whom budgets may be about, from the hourly rollup. $1 since or null, $2 until or null.
SELECT project, agent, provider, modality, sum(amount_usd) AS amount_usd
FROM rollup_hour
WHERE hour >= coalesce($1::timestamptz, '-infinity') AND hour < coalesce($2::timestamptz, 'infinity')
GROUP BY project, agent, provider, modality
