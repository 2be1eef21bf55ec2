-- Spend over time per key, from the hourly rollup. $1 by, $2 since, $3 until, $4 projects or null, $5 limit.
SELECT
    hour AS at,
    CASE $1::text WHEN 'provider' THEN provider WHEN 'model' THEN provider || '/' || model WHEN 'project' THEN project END
        AS key,
    trim_scale(sum(amount_usd))::text AS amount_usd,
    coalesce(sum(requests) FILTER (WHERE meter = 'requests'), 0)::bigint AS requests
FROM rollup_hour
WHERE hour >= $2 AND hour < $3 AND ($4::text[] IS NULL OR project = ANY ($4))
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT $5
