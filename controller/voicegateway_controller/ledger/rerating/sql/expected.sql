-- How many requests a run is about, to the hour. $1 provider, $2 model, $3 project, $4 since, $5 until,
-- $6 only unrated.
SELECT coalesce(sum(CASE WHEN $6::boolean THEN unrated_requests ELSE requests END), 0)::bigint
FROM rollup_hour
WHERE
    meter = 'requests'
    AND ($1::text = '' OR provider = $1::text)
    AND ($2::text = '' OR model = $2::text)
    AND ($3::text = '' OR project = $3::text)
    AND hour >= coalesce(date_trunc('hour', $4::timestamptz, 'UTC'), '-infinity')
    AND hour < $5::timestamptz
