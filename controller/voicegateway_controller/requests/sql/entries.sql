-- All that the books have of one request. $1 its day, $2 its id.
SELECT meter, kind, revision, quantity, billed_quantity, trim_scale(amount_usd)::text AS amount_usd,
       trim_scale(list_amount_usd)::text AS list_amount_usd, price_id, unrated_reason, recorded_at, booked_in,
       amount_usd AS amount
FROM ledger_entry
WHERE day = $1 AND request_id = $2
ORDER BY recorded_at, meter, kind, revision
LIMIT 1000
