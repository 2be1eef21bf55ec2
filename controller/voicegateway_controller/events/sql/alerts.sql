-- Alerts behind a position. $1 position, $2 limit. One that was raised a moment ago may have an elder that is not
-- committed yet.
SELECT position, id::text, key, kind, severity, project, title, raised_at
FROM alert
WHERE position > $1 AND raised_at < clock_timestamp() - interval '300 ms'
ORDER BY position LIMIT $2
