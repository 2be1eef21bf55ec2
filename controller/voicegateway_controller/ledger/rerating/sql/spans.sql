-- The facts of some requests as they were first rated, as far as the inbox still has them. $1 days, $2 request ids.
SELECT
    s.day::text,
    s.request_id::text,
    s.project,
    s.session_id,
    s.agent,
    s.room,
    s.provider,
    s.model,
    s.modality,
    s.outcome,
    s.estimated,
    s.ttfb_ms,
    (extract(epoch FROM CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.started_at END) * 1000000)::bigint,
    (extract(epoch FROM CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.ended_at END) * 1000000)::bigint,
    (extract(epoch FROM CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.ended_at END) * 1000000)::bigint,
    s.key_id,
    s.response_id,
    s.incarnation,
    s.language,
    s.voice,
    s.mode,
    s.service_tier,
    s.usage::text,
    s.attributes::text
FROM unnest($1::date[], $2::uuid[]) AS k (day, request_id)
JOIN LATERAL (SELECT * FROM usage_span WHERE day = k.day AND request_id = k.request_id OFFSET 0) AS s ON true
