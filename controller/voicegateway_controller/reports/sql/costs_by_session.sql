-- Spend per session between two instants, from the entries: rollups know no session's hours or meters.
-- $1 since, $2 until, $3 projects or null, $4 limit.
WITH entry AS (
    SELECT session_id AS key, meter, request_id, quantity, amount_usd, estimated, unrated_reason
    FROM ledger_entry
    WHERE charged_at >= $1 AND charged_at < $2 AND ($3::text[] IS NULL OR project = ANY ($3))
), usage AS (
    SELECT key, jsonb_object_agg(meter, quantity) AS usage
    FROM (SELECT key, meter, sum(quantity) AS quantity FROM entry WHERE meter <> 'requests' GROUP BY 1, 2) AS m
    GROUP BY key
), per_key AS (
    SELECT
        key,
        sum(amount_usd) AS amount_usd,
        count(DISTINCT request_id) AS requests,
        count(DISTINCT request_id) FILTER (WHERE estimated) AS estimated_requests,
        count(DISTINCT request_id) FILTER (WHERE unrated_reason IS NOT NULL) AS unrated_requests
    FROM entry
    GROUP BY key
)
SELECT
    key,
    trim_scale(amount_usd)::text AS amount_usd,
    requests,
    estimated_requests,
    unrated_requests,
    coalesce(usage, '{}')::text AS usage,
    trim_scale(sum(amount_usd) OVER ())::text AS total_amount_usd,
    (sum(requests) OVER ())::bigint AS total_requests,
    (sum(estimated_requests) OVER ())::bigint AS total_estimated_requests,
    (sum(unrated_requests) OVER ())::bigint AS total_unrated_requests
FROM per_key LEFT JOIN usage USING (key)
ORDER BY per_key.amount_usd DESC, key
LIMIT $4
