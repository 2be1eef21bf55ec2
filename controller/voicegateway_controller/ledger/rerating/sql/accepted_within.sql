-- Accepted months that hold requests which a run would be about, to the hour. $1 provider, $2 model, $3 project,
-- $4 since, $5 until, $6 only unrated, $7 at most.
SELECT r.provider, r.month
FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
WHERE
    NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
    AND ($1::text = '' OR r.provider = $1::text)
    AND EXISTS (
        SELECT FROM rollup_hour AS h
        WHERE
            h.meter = 'requests'
            AND h.provider = r.provider
            AND ($2::text = '' OR h.model = $2::text)
            AND ($3::text = '' OR h.project = $3::text)
            AND h.hour >= coalesce(date_trunc('hour', $4::timestamptz, 'UTC'), '-infinity')
            AND h.hour < $5::timestamptz
            AND h.hour >= r.month::timestamp AT TIME ZONE 'UTC'
            AND h.hour < (r.month + interval '1 month') AT TIME ZONE 'UTC'
            AND CASE WHEN $6::boolean THEN h.unrated_requests ELSE h.requests END > 0
    )
GROUP BY r.provider, r.month
ORDER BY r.month, r.provider
LIMIT $7
