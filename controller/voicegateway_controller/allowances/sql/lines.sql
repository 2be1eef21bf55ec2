-- The same usage of a stretch, request by request, in order of time. Parameters as in hours.sql.
SELECT sum(billed_quantity)::text AS billed, sum(amount_usd)::text AS amount
FROM ledger_entry
WHERE
    kind IN ('usage', 'rerate')
    AND charged_at >= $1::timestamptz
    AND charged_at < $2::timestamptz
    AND provider = $3
    AND model LIKE ANY($4::text[])
    AND meter = ANY($5::text[])
    AND ($6::text = '' OR project = $6::text)
GROUP BY charged_at, day, request_id, meter
ORDER BY charged_at, day, request_id, meter COLLATE "C"
