-- Which models have requests without a price, and since which hour; not of months whose invoice is accepted. $1 rows.
SELECT h.provider, model, modality, project, min(hour) AS since, sum(unrated_requests)::bigint AS requests
FROM rollup_hour AS h
WHERE
    meter = 'requests'
    AND unrated_requests > 0
    AND NOT EXISTS (
        SELECT FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
        WHERE r.provider = h.provider AND r.month = date_trunc('month', h.hour, 'UTC')::date
            AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
    )
GROUP BY h.provider, model, modality, project
ORDER BY requests DESC
LIMIT $1
