-- Legs that are not in the books yet.
SELECT count(*) FROM call_leg WHERE settled_at IS NULL
