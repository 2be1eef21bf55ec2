-- Spend over the last minutes per key, from the entries. $1 by, $2 since, $3 until, $4 projects or null, $5 limit.
-- Requests first: counting distinct ones of all entries would sort them all.
WITH request AS (
    SELECT date_trunc('minute', charged_at, 'UTC') AS at,
           CASE $1::text WHEN 'provider' THEN provider WHEN 'model' THEN provider || '/' || model
               WHEN 'project' THEN project END AS key,
           request_id, sum(amount_usd) AS amount_usd
    FROM ledger_entry
    WHERE charged_at >= $2 AND charged_at < $3 AND ($4::text[] IS NULL OR project = ANY ($4))
    GROUP BY 1, 2, 3
)
SELECT at, key, trim_scale(sum(amount_usd))::text AS amount_usd, count(*) AS requests
FROM request
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT $5
