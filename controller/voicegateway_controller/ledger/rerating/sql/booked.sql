-- What is booked of some requests, entry by entry. $1 days, $2 request ids.
SELECT
    e.request_id::text,
    e.meter,
    e.revision,
    e.quantity,
    e.billed_quantity,
    e.amount_usd::text,
    e.list_amount_usd::text,
    e.price_id,
    e.unrated_reason
FROM unnest($1::date[], $2::uuid[]) AS k (day, request_id)
JOIN LATERAL (
    SELECT * FROM ledger_entry WHERE day = k.day AND request_id = k.request_id AND kind IN ('usage', 'rerate') OFFSET 0
) AS e ON true
