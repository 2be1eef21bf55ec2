-- Requests whose counts disagree, the newest first. $1 since, $2 projects or null, $3 provider or null, $4 model or null,
-- $5 finding or null, $6 at most; $7 to $10 where the page before ended, or nulls.
SELECT request_id::text, session_id, project, provider, model, modality, meter, source, finding, ours, theirs, charged_at
FROM usage_discrepancy
WHERE charged_at >= $1 AND day >= ($1::timestamptz - interval '9 days')::date
  AND ($2::text[] IS NULL OR project = ANY ($2)) AND ($3::text IS NULL OR provider = $3)
  AND ($4::text IS NULL OR model = $4) AND ($5::text IS NULL OR finding = $5)
  AND charged_at <= coalesce($7::timestamptz, 'infinity')
  AND ($7 IS NULL OR charged_at < $7 OR (request_id, meter, source) > ($8::uuid, $9::text, $10::text))
ORDER BY charged_at DESC, request_id, meter, source
LIMIT $6
