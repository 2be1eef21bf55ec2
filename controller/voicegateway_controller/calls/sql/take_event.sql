-- Note an event once. $1 its id, $2 its name. Of two who have it at once, the second waits for the first's commit.
INSERT INTO call_event (event_id, event) VALUES ($1, $2)
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
