-- Sums of a session's entries by part. $1 session, $2 projects or null, $3 and $4 the span of time, for the index.
WITH entry AS (
    SELECT day, request_id, meter, kind, revision, modality, amount_usd, estimated, unrated_reason,
           max(revision) FILTER (WHERE kind IN ('usage', 'rerate'))
               OVER (PARTITION BY day, request_id, meter) AS newest
    FROM ledger_entry
    WHERE session_id = $1 AND ($2::text[] IS NULL OR project = ANY ($2)) AND charged_at BETWEEN $3 AND $4
), request AS (
    SELECT modality, day, request_id, sum(amount_usd) AS amount_usd, bool_or(kind = 'usage') AS is_request,
           bool_or(estimated AND kind = 'usage') AS estimated,
           bool_or(unrated_reason IS NOT NULL AND kind IN ('usage', 'rerate') AND revision = newest) AS unrated,
           bool_or(kind <> 'usage') AS corrected
    FROM entry GROUP BY 1, 2, 3
)
SELECT modality, count(*) FILTER (WHERE is_request) AS requests, sum(amount_usd) AS amount_usd,
       count(*) FILTER (WHERE estimated) AS estimated, count(*) FILTER (WHERE unrated) AS unrated,
       count(*) FILTER (WHERE corrected) AS corrected, count(*) AS items
FROM request GROUP BY 1
