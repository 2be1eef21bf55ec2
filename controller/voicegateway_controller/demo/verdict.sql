-- One row per request in the ledger's inbox: what the verdict matches against the vendors' own logs.
SELECT s.provider,
       s.request_id::text AS request_id,
       s.outcome,
       s.estimated,
       s.started_at,
       coalesce(s.attributes ->> 'voicegateway.vendor.request_ids', '') AS vendor_request_ids,
       coalesce(e.amount_usd, 0) AS amount_usd,
       coalesce(e.is_unrated, false) AS is_unrated,
       coalesce(e.entries, 0) AS entries
FROM usage_span AS s
LEFT JOIN (
    SELECT request_id,
           sum(amount_usd) AS amount_usd,
           bool_or(unrated_reason IS NOT NULL) AS is_unrated,
           count(*) AS entries
    FROM ledger_entry
    GROUP BY request_id
) AS e ON e.request_id = s.request_id
ORDER BY s.started_at
