-- Requests, the newest first, with what the books have of them. $1 and $2 the span of time in which they ended, $3 and $4
-- the day and id behind which the page begins or null, $5 projects or null, $6 to $11 project (in $5), provider, model,
-- modality, session, outcome and agent, empty for any, $12 limit.
-- By the key alone: ids are times, so the order within a day is that of their starts.
WITH page AS (
    SELECT day, request_id, project, session_id, agent, modality, provider, model, outcome, estimated, error_type,
           status_code, attempts, ttfb_ms, duration_ms, started_at, ended_at
    FROM usage_span
    WHERE day BETWEEN ($1::timestamptz AT TIME ZONE 'UTC')::date AND ($2::timestamptz AT TIME ZONE 'UTC')::date
      AND ended_at >= $1 AND ended_at < $2
      AND ($3::date IS NULL OR (day, request_id) < ($3::date, $4::uuid))
      AND ($5::text[] IS NULL OR project = ANY ($5))
      AND ($6 = '' OR provider = $6) AND ($7 = '' OR model = $7) AND ($8 = '' OR modality = $8)
      AND ($9 = '' OR session_id = $9) AND ($10 = '' OR outcome = $10) AND ($11 = '' OR agent = $11)
    ORDER BY day DESC, request_id DESC
    LIMIT $12
)
SELECT p.*, b.amount_usd, coalesce(b.unrated, false) AS unrated, coalesce(b.corrected, false) AS corrected
FROM page AS p
LEFT JOIN LATERAL (
    SELECT trim_scale(sum(amount_usd))::text AS amount_usd, bool_or(kind <> 'usage') AS corrected,
           bool_or(unrated_reason IS NOT NULL AND kind IN ('usage', 'rerate') AND revision = newest) AS unrated
    FROM (
        SELECT amount_usd, kind, unrated_reason, revision,
               max(revision) FILTER (WHERE kind IN ('usage', 'rerate')) OVER (PARTITION BY meter) AS newest
        FROM ledger_entry WHERE day = p.day AND request_id = p.request_id
    ) AS entry
) AS b ON true
ORDER BY p.day DESC, p.request_id DESC
