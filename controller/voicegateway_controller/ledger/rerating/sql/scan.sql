-- The next requests in the order of their key, and which of them a run is about. One row each, with its entries.
-- $1 and $2 where the run is, $3 last day, $4 entries, $5 provider, $6 model, $7 project, $8 since, $9 until,
-- $10 only unrated, $11 nobody asked for it.
WITH accepted AS MATERIALIZED (
    -- Months whose invoice is accepted have the cost of what was unrated in its corrections: a price of its own as well
    -- would count it twice.
    SELECT r.provider, r.month
    FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
    WHERE $11::boolean AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
), scanned AS MATERIALIZED (
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
        AND NOT EXISTS (
            SELECT FROM accepted AS a
            WHERE a.provider = scanned.provider AND a.month = date_trunc('month', scanned.charged_at, 'UTC')::date
        )
    ) AND (NOT $10::boolean OR bool_or(unrated_reason IS NOT NULL)) AS is_meant
FROM scanned
GROUP BY day, request_id
ORDER BY day, request_id
