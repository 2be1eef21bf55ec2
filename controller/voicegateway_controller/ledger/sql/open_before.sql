-- The first open month before one in which anything is booked, or null. $1 the first day of the month.
WITH open AS (
    SELECT coalesce((SELECT max(month) + interval '1 month' FROM ledger_close), '-infinity')::timestamp AS since
)
SELECT least(
    (SELECT date_trunc('month', min(charged_at), 'UTC')::date FROM ledger_entry
     WHERE charged_at < $1::date::timestamp AT TIME ZONE 'UTC' AND booked_in IS NULL
       AND charged_at >= open.since AT TIME ZONE 'UTC'),
    -- What is late for a closed month may be all that an open one has.
    (SELECT min(booked_in) FROM ledger_entry WHERE booked_in >= open.since AND booked_in < $1::date)
)
FROM open
