-- What some usage came to, hour by hour. $1 since, $2 until, $3 provider, $4 models as patterns of LIKE, $5 meters,
-- $6 project, empty for any.
SELECT hour, sum(billed_quantity)::text AS billed, sum(amount_usd)::text AS amount
FROM rollup_hour
WHERE
    hour >= $1::timestamptz
    AND hour < $2::timestamptz
    AND provider = $3
    AND model LIKE ANY($4::text[])
    AND meter = ANY($5::text[])
    AND ($6::text = '' OR project = $6::text)
GROUP BY hour
ORDER BY hour
