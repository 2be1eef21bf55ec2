-- What projects have spent since a day, in this month, and today. $1 the first day looked at, $2 the first of the month,
-- $3 today, $4 projects or null, $5 limit.
SELECT
    project,
    trim_scale(coalesce(sum(amount_usd) FILTER (WHERE day >= $2::date), 0))::text AS month_usd,
    trim_scale(coalesce(sum(amount_usd) FILTER (WHERE day >= $3::date), 0))::text AS today_usd,
    coalesce(sum(requests) FILTER (WHERE meter = 'requests' AND day >= $3::date), 0)::bigint AS requests_today,
    coalesce(sum(unrated_requests) FILTER (WHERE meter = 'requests' AND day >= $2::date), 0)::bigint AS unrated_requests,
    max(day) AS last_seen_on
FROM rollup_day
WHERE day >= $1::date AND ($4::text[] IS NULL OR project = ANY ($4))
GROUP BY project
ORDER BY project COLLATE "C"
LIMIT $5
