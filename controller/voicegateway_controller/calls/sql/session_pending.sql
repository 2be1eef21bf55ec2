-- How many requests of a session ($1, of projects $2 or null) wait to be rated, among the first $3 that do.
SELECT count(*)
FROM (SELECT day, request_id FROM usage_pending LIMIT $3) AS p
JOIN usage_span AS s ON s.day = p.day AND s.request_id = p.request_id
WHERE s.session_id = $1 AND ($2::text[] IS NULL OR s.project = ANY ($2))
