-- Spend per key between two full hours: whole days from the daily rollup, the hours at both ends from the hourly one.
-- $1 by, $2 since, $3 until, $4 projects or null, $5 limit.
-- The meter 'requests' counts each request once; it is no usage of its own.
WITH whole AS (
    SELECT date_trunc('day', $2::timestamptz + interval '1 day' - interval '1 microsecond', 'UTC') AS first,
           date_trunc('day', $3::timestamptz, 'UTC') AS last
), edge AS (
    -- Without a whole day in between, all of it is hours.
    SELECT CASE WHEN $1::text <> 'hour' AND first < last THEN first ELSE $3 END AS first,
           CASE WHEN $1::text <> 'hour' AND first < last THEN last ELSE $3 END AS last
    FROM whole
), part AS (
    SELECT day::timestamp AT TIME ZONE 'UTC' AS hour, project, agent, provider, model, modality, meter, requests,
           quantity, amount_usd, estimated_requests, unrated_requests
    FROM rollup_day
    WHERE day >= (SELECT (first AT TIME ZONE 'UTC')::date FROM edge)
      AND day < (SELECT (last AT TIME ZONE 'UTC')::date FROM edge)
    UNION ALL
    SELECT hour, project, agent, provider, model, modality, meter, requests, quantity, amount_usd, estimated_requests,
           unrated_requests
    FROM rollup_hour WHERE hour >= $2 AND hour < (SELECT first FROM edge)
    UNION ALL
    SELECT hour, project, agent, provider, model, modality, meter, requests, quantity, amount_usd, estimated_requests,
           unrated_requests
    FROM rollup_hour WHERE hour >= (SELECT last FROM edge) AND hour < $3
), per_meter AS (
    SELECT
        CASE $1::text
            WHEN 'provider' THEN provider
            WHEN 'model' THEN provider || '/' || model
            WHEN 'project' THEN project
            WHEN 'agent' THEN agent
            WHEN 'modality' THEN modality
            WHEN 'day' THEN to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            WHEN 'hour' THEN to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":00:00Z"')
        END AS key,
        meter,
        sum(requests) AS requests,
        sum(quantity) AS quantity,
        sum(amount_usd) AS amount_usd,
        sum(estimated_requests) AS estimated_requests,
        sum(unrated_requests) AS unrated_requests
    FROM part
    WHERE $4::text[] IS NULL OR project = ANY ($4)
    GROUP BY 1, 2
), per_key AS (
    SELECT
        key,
        sum(amount_usd) AS amount_usd,
        coalesce(sum(requests) FILTER (WHERE meter = 'requests'), 0) AS requests,
        coalesce(sum(estimated_requests) FILTER (WHERE meter = 'requests'), 0) AS estimated_requests,
        coalesce(sum(unrated_requests) FILTER (WHERE meter = 'requests'), 0) AS unrated_requests,
        coalesce(jsonb_object_agg(meter, quantity) FILTER (WHERE meter <> 'requests'), '{}') AS usage
    FROM per_meter
    GROUP BY key
)
SELECT
    key,
    trim_scale(amount_usd)::text AS amount_usd,
    requests::bigint,
    estimated_requests::bigint,
    unrated_requests::bigint,
    usage::text,
    trim_scale(sum(amount_usd) OVER ())::text AS total_amount_usd,
    (sum(requests) OVER ())::bigint AS total_requests,
    (sum(estimated_requests) OVER ())::bigint AS total_estimated_requests,
    (sum(unrated_requests) OVER ())::bigint AS total_unrated_requests
FROM per_key
ORDER BY CASE WHEN $1 IN ('day', 'hour') THEN key END, per_key.amount_usd DESC, key
LIMIT $5
