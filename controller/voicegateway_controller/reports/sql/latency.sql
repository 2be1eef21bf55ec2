-- The histogram buckets in which the median and the 95th percentile of time to first byte lie.
-- $1 since, $2 projects or null, $3 limit. Sums of bigint are numeric, and slow; as float8 they are exact up to 2^53.
WITH histogram AS (
    SELECT provider, model, modality, bucket, sum(count::float8) AS requests
    FROM rollup_latency
    WHERE hour >= $1 AND ($2::text[] IS NULL OR project = ANY ($2))
    GROUP BY 1, 2, 3, 4
), cumulated AS (
    SELECT *,
        sum(requests) OVER (PARTITION BY provider, model, modality ORDER BY bucket) AS up_to_here,
        sum(requests) OVER (PARTITION BY provider, model, modality) AS total
    FROM histogram
)
SELECT
    provider,
    model,
    modality,
    max(total)::bigint AS requests,
    min(bucket) FILTER (WHERE up_to_here >= 0.5 * total) AS p50_bucket,
    min(bucket) FILTER (WHERE up_to_here >= 0.95 * total) AS p95_bucket
FROM cumulated
GROUP BY 1, 2, 3
ORDER BY max(total) DESC, provider, model, modality
LIMIT $3
