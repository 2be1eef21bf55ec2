-- The 99th percentile of what models lately answered. $1 since (a day before now), $2 spans looked at, $3 requests needed.
-- The newest spans by their ids, which begin with the time: the primary key is read backwards and no further than $2.
SELECT provider, model, modality, percentile_disc(0.99) WITHIN GROUP (ORDER BY tokens) AS p99
FROM (
    SELECT provider, model, modality, (usage ->> 'output_tokens')::bigint AS tokens, started_at
    FROM usage_span
    WHERE day >= ($1::timestamptz AT TIME ZONE 'UTC')::date AND modality IN ('llm', 'realtime') AND NOT estimated
        AND usage ? 'output_tokens'
    ORDER BY day DESC, request_id DESC
    LIMIT $2
) AS recent
WHERE started_at >= $1
GROUP BY provider, model, modality
HAVING count(*) >= $3
