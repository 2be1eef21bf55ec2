-- The sessions that started last. $1 projects or null, $2 limit.
SELECT session_id, project, agent, room, first_started_at AS started_at, last_ended_at AS ended_at, requests, errors,
       estimated_requests, unrated_requests, trim_scale(amount_usd)::text AS amount_usd
FROM rollup_session
WHERE $1::text[] IS NULL OR project = ANY ($1)
ORDER BY first_started_at DESC, session_id
LIMIT $2
