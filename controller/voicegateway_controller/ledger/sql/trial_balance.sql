-- Debits and credits by account. $1 the first month's first day or null, $2 the first day after the last month or null.
WITH span AS (
    SELECT coalesce($1::date::timestamp AT TIME ZONE 'UTC', '-infinity') AS since,
           coalesce($2::date::timestamp AT TIME ZONE 'UTC', 'infinity') AS until
), leg AS (
    SELECT 'cost:' || r.project AS name, sum(r.amount_usd) AS debit_usd, 0::numeric AS credit_usd
    FROM rollup_hour AS r, span WHERE r.hour >= span.since AND r.hour < span.until
    GROUP BY 1
    UNION ALL
    SELECT 'accrued:' || e.provider, 0, sum(e.amount_usd)
    FROM ledger_entry AS e, span WHERE e.charged_at >= span.since AND e.charged_at < span.until
    GROUP BY 1
    UNION ALL
    SELECT 'accrued:' || i.provider, sum(i.net_usd + i.tax_usd), 0
    FROM ledger_invoice AS i, span
    WHERE i.month::timestamp AT TIME ZONE 'UTC' >= span.since AND i.month::timestamp AT TIME ZONE 'UTC' < span.until
    GROUP BY 1
    UNION ALL
    SELECT 'payable:' || i.provider, 0, sum(i.net_usd + i.tax_usd)
    FROM ledger_invoice AS i, span
    WHERE i.month::timestamp AT TIME ZONE 'UTC' >= span.since AND i.month::timestamp AT TIME ZONE 'UTC' < span.until
    GROUP BY 1
)
SELECT name, trim_scale(sum(debit_usd)) AS debit_usd, trim_scale(sum(credit_usd)) AS credit_usd
FROM leg
GROUP BY name
ORDER BY name COLLATE "C"
