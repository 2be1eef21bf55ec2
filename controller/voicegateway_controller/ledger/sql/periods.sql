-- Months that have entries or are closed, the newest first. $1 at most so many.
-- Sums of closed months are those of their closing; of open ones they are counted, one month's partition each.
WITH open AS (
    SELECT coalesce((max(month) + interval '1 month')::date, '-infinity') AS since FROM ledger_close
), booked AS (
    SELECT coalesce(e.booked_in, date_trunc('month', e.charged_at, 'UTC')::date) AS month, count(*) AS entries,
           sum(e.amount_usd) AS amount_usd, count(e.booked_in) AS late_entries
    FROM ledger_entry AS e, open
    -- The day is the worker's; a suspect clock's may be anywhere, so only the bound of the index is taken from it.
    WHERE e.charged_at >= open.since OR e.booked_in >= open.since
    GROUP BY 1
), waiting AS (
    SELECT date_trunc('month', day)::date AS month, count(*) AS spans FROM usage_pending GROUP BY 1
)
SELECT b.month, b.entries, trim_scale(b.amount_usd) AS amount_usd, b.late_entries,
       coalesce(w.spans, 0)::bigint AS pending_spans, NULL::timestamptz AS closed_at, '' AS closed_by, '' AS reason
FROM booked AS b LEFT JOIN waiting AS w USING (month)
UNION ALL
SELECT c.month, c.entries, trim_scale(c.amount_usd), c.late_entries, coalesce(w.spans, 0)::bigint, c.closed_at,
       c.closed_by, c.reason
FROM ledger_close AS c LEFT JOIN waiting AS w USING (month)
ORDER BY month DESC
LIMIT $1
