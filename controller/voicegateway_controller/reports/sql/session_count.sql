-- Calls that ran at some time between two instants. $1 since, $2 until, $3 projects or null.
SELECT count(*) AS sessions
FROM rollup_session
WHERE first_started_at < $2 AND last_ended_at >= $1 AND ($3::text[] IS NULL OR project = ANY ($3))
