-- Rooms that are long over and have no leg any more. $1 how long ago.
DELETE FROM call_room AS r
WHERE r.seen_at < now() - $1::interval AND NOT EXISTS (SELECT FROM call_leg AS l WHERE l.room_sid = r.room_sid)
