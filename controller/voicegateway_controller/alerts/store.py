"""The alerts' SQL: raise once, page through them, route, claim, settle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from voicegateway_controller.alerts.alert import Alert
from voicegateway_controller.db.engine import Connection

State = Literal["pending", "delivered", "dead"]

TIMEOUT_S: Final = 5.0
"""All of these touch a few rows by an index."""

RAISE: Final = """
INSERT INTO alert (key, kind, severity, project, title, details) VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (key) DO NOTHING RETURNING id
"""

# Written down for each channel in the statement that marks the alert: no alert goes to a part of them.
ROUTE: Final = """
WITH fresh AS (
    SELECT id FROM alert WHERE routed_at IS NULL ORDER BY position LIMIT $2 FOR UPDATE SKIP LOCKED
), routed AS (
    UPDATE alert SET routed_at = now() FROM fresh WHERE alert.id = fresh.id RETURNING alert.id
), written AS (
    INSERT INTO alert_delivery (alert_id, channel)
    SELECT routed.id, channel FROM routed, unnest($1::text[]) AS channel
)
SELECT count(*) FROM routed
"""
# The claim is committed before anything is sent: while it lasts no other runner sends the same, and when its holder
# dies the next attempt is due at its end. A count of attempts that grew meanwhile says that the claim was lost.
CLAIM: Final = """
WITH due AS (
    SELECT alert_id, channel FROM alert_delivery
    WHERE channel = $1 AND state = 'pending' AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE alert_delivery AS d SET attempts = d.attempts + 1, next_attempt_at = now() + $3 * interval '1 second'
    FROM due WHERE d.alert_id = due.alert_id AND d.channel = due.channel
    RETURNING d.alert_id, d.attempts
)
SELECT c.attempts, a.id, a.key, a.kind, a.severity, a.project, a.title, a.details::text, a.raised_at
FROM claimed AS c JOIN alert AS a ON a.id = c.alert_id ORDER BY a.position
"""
SETTLE: Final = """
UPDATE alert_delivery
SET state = $4, last_error = $5, next_attempt_at = now() + $6 * interval '1 second',
    delivered_at = CASE WHEN $4 = 'delivered' THEN now() END
WHERE alert_id = $1 AND channel = $2 AND attempts = $3 AND state = 'pending'
RETURNING alert_id
"""
ABANDON: Final = """
UPDATE alert_delivery SET state = 'dead', last_error = $2
WHERE state = 'pending' AND channel <> ALL ($1::text[]) AND next_attempt_at < now() - $3 * interval '1 second'
RETURNING alert_id
"""
REDELIVER: Final = """
UPDATE alert_delivery
SET state = 'pending', attempts = 0, next_attempt_at = now(), last_error = '', delivered_at = NULL
WHERE alert_id = $1 AND state <> 'pending' AND ($2 = '' OR channel = $2)
RETURNING channel
"""
FIND: Final = """
SELECT id, key, kind, severity, project, title, details::text, raised_at FROM alert WHERE id = $1
"""
# A page reads the table backwards by its position; filters only leave rows out.
PAGE: Final = """
SELECT position, id, key, kind, severity, project, title, details::text, raised_at, routed_at FROM alert
WHERE ($1::bigint IS NULL OR position < $1) AND ($2::text[] IS NULL OR project = ANY ($2))
  AND ($3 = '' OR kind = $3) AND ($4 = '' OR severity = $4)
  AND ($5 = '' OR EXISTS (SELECT FROM alert_delivery AS d WHERE d.alert_id = alert.id AND d.state = $5))
ORDER BY position DESC LIMIT $6
"""
DELIVERIES: Final = """
SELECT alert_id, channel, state, attempts, next_attempt_at, delivered_at, last_error FROM alert_delivery
WHERE alert_id = ANY ($1::uuid[]) ORDER BY alert_id, channel
"""

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def insert(
    connection: Connection, *, key: str, kind: str, severity: str, project: str, title: str, details: str
) -> UUID | None:
    """Store an alert; return its id, None when one of this key is there already."""
    found: UUID | None = await connection.fetchval(
        RAISE, key, kind, severity, project, title, details, timeout=TIMEOUT_S
    )
    return found


def alert_of(row: asyncpg.Record) -> Alert:
    """Read the alert's part of a row."""
    return Alert(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        severity=row["severity"],
        project=row["project"],
        title=row["title"],
        details=_decode(row["details"]),
        raised_at=row["raised_at"],
    )


@dataclass(frozen=True, slots=True)
class Claimed:
    """An alert to deliver now, and the how-manieth attempt it is."""

    alert: Alert
    attempts: int


async def route(connection: Connection, channels: Sequence[str], *, limit: int) -> int:
    """Write down to which channels fresh alerts go; return how many there were."""
    count: int = await connection.fetchval(ROUTE, list(channels), limit, timeout=TIMEOUT_S)
    return count


async def claim(connection: Connection, channel: str, *, limit: int, for_s: float) -> list[Claimed]:
    """Claim what is due on a channel for so long."""
    rows = await connection.fetch(CLAIM, channel, limit, for_s, timeout=TIMEOUT_S)
    return [Claimed(alert_of(row), row["attempts"]) for row in rows]


async def settle(
    connection: Connection, claimed: Claimed, channel: str, *, state: State, error: str, again_in_s: float = 0.0
) -> bool:
    """Write how an attempt ended, unless the claim was lost meanwhile; say whether it was written."""
    settled = await connection.fetchval(
        SETTLE, claimed.alert.id, channel, claimed.attempts, state, error, again_in_s, timeout=TIMEOUT_S
    )
    return settled is not None


async def abandon(connection: Connection, channels: Sequence[str], *, error: str, after_s: float) -> int:
    """Give up what has waited so long for a channel that is none of these; return how many."""
    return len(await connection.fetch(ABANDON, list(channels), error, after_s, timeout=TIMEOUT_S))


async def find(connection: Connection, alert_id: UUID) -> Alert | None:
    """Return an alert, None when there is none of this id."""
    row = await connection.fetchrow(FIND, alert_id, timeout=TIMEOUT_S)
    return None if row is None else alert_of(row)


async def redeliver(connection: Connection, alert_id: UUID, *, channel: str) -> list[str]:
    """Let deliveries begin anew that are not under way, of one channel or (empty) of all; return their channels."""
    rows = await connection.fetch(REDELIVER, alert_id, channel, timeout=TIMEOUT_S)
    return sorted(row["channel"] for row in rows)


async def page(
    connection: Connection,
    *,
    before: int | None,
    projects: Sequence[str] | None,
    kind: str,
    severity: str,
    state: str,
    limit: int,
) -> list[asyncpg.Record]:
    """Return the newest alerts before a position, of some projects or (None) of all."""
    return list(
        await connection.fetch(
            PAGE, before, None if projects is None else list(projects), kind, severity, state, limit, timeout=TIMEOUT_S
        )
    )


async def deliveries(connection: Connection, alert_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Return how these alerts' deliveries are."""
    return list(await connection.fetch(DELIVERIES, list(alert_ids), timeout=TIMEOUT_S))
