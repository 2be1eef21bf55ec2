-- Which of some holders have spans that are not rated yet. $1 incarnations.
SELECT DISTINCT s.incarnation
FROM usage_pending AS p
JOIN usage_span AS s ON s.day = p.day AND s.request_id = p.request_id
WHERE s.incarnation = ANY ($1::text[])
