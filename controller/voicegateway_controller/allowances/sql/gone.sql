-- What allowances gave that are declared no more, day by day. $1 since, $2 until, $3 names that are declared.
SELECT e.model AS name, e.day, (-sum(e.amount_usd))::text AS amount
FROM ledger_correction AS c JOIN ledger_entry AS e ON e.correction_id = c.id
WHERE
    c.kind IN ('allowance', 'prepaid')
    AND e.kind = 'credit'
    AND e.charged_at >= $1::timestamptz
    AND e.charged_at < $2::timestamptz
    AND e.model <> ALL($3::text[])
GROUP BY e.model, e.day
HAVING sum(e.amount_usd) <> 0
