-- What was given up and not delivered since, by channel; `day` (UTC) and `error` of the last within a day, else null.
SELECT d.channel, count(*) AS dead, last.recent, last.day, last.error
FROM alert_delivery AS d
LEFT JOIN LATERAL (
    SELECT count(*) OVER () AS recent, (next_attempt_at AT TIME ZONE 'UTC')::date AS day, last_error AS error
    FROM alert_delivery
    WHERE channel = d.channel AND state = 'dead' AND next_attempt_at > now() - interval '1 day'
    ORDER BY next_attempt_at DESC LIMIT 1
) AS last ON true
WHERE d.state = 'dead'
GROUP BY d.channel, last.recent, last.day, last.error
ORDER BY d.channel
