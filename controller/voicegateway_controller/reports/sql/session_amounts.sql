-- What the named sessions have cost so far. $1 session ids, $2 their projects.
SELECT r.session_id, r.project, trim_scale(r.amount_usd)::text AS amount_usd
FROM unnest($1::text[], $2::text[]) AS wanted (session_id, project)
JOIN rollup_session AS r ON r.session_id = wanted.session_id AND r.project = wanted.project
