-- The sessions that started last. $1 projects or null, $2 limit; $3 to $5 where the page before ended, or nulls.
SELECT session_id, project, agent, room, first_started_at AS started_at, last_ended_at AS ended_at, requests, errors,
       estimated_requests, unrated_requests, trim_scale(amount_usd)::text AS amount_usd
FROM rollup_session
WHERE ($1::text[] IS NULL OR project = ANY ($1))
  AND first_started_at <= coalesce($3::timestamptz, 'infinity')
  AND ($3 IS NULL OR first_started_at < $3 OR (session_id, project) > ($4::text, $5::text))
ORDER BY first_started_at DESC, session_id, project
LIMIT $2
