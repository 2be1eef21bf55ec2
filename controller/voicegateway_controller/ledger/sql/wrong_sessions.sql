-- Sessions whose first instant or errors are not those of their spans, where all of them are rated and in the inbox.
-- $1 first day, $2 day after, $3 at most.
WITH told AS (
    SELECT s.session_id, s.project, count(*) AS requests,
           min(CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.started_at END) AS first_started_at,
           count(*) FILTER (WHERE s.outcome = 'error') AS errors
    FROM usage_span AS s
    WHERE s.day >= $1 AND s.day < $2 AND s.session_id <> ''
      AND NOT EXISTS (SELECT FROM usage_pending AS p WHERE p.day = s.day AND p.request_id = s.request_id)
    GROUP BY s.session_id, s.project
)
SELECT concat_ws(' ', session_id, project) AS key, concat_ws(' ', t.first_started_at, t.errors) AS spans,
       concat_ws(' ', r.first_started_at, r.errors) AS rollup
FROM told AS t JOIN rollup_session AS r USING (session_id, project)
WHERE r.requests = t.requests AND (r.first_started_at, r.errors) <> (t.first_started_at, t.errors)
ORDER BY 1
LIMIT $3
