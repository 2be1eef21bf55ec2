-- What an event tells of a room. Every merge is the same in any order: the earliest instant, the greatest text.
-- $1 SID, $2 name, $3 project or '', $4 started, $5 finished, $6 instant of the event.
INSERT INTO call_room AS r (room_sid, name, project, started_at, finished_at, finish_seen_at, seen_at)
VALUES ($1, $2, $3, $4, $5, CASE WHEN $5::timestamptz IS NOT NULL THEN clock_timestamp() END, $6)
ON CONFLICT (room_sid) DO UPDATE SET
    name = greatest(r.name, excluded.name),
    project = greatest(r.project, excluded.project),
    started_at = least(r.started_at, excluded.started_at),
    finished_at = least(r.finished_at, excluded.finished_at),
    finish_seen_at = greatest(r.finish_seen_at, excluded.finish_seen_at),
    seen_at = greatest(r.seen_at, excluded.seen_at)
