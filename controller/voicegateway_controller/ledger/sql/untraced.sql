-- Entries whose cause cannot be found. $1 first day, $2 day after, $3 at most.
-- Spans expire by the day: a day without a single one has none to find.
WITH alive AS (
    SELECT day FROM generate_series($1::date, $2::date - 1, interval '1 day') AS d (day_at),
         LATERAL (SELECT day_at::date AS day) AS as_date
    WHERE EXISTS (SELECT FROM usage_span AS s WHERE s.day = as_date.day)
)
SELECT e.day, e.request_id, e.meter, 'its span is not in the inbox' AS missing
FROM ledger_entry AS e
WHERE e.day >= $1 AND e.day < $2 AND e.kind IN ('usage', 'rerate') AND e.day IN (SELECT day FROM alive)
  AND NOT EXISTS (SELECT FROM usage_span AS s WHERE s.day = e.day AND s.request_id = e.request_id)
UNION ALL
SELECT e.day, e.request_id, e.meter, 'its price ' || e.price_id || ' was never recorded'
FROM ledger_entry AS e
WHERE e.day >= $1 AND e.day < $2 AND e.price_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM price_row AS p WHERE p.price_id = e.price_id)
UNION ALL
SELECT e.day, e.request_id, e.meter, 'it costs something, and names no price'
FROM ledger_entry AS e
WHERE e.day >= $1 AND e.day < $2 AND e.kind = 'usage' AND e.amount_usd <> 0 AND e.price_id IS NULL
UNION ALL
SELECT e.day, e.request_id, e.meter, 'its correction is not recorded'
FROM ledger_entry AS e
WHERE e.day >= $1 AND e.day < $2 AND e.correction_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.id = e.correction_id)
ORDER BY day, request_id, meter
LIMIT $3
