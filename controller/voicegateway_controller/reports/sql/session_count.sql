-- Calls that ran at some time between two instants. $1 since, $2 until, $3 projects or null.
-- Those that began in between come from the index alone; of those before, a call lasts two days at most.
SELECT (
    SELECT count(*) FROM rollup_session
    WHERE first_started_at >= $1 AND first_started_at < $2 AND ($3::text[] IS NULL OR project = ANY ($3))
) + (
    SELECT count(*) FROM rollup_session
    WHERE first_started_at >= $1::timestamptz - interval '2 days' AND first_started_at < $1 AND last_ended_at >= $1
      AND ($3::text[] IS NULL OR project = ANY ($3))
) AS sessions
