-- What was spent in each hour by whom, the newest hours first. $1 since, $2 limit, $3 modalities of what is no request.
SELECT
    hour,
    project,
    agent,
    provider,
    modality,
    ceil(sum(amount_usd) * 1000000000)::bigint AS nano_usd
FROM rollup_hour
WHERE hour >= $1
GROUP BY hour, project, agent, provider, modality
HAVING sum(amount_usd) > 0 OR modality = ANY ($3)
ORDER BY hour DESC
LIMIT $2
