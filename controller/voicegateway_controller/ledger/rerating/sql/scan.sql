-- The next requests in the order of their key, and which of them a run is about. One row each, with its entries.
-- $1 and $2 where the run is, $3 last day, $4 entries, $5 provider, $6 model, $7 project, $8 since, $9 until,
-- $10 only unrated.
WITH scanned AS MATERIALIZED (
    SELECT day, request_id, kind, provider, model, project, charged_at, unrated_reason
    FROM ledger_entry
    WHERE (day, request_id) > ($1::date, $2::uuid) AND day >= $1::date AND day <= $3::date
    ORDER BY day, request_id
    LIMIT $4
)
SELECT
    day,
    request_id,
    count(*) AS entries,
    bool_or(
        kind IN ('usage', 'rerate')
        AND ($5::text = '' OR provider = $5::text)
        AND ($6::text = '' OR model = $6::text)
        AND ($7::text = '' OR project = $7::text)
        AND ($8::timestamptz IS NULL OR charged_at >= $8::timestamptz)
        AND charged_at < $9::timestamptz
    ) AND (NOT $10::boolean OR bool_or(unrated_reason IS NOT NULL)) AS is_meant
FROM scanned
GROUP BY day, request_id
ORDER BY day, request_id
