-- Comparisons between two days by model and meter. $1 first day, $2 day after, $3 projects or null, $4 at most.
SELECT provider, model, modality, meter, source,
       sum(requests)::bigint AS requests, sum(ours)::text AS ours, sum(theirs)::text AS theirs,
       coalesce(sum(requests) FILTER (WHERE finding = 'agrees'), 0)::bigint AS agreeing,
       (SELECT jsonb_object_agg(f.finding, f.requests) FROM (
           SELECT i.finding, sum(i.requests) AS requests FROM rollup_validation AS i
           WHERE i.day >= $1 AND i.day < $2 AND ($3::text[] IS NULL OR i.project = ANY ($3))
             AND (i.provider, i.model, i.modality, i.meter, i.source)
                 = (r.provider, r.model, r.modality, r.meter, r.source)
             AND i.finding <> 'agrees'
           GROUP BY i.finding) AS f)::text AS findings
FROM rollup_validation AS r
WHERE day >= $1 AND day < $2 AND ($3::text[] IS NULL OR project = ANY ($3))
GROUP BY provider, model, modality, meter, source
ORDER BY sum(requests) FILTER (WHERE finding <> 'agrees') DESC NULLS LAST, provider, model, modality, meter, source
LIMIT $4
