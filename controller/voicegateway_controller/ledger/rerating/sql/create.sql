-- One more run. The caller holds the lock under which numbers are given, so that they rise in order.
INSERT INTO rerating (
    number, correction_id, state, is_dry_run, is_automatic, provider, model, project, since, until, only_unrated,
    allow_unrated, as_of, reason, actor, stretches, cursor_day, cursor_request, expected
)
SELECT
    coalesce(max(number), 0) + 1, $1, 'running', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
    '00000000-0000-0000-0000-000000000000', $16
FROM rerating
RETURNING *
