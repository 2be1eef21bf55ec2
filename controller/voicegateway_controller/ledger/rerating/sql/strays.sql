-- Days outside of some bounds on which requests of a window ended, by clocks that were wrong.
-- $1 since, $2 until, $3 first day, $4 last day, $5 days.
SELECT DISTINCT day
FROM ledger_entry
WHERE
    charged_at >= coalesce($1::timestamptz, '-infinity')
    AND charged_at < $2::timestamptz
    AND (day < $3::date OR day > $4::date)
ORDER BY day
LIMIT $5
