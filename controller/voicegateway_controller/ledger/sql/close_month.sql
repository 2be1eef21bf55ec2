-- Close a month: no entry is booked in it, or in one before it, any more. $1 its first day, $2 by whom, $3 why.
INSERT INTO ledger_close (month, entries, amount_usd, late_entries, closed_by, reason)
SELECT $1, count(*), coalesce(sum(amount_usd), 0), count(booked_in), $2, $3
FROM ledger_entry
WHERE booked_in = $1
   OR (booked_in IS NULL AND charged_at >= $1::date::timestamp AT TIME ZONE 'UTC'
       AND charged_at < ($1::date + interval '1 month') AT TIME ZONE 'UTC')
RETURNING month, entries, trim_scale(amount_usd) AS amount_usd, late_entries, 0::bigint AS pending_spans, closed_at,
          closed_by, reason
