-- Requests that started in a span of time, in order. $1 since, $2 until, $3 projects (null: all), $4 how many at most.
-- A span lies in the partition of the day it ended on.
SELECT (extract(epoch FROM started_at) * 1000)::bigint AS start_ms, duration_ms, provider, model, modality, project,
       agent, key_id, mode, attempts, usage::text
FROM usage_span
WHERE started_at >= $1 AND started_at < $2 AND ended_at >= $1
  AND ($3::text[] IS NULL OR project = ANY ($3))
ORDER BY started_at, request_id
LIMIT $4
