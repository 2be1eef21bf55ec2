-- When a session was, as the read model has it. $1 session, $2 projects or null.
SELECT min(first_started_at) AS since, max(last_ended_at) AS until
FROM rollup_session
WHERE session_id = $1 AND ($2::text[] IS NULL OR project = ANY ($2))
