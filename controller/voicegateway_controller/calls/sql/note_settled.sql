-- $1 ids, $2 sessions, $3 projects, $4 how many spans each made.
UPDATE call_leg AS l
SET settled_at = clock_timestamp(), settled_session = k.session_id, settled_project = k.project, spans = k.spans
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[]) AS k (leg_id, session_id, project, spans)
WHERE l.leg_id = k.leg_id
