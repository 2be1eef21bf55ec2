-- Closed months whose entries come to something else than what was closed, and months of a vendor whose posted invoices
-- are not what the newest accepted reconciliation says. $1 first month, $2 month after, $3 at most.
WITH closed AS (
    SELECT c.month, concat_ws(' ', c.entries, c.late_entries, c.amount_usd) AS kept,
           concat_ws(' ', e.entries, e.late_entries, e.amount_usd) AS found
    FROM ledger_close AS c, LATERAL (
        SELECT count(*) AS entries, count(booked_in) AS late_entries,
               coalesce(sum(amount_usd), 0)::numeric(24,12) AS amount_usd
        FROM ledger_entry
        WHERE booked_in = c.month
           OR (booked_in IS NULL AND charged_at >= c.month::timestamp AT TIME ZONE 'UTC'
               AND charged_at < (c.month + interval '1 month') AT TIME ZONE 'UTC')
    ) AS e
    WHERE c.month >= $1 AND c.month < $2
), accepted AS (
    -- What is reversed counts for nothing; before it stands what was accepted earlier.
    SELECT r.provider, r.month, coalesce((array_agg(r.vendor_usd ORDER BY a.accepted_at DESC) FILTER (
               WHERE NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)))[1], 0) AS usd
    FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
    WHERE r.month >= $1 AND r.month < $2
    GROUP BY r.provider, r.month
), posted AS (
    SELECT provider, month, sum(net_usd + tax_usd) AS usd
    FROM ledger_invoice WHERE month >= $1 AND month < $2
    GROUP BY provider, month
)
SELECT to_char(month, 'YYYY-MM') || ': ' || kept || ' was closed (entries, late ones, USD), ' || found || ' is there'
       AS wrong
FROM closed WHERE kept <> found
UNION ALL
SELECT to_char(a.month, 'YYYY-MM') || ' ' || a.provider || ': ' || a.usd || ' USD was accepted, '
       || coalesce(p.usd, 0) || ' is posted'
FROM accepted AS a LEFT JOIN posted AS p USING (provider, month) WHERE a.usd <> coalesce(p.usd, 0)
ORDER BY 1
LIMIT $3
