-- Spend per session between two instants, from the entries: rollups know no session's hours or meters.
-- $1 since, $2 until, $3 projects or null, $4 limit.
-- A request is unrated while the newest rating of one of its meters is; corrections are no requests.
WITH newest AS MATERIALIZED (
    SELECT day, request_id, meter, max(revision) AS revision
    FROM ledger_entry
    WHERE kind = 'rerate' AND correction_id IS NOT NULL AND charged_at >= $1 AND charged_at < $2
    GROUP BY 1, 2, 3
), entry AS (
    SELECT session_id AS key, meter, request_id, quantity, amount_usd, estimated, kind = 'usage' AS is_usage,
           unrated_reason IS NOT NULL AND e.revision = coalesce(n.revision, 0) AS is_unrated
    FROM ledger_entry AS e LEFT JOIN newest AS n USING (day, request_id, meter)
    WHERE charged_at >= $1 AND charged_at < $2 AND session_id <> '' AND ($3::text[] IS NULL OR project = ANY ($3))
), usage AS (
    SELECT key, jsonb_object_agg(meter, quantity) AS usage
    FROM (SELECT key, meter, sum(quantity) AS quantity FROM entry WHERE meter <> 'requests' GROUP BY 1, 2) AS m
    GROUP BY key
), request AS (
    SELECT key, request_id, sum(amount_usd) AS amount_usd, bool_or(is_usage) AS is_usage,
           bool_or(estimated AND is_usage) AS estimated, bool_or(is_unrated) AS is_unrated
    FROM entry
    GROUP BY key, request_id
), per_key AS (
    SELECT
        key,
        sum(amount_usd) AS amount_usd,
        count(*) FILTER (WHERE is_usage) AS requests,
        count(*) FILTER (WHERE estimated) AS estimated_requests,
        count(*) FILTER (WHERE is_unrated) AS unrated_requests
    FROM request
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
