-- These legs ($1) were seen in their rooms just now.
UPDATE call_leg SET seen_at = greatest(seen_at, now()), changed_at = clock_timestamp()
WHERE leg_id = ANY ($1::uuid[]) AND settled_at IS NULL
