"""The alerts' SQL: raise once, page through them, route, claim, settle."""

from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from voicegateway_controller.alerts.alert import Alert
from voicegateway_controller.db.engine import Connection

TIMEOUT_S: Final = 5.0
"""All of these touch a few rows by an index."""

RAISE: Final = """
INSERT INTO alert (key, kind, severity, project, title, details) VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (key) DO NOTHING RETURNING id
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
