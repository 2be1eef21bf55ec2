"""The sets' SQL: one table for each kind, all of the same shape, and the layers that sets are made of; append-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from voicegateway_controller.configuration.layering import Layer, Section
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.declared.rules import Declared

TIMEOUT_S: Final = 3.0
"""A Postgres slower than this counts as away: what is known goes on holding."""

_COLUMNS: Final = "revision, document::text, created_at, created_by"
LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_LAYERS: Final = """
SELECT json_object_agg(layer, document)::text AS layers, max(revision) AS layers_revision
FROM (
    SELECT DISTINCT ON (layer) layer, document, revision FROM configuration_layer
    WHERE kind = $1 ORDER BY layer, version DESC
) AS newest
"""

Table = Literal["limit_set", "budget_set", "routing_set", "markup_set", "allowance_set", "project_set", "key_set"]
_KINDS: Final[Mapping[Table, Section]] = {
    "limit_set": "limits",
    "budget_set": "budgets",
    "routing_set": "routing",
    "markup_set": "markups",
    "allowance_set": "allowances",
    "project_set": "projects",
    "key_set": "keys",
}

_decode: Final = msgspec.json.Decoder(list[dict[str, object]]).decode
_decode_layers: Final = msgspec.json.Decoder(dict[Layer, Any]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """One revision as stored."""

    revision: int
    document: Sequence[Declared]
    created_at: datetime | None
    created_by: str
    layers: Mapping[Layer, Any] = field(default_factory=dict, compare=False)
    """What each layer says; None where it says nothing any more."""
    is_layered: bool = field(default=False, compare=False)
    """Whether it was made of these layers; False when an older release, which knows none, declared it."""


class SetTable:
    """One kind's table; immutable, lives as long as the process."""

    def __init__(self, table: Table, *, apply_lock: int) -> None:
        self.kind: Final = _KINDS[table]
        self._apply_lock = apply_lock
        self._newest = (
            f"SELECT {_COLUMNS}, layers, layers_revision FROM {table} LEFT JOIN ({_LAYERS}) AS layered ON true "
            "ORDER BY revision DESC LIMIT 1"
        )
        self._newest_revision = f"SELECT coalesce(max(revision), 0) FROM {table}"
        # A restored backup starts its numbers again below those that pools have seen: revisions go on above both.
        self._advance = (
            f"SELECT setval('{table}_revision_seq', $1::bigint) "
            f"WHERE $1 >= (SELECT last_value FROM {table}_revision_seq)"
        )
        self._insert = f"INSERT INTO {table} (document, created_by) VALUES ($1::jsonb, $2) RETURNING {_COLUMNS}"

    async def newest_revision(self, connection: Connection) -> int:
        """Return the revision in force, 0 when nothing was ever declared."""
        revision: int = await connection.fetchval(self._newest_revision, timeout=TIMEOUT_S)
        return revision

    async def newest(self, connection: Connection) -> StoredSet | None:
        """Return the set in force, with its layers."""
        row = await connection.fetchrow(self._newest, self.kind, timeout=TIMEOUT_S)
        if row is None:
            return None
        layers = {} if row["layers"] is None else _decode_layers(row["layers"])
        return _stored(row, layers=layers, is_layered=(row["layers_revision"] or 0) >= row["revision"])

    async def lock(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else declares a set of this kind."""
        await connection.execute(LOCK, self._apply_lock, timeout=TIMEOUT_S)

    async def append(self, connection: Connection, document: Sequence[Declared], *, by: str, above: int) -> StoredSet:
        """Store a new set, with a revision higher than `above`."""
        if above > 0:
            await connection.execute(self._advance, above, timeout=TIMEOUT_S)
        row = await connection.fetchrow(self._insert, msgspec.json.encode(document).decode(), by, timeout=TIMEOUT_S)
        if row is None:
            raise RuntimeError("an INSERT … RETURNING returned no row")
        return _stored(row)


def _stored(row: Any, *, layers: Mapping[Layer, Any] | None = None, is_layered: bool = False) -> StoredSet:
    return StoredSet(
        revision=row["revision"],
        document=_decode(row["document"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        layers=layers or {},
        is_layered=is_layered,
    )
