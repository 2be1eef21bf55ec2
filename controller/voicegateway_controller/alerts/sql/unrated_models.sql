-- Models of which requests have no price and that were not told yet, by day (UTC) of their charge. $1 since, $2 how many.
SELECT day, provider, model, requests
FROM (
    SELECT (hour AT TIME ZONE 'UTC')::date AS day, provider, model, sum(unrated_requests)::bigint AS requests
    FROM rollup_hour
    WHERE hour >= $1 AND meter = 'requests' AND unrated_requests > 0
    GROUP BY 1, 2, 3
) AS unrated
WHERE NOT EXISTS (
    SELECT FROM alert WHERE key = 'unrated_usage:' || unrated.day || ':' || unrated.provider || '/' || unrated.model
)
ORDER BY day DESC, requests DESC, provider, model
LIMIT $2
