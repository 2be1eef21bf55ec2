-- What a run changes of months whose invoice was accepted when it was done, or is. $1 number.
SELECT
    c.provider,
    date_trunc('month', c.day)::date AS month,
    a.number AS reconciliation,
    sum(c.after_usd - c.before_usd) AS difference_usd
FROM rerating_change AS c
JOIN rerating AS run USING (number)
JOIN LATERAL (
    SELECT max(a.number) AS number
    FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
    WHERE
        r.provider = c.provider
        AND r.month = date_trunc('month', c.day)::date
        AND a.accepted_at < coalesce(run.finished_at, 'infinity')
        AND NOT EXISTS (
            SELECT FROM ledger_correction AS taken
            WHERE taken.reverses = a.correction_id AND taken.created_at < coalesce(run.finished_at, 'infinity')
        )
) AS a ON a.number IS NOT NULL
WHERE c.number = $1
GROUP BY c.provider, date_trunc('month', c.day)::date, a.number
ORDER BY 2, 1
