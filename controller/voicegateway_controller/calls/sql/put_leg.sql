-- What an event tells of a leg that is not in the books yet. Every merge is the same in any order.
INSERT INTO call_leg AS l (
    leg_id, room_sid, kind, resource_id, session_id, direction, trunk_id, livekit_model, carrier_provider,
    carrier_model, call_id, carrier_call_id, project, is_connected, is_unanswered, is_estimated, started_at, ended_at,
    seen_at, changed_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, clock_timestamp())
ON CONFLICT (leg_id) DO UPDATE SET
    -- An ingress stands for its room (IN_… before RM_…) until that is told.
    room_sid = greatest(l.room_sid, excluded.room_sid),
    session_id = greatest(l.session_id, excluded.session_id),
    -- Together: rules may change during a call, and one's carrier with another's model is nobody's price. Whoever knows
    -- the trunk and the call goes first.
    (trunk_id, call_id, carrier_provider, carrier_model, livekit_model, direction) = (
        SELECT * FROM (VALUES
            (l.trunk_id, l.call_id, l.carrier_provider, l.carrier_model, l.livekit_model, l.direction),
            (excluded.trunk_id, excluded.call_id, excluded.carrier_provider, excluded.carrier_model,
             excluded.livekit_model, excluded.direction)
        ) AS told ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC, 5 DESC, 6 DESC LIMIT 1
    ),
    carrier_call_id = greatest(l.carrier_call_id, excluded.carrier_call_id),
    project = greatest(l.project, excluded.project),
    is_connected = l.is_connected OR excluded.is_connected,
    is_unanswered = l.is_unanswered OR excluded.is_unanswered,
    is_estimated = l.is_estimated OR excluded.is_estimated,
    started_at = least(l.started_at, excluded.started_at),
    ended_at = least(l.ended_at, excluded.ended_at),
    -- Of a leg that still speaks, the loss was an error.
    lost_at = CASE WHEN excluded.seen_at > l.lost_at THEN NULL ELSE l.lost_at END,
    seen_at = greatest(l.seen_at, excluded.seen_at),
    changed_at = clock_timestamp()
WHERE l.settled_at IS NULL
RETURNING leg_id
