-- What some usage came to, hour by hour. $1 since, $2 until, $3 provider, $4 models as patterns of LIKE, $5 meters,
-- $6 project, empty for any.
-- Without what accepted invoices added: a credit for it would move the books away from the invoice again.
WITH counted AS (
    SELECT hour, provider, model, meter, project, billed_quantity, amount_usd FROM rollup_hour
    UNION ALL
    SELECT date_trunc('hour', e.charged_at, 'UTC'), e.provider, e.model, e.meter, e.project, -e.billed_quantity,
           -e.amount_usd
    FROM ledger_correction AS c JOIN ledger_entry AS e ON e.correction_id = c.id
    WHERE c.kind IN ('reconciliation', 'reversal') AND e.kind = 'adjustment'
        AND e.charged_at >= $1::timestamptz AND e.charged_at < $2::timestamptz
)
SELECT hour, sum(billed_quantity)::text AS billed, sum(amount_usd)::text AS amount
FROM counted
WHERE
    hour >= $1::timestamptz
    AND hour < $2::timestamptz
    AND provider = $3
    AND model LIKE ANY($4::text[])
    AND meter = ANY($5::text[])
    AND ($6::text = '' OR project = $6::text)
GROUP BY hour
ORDER BY hour
