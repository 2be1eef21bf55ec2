-- Legs that went into the books longer than $1 ago.
DELETE FROM call_leg WHERE settled_at < now() - $1::interval
