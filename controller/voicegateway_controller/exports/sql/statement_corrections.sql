-- Why entries were booked that are no usage. $1 ids of corrections.
SELECT id::text, kind, reason, actor, created_at FROM ledger_correction WHERE id = ANY ($1) ORDER BY created_at, id
