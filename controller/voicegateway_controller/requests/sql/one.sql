-- One request's span, looked for on some days. $1 days, $2 request, $3 projects or null.
SELECT day, request_id, encode(trace_id, 'hex') AS trace_id, encode(span_id, 'hex') AS span_id, incarnation, project,
       session_id, agent, room, job_id, speech_id, key_id, modality, provider, model, response_model, response_id,
       language, voice, mode, service_tier, outcome, estimated, error_type, status_code, attempts, ttfb_ms, duration_ms,
       started_at, ended_at, arrived_at, clock_suspect, usage::text, reported::text, attributes::text
FROM usage_span
WHERE day = ANY ($1::date[]) AND request_id = $2 AND ($3::text[] IS NULL OR project = ANY ($3))
LIMIT 1
