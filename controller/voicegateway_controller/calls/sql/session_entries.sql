-- A session's first requests with all their entries. $1 session, $2 projects or null, $3 and $4 the span of time,
-- $5 how many requests.
WITH first AS (
    SELECT day, request_id, min(charged_at) AS charged_at
    FROM ledger_entry
    WHERE session_id = $1 AND ($2::text[] IS NULL OR project = ANY ($2)) AND charged_at BETWEEN $3 AND $4
    GROUP BY 1, 2 ORDER BY 3, 2 LIMIT $5
)
SELECT e.request_id::text, e.project, e.modality, e.provider, e.model, e.meter, e.kind, e.revision, e.quantity,
       e.billed_quantity, trim_scale(e.amount_usd)::text AS amount_usd, e.amount_usd AS amount, e.price_id,
       e.unrated_reason, e.estimated, f.charged_at, s.started_at, s.ended_at, coalesce(s.outcome, 'ok') AS outcome,
       coalesce(s.attributes->>'voicegateway.call.direction', '') AS direction
FROM first AS f
JOIN ledger_entry AS e ON e.day = f.day AND e.request_id = f.request_id AND e.session_id = $1
LEFT JOIN LATERAL (
    SELECT started_at, ended_at, outcome, attributes FROM usage_span WHERE day = f.day AND request_id = f.request_id
) AS s ON true
ORDER BY f.charged_at, f.request_id, e.meter, e.recorded_at, e.kind <> 'usage', e.revision, e.kind
