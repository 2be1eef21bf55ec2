"""Thousands of calls that ended while no runner was there: what they cost to settle must not grow with their square."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from voicegateway_controller.db.sqlfile import load_sql

ROOMS = 2_000
_ROOMS = """
INSERT INTO call_room
SELECT 'RM_' || n, 'room-' || n, '', now() - interval '1 hour', NULL, NULL, now() FROM generate_series(1, $1::int) AS n
"""
_LEGS = """
INSERT INTO call_leg (
    leg_id, room_sid, kind, resource_id, session_id, direction, trunk_id, livekit_model, carrier_provider,
    carrier_model, call_id, carrier_call_id, project, is_connected, is_unanswered, is_estimated, started_at, ended_at,
    seen_at, changed_at
)
SELECT gen_random_uuid(), 'RM_' || n, 'agent', 'PA_' || n, '', '', '', 'agent-session', '', '', '', '', '', true, false,
       false, now() - interval '1 hour', now() - interval '10 minutes', now(), now() - interval '9 minutes'
FROM generate_series(1, $1::int) AS n
"""
_SESSIONS = """
INSERT INTO rollup_session (
    session_id, project, agent, room, first_started_at, last_ended_at, requests, errors, estimated_requests,
    unrated_requests, amount_usd
)
SELECT 'AJ_' || n, 'acme', 'a', 'room-' || n, now() - interval '59 minutes', now() - interval '11 minutes',
       1, 0, 0, 0, 1
FROM generate_series(1, $1::int) AS n
"""


async def test_agents_with_names_of_their_own_are_found_by_their_rooms_and_not_by_looking_at_every_call(
    db: Any,
) -> None:
    for statement in (_ROOMS, _LEGS, _SESSIONS):
        await db.execute(statement, ROOMS)
    await db.execute("ANALYZE call_room, call_leg, rollup_session")
    query = load_sql("voicegateway_controller.calls", "due_legs")
    arguments = (timedelta(0), timedelta(0), 500)

    found = await db.fetch(query, *arguments)
    plan = await db.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments)

    assert len(found) == 500
    assert all(row["resolved_session"] == row["room_name"].replace("room-", "AJ_") for row in found)
    looked_at = sum(
        (node.get("Rows Removed by Filter", 0) + node["Actual Rows"]) * node["Actual Loops"]
        for node in nodes(json.loads(plan) if isinstance(plan, str) else plan)
        if node.get("Relation Name") == "rollup_session"
    )
    assert looked_at <= 10 * ROOMS


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    if isinstance(plan, list):
        for each in plan:
            yield from nodes(each)
        return
    if "Plan" in plan:
        yield from nodes(plan["Plan"])
    if "Node Type" in plan:
        yield plan
        yield from nodes(plan.get("Plans", []))
