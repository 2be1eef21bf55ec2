-- How far the ledger is.
SELECT
    (SELECT count(*) FROM usage_pending) AS pending_spans,
    (SELECT coalesce(round(extract(epoch FROM now() - min(arrived_at)) * 1000), 0)::bigint FROM usage_pending)
        AS oldest_pending_age_ms,
    (SELECT coalesce(sum(rated_spans), 0)::bigint FROM ledger_progress) AS rated_spans_total,
    (SELECT count(*) FROM usage_quarantine) AS quarantined_total,
    (SELECT coalesce(sum(unrated_requests), 0)::bigint FROM ledger_progress) AS unrated_requests_total,
    (SELECT max(last_rated_at) FROM ledger_progress) AS last_rated_at
