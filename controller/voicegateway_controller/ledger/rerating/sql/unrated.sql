-- Which models have requests without a price, and since which hour. $1 rows.
SELECT provider, model, modality, project, min(hour) AS since, sum(unrated_requests)::bigint AS requests
FROM rollup_hour
WHERE meter = 'requests' AND unrated_requests > 0
GROUP BY provider, model, modality, project
ORDER BY requests DESC
LIMIT $1
