-- Which models were used since a full hour; fees and credits stand under their allowance's name, with no request.
-- $1 the hour, $2 projects or null, $3 limit.
SELECT provider, model, modality,
       coalesce(sum(requests) FILTER (WHERE meter = 'requests'), 0)::bigint AS requests,
       coalesce(sum(unrated_requests) FILTER (WHERE meter = 'requests'), 0)::bigint AS unrated_requests,
       trim_scale(sum(amount_usd))::text AS amount_usd
FROM rollup_hour
WHERE hour >= $1 AND ($2::text[] IS NULL OR project = ANY ($2))
GROUP BY 1, 2, 3
HAVING sum(requests) FILTER (WHERE meter = 'requests') > 0
ORDER BY 1, 2, 3
LIMIT $3
