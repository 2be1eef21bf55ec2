"""The versions' SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from voicegateway_controller.configuration.layering import Layer, Section
from voicegateway_controller.db.engine import Connection

TIMEOUT_S: Final = 5.0

_COLUMNS: Final = "number, at, actor, layer, kinds, summary, reason, origin, rollback_of"
_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM configuration_version"
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM configuration_version WHERE number < $1 ORDER BY number DESC LIMIT $2
"""
_ONE: Final = f"SELECT {_COLUMNS} FROM configuration_version WHERE number = $1"
_AS_OF: Final = """
SELECT DISTINCT ON (kind) kind, document::text FROM configuration_layer
WHERE layer = $1 AND version <= $2 ORDER BY kind, version DESC
"""
_LAYERS: Final = """
SELECT newest.kind, newest.layer, newest.revision, newest.version, at, actor, origin
FROM (
    SELECT DISTINCT ON (kind, layer) kind, layer, revision, version, document FROM configuration_layer
    ORDER BY kind, layer, version DESC
) AS newest JOIN configuration_version ON number = newest.version
WHERE newest.document::text <> 'null'
"""
_NEWEST_POSSIBLE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One change of a layer; immutable."""

    number: int
    at: datetime
    actor: str
    layer: Layer
    kinds: Sequence[Section]
    summary: str
    reason: str
    origin: str
    rollback_of: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLayer:
    """What a layer says of a kind since when, by whom; immutable."""

    kind: Section
    layer: Layer
    revision: int
    version: int
    at: datetime
    actor: str
    origin: str


async def newest_number(connection: Connection) -> int:
    """Return the number of the newest version, 0 when there is none."""
    number: int = await connection.fetchval(_NEWEST, timeout=TIMEOUT_S)
    return number


async def versions(connection: Connection, *, before: int | None, limit: int) -> list[Version]:
    """Return versions, the newest first."""
    rows = await connection.fetch(_PAGE, _NEWEST_POSSIBLE if before is None else before, limit, timeout=TIMEOUT_S)
    return [Version(**dict(row)) for row in rows]


async def version(connection: Connection, number: int) -> Version | None:
    """Return one version."""
    row = await connection.fetchrow(_ONE, number, timeout=TIMEOUT_S)
    return None if row is None else Version(**dict(row))


async def as_of(connection: Connection, layer: Layer, number: int) -> Mapping[str, Any]:
    """Return what a layer said of each kind at a version; a kind it said nothing of is absent."""
    rows = await connection.fetch(_AS_OF, layer, number, timeout=TIMEOUT_S)
    found = {row["kind"]: msgspec.json.decode(row["document"]) for row in rows}
    return {kind: document for kind, document in found.items() if document is not None}


async def held_layers(connection: Connection) -> list[HeldLayer]:
    """Return what each layer says now, where it says anything."""
    return [HeldLayer(**dict(row)) for row in await connection.fetch(_LAYERS, timeout=TIMEOUT_S)]
