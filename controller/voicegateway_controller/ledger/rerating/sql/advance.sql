-- A batch is done: where the run is now, and what it counted. $1 number.
UPDATE rerating SET
    cursor_day = $2,
    cursor_request = $3,
    state = CASE WHEN $4::boolean THEN 'done' ELSE state END,
    finished_at = CASE WHEN $4::boolean THEN clock_timestamp() END,
    worked_at = clock_timestamp(),
    catalog_version = $5,
    seen = seen + $6,
    changed = changed + $7,
    entries = entries + $8,
    without_span = without_span + $9,
    kept = kept + $10,
    failed = failed + $11,
    still_unrated = still_unrated + $12,
    before_usd = before_usd + $13::text::numeric,
    after_usd = after_usd + $14::text::numeric
WHERE number = $1
