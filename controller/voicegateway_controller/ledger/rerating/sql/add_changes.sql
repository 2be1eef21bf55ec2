-- What a batch changes, added to what its run has changed. $1 number, then one array for each column.
INSERT INTO rerating_change AS c (number, day, provider, model, meter, requests, before_usd, after_usd)
SELECT
    $1,
    f.day,
    f.provider,
    f.model,
    f.meter,
    f.requests,
    f.before_usd::numeric,
    f.after_usd::numeric
FROM unnest($2::date[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[])
    AS f (day, provider, model, meter, requests, before_usd, after_usd)
ON CONFLICT (number, day, provider, model, meter) DO UPDATE SET
    requests = c.requests + excluded.requests,
    before_usd = c.before_usd + excluded.before_usd,
    after_usd = c.after_usd + excluded.after_usd
