-- Requests of a project between two full hours. $1 since, $2 until, $3 project.
SELECT coalesce(sum(requests), 0)::bigint AS requests, coalesce(sum(estimated_requests), 0)::bigint AS estimated,
       coalesce(sum(unrated_requests), 0)::bigint AS unrated
FROM rollup_hour
WHERE hour >= $1 AND hour < $2 AND project = $3 AND meter = 'requests'
