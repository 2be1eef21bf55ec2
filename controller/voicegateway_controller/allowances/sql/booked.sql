-- What was booked so far of some entries that no request caused, by their ids. $1 days, $2 ids.
SELECT e.request_id, sum(e.amount_usd)::text AS amount, max(e.revision) AS revision
FROM unnest($1::date[], $2::uuid[]) AS k (day, request_id)
JOIN LATERAL (SELECT * FROM ledger_entry WHERE day = k.day AND request_id = k.request_id OFFSET 0) AS e ON true
GROUP BY e.request_id
