-- What the named sessions have cost so far, those above a threshold, dearest first. $1 ids, $2 their projects, $3 USD.
SELECT w.session_id, w.project, trim_scale(coalesce(r.amount_usd, 0))::text AS amount_usd
FROM unnest($1::text[], $2::text[]) AS w (session_id, project)
LEFT JOIN rollup_session AS r ON r.session_id = w.session_id AND r.project = w.project
WHERE $3::numeric IS NULL OR coalesce(r.amount_usd, 0) > $3
ORDER BY coalesce(r.amount_usd, 0) DESC, w.session_id, w.project
