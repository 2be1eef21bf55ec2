-- What the read model has of a session. $1 session, $2 projects or null.
SELECT project, agent, room, first_started_at, last_ended_at, amount_usd
FROM rollup_session
WHERE session_id = $1 AND ($2::text[] IS NULL OR project = ANY ($2))
ORDER BY first_started_at, project
