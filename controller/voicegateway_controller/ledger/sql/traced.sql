-- How many entries there are, and how many requests are of days whose spans have expired. $1 first day, $2 day after.
WITH per_day AS (
    SELECT day, count(*) AS entries, count(DISTINCT request_id) FILTER (WHERE kind = 'usage') AS requests
    FROM ledger_entry WHERE day >= $1 AND day < $2 GROUP BY day
)
SELECT coalesce(sum(p.entries), 0)::bigint AS entries,
       coalesce(sum(p.requests) FILTER (
           WHERE NOT EXISTS (SELECT FROM usage_span AS s WHERE s.day = p.day)), 0)::bigint AS expired
FROM per_day AS p
