"""The prices' SQL: records that are only ever added, and every price row that a rating could name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_shared.pricing.price import Layer

TIMEOUT_S: Final = 5.0
"""A Postgres slower than this counts as away: what is known goes on holding."""
LOCK_KEY: Final = 0x5647_5052_4943
"""Advisory lock: changes of prices are recorded one after the other. The letters say VGPRIC."""
RECORDS_MAX: Final = 50_000
"""Records in force; a change that would make more is refused."""
Kind = Literal["price", "discount", "credit_price", "plan", "context", "verification", "withdrawal"]

_COLUMNS: Final = (
    "id, kind, provider, layer, scope, content, price_id, effective_from, effective_to, recorded_at, recorded_by, "
    "reason, source_url, source_via, verified_on, confidence, change, supersedes"
)
_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_NEWEST: Final = "SELECT coalesce(max(id), 0) FROM price_record"
_NEWEST_AT: Final = "SELECT coalesce(max(id), 0) FROM price_record WHERE recorded_at <= $1"
# What was known at an instant ($1; null: now): recorded by then, and not superseded by anything recorded by then.
_IN_FORCE: Final = f"""
SELECT {_COLUMNS} FROM price_record AS r
WHERE kind <> 'withdrawal' AND ($1::timestamptz IS NULL OR recorded_at <= $1)
  AND NOT EXISTS (
      SELECT FROM price_record AS s WHERE s.supersedes = r.id AND ($1::timestamptz IS NULL OR s.recorded_at <= $1)
  )
ORDER BY id
"""
# All of a change are known from one instant on: no "as known then" falls between a price that ends and the next one.
_APPEND: Final = """
INSERT INTO price_record (kind, provider, layer, scope, content, price_id, effective_from, effective_to, recorded_at,
                          recorded_by, reason, source_url, source_via, verified_on, confidence, change, supersedes)
SELECT kind, provider, layer, scope, content, price_id, effective_from, effective_to, once.at, $2, $3, source_url,
       source_via, verified_on, confidence, $4, supersedes
FROM (SELECT clock_timestamp() AS at OFFSET 0) AS once, ROWS FROM (jsonb_to_recordset($1::jsonb) AS (
    kind text, provider text, layer text, scope text, content text, price_id text, effective_from timestamptz,
    effective_to timestamptz, source_url text, source_via text, verified_on date, confidence text, supersedes bigint
)) WITH ORDINALITY AS r (kind, provider, layer, scope, content, price_id, effective_from, effective_to, source_url,
                         source_via, verified_on, confidence, supersedes, place)
ORDER BY place
RETURNING id
"""
_HISTORY: Final = f"""
SELECT {", ".join("r." + name for name in _COLUMNS.split(", "))}, s.id AS superseded_by, s.recorded_at AS superseded_at
FROM price_record AS r
LEFT JOIN price_record AS s ON s.supersedes = r.id
WHERE ($1 = '' OR r.provider = $1) AND ($2 = '' OR r.price_id = $2) AND ($3::bigint IS NULL OR r.id < $3)
  AND ($4::text[] IS NULL OR r.layer <> 'project' OR r.scope = ANY ($4))
ORDER BY r.id DESC
LIMIT $5
"""
_OF_CHANGE: Final = f"""
SELECT {_COLUMNS} FROM price_record AS r
WHERE change = $1 AND NOT EXISTS (SELECT FROM price_record AS s WHERE s.supersedes = r.id)
ORDER BY id
"""
_BY_IDS: Final = f"SELECT {_COLUMNS} FROM price_record WHERE id = ANY ($1::bigint[])"
_KEEP_ROWS: Final = """
INSERT INTO price_row (price_id, provider, model, modality, meter, layer, scope, content, origin, first_version)
SELECT price_id, provider, model, modality, meter, layer, scope, content, origin, $2
FROM jsonb_to_recordset($1::jsonb) AS (
    price_id text, provider text, model text, modality text, meter text, layer text, scope text, content text,
    origin text
)
ON CONFLICT (price_id) DO NOTHING
"""
_ROWS: Final = """
SELECT price_id, content, origin, first_version, first_seen_at FROM price_row WHERE price_id = ANY ($1::text[])
"""
_KEEP_VERSION: Final = """
INSERT INTO price_catalog (version, source) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING
"""

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One record as stored; `content` as a price file would say it."""

    id: int
    kind: Kind
    provider: str
    layer: Layer
    scope: str
    content: Mapping[str, Any]
    price_id: str | None
    effective_from: datetime | None
    effective_to: datetime | None
    recorded_at: datetime
    recorded_by: str
    reason: str
    source_url: str
    source_via: str
    verified_on: date | None
    confidence: str
    change: UUID
    supersedes: int | None


class NewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record that is to be added."""

    kind: Kind
    provider: str
    layer: Layer
    scope: str
    content: str
    price_id: str | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    source_url: str = ""
    source_via: str = ""
    verified_on: date | None = None
    confidence: str = ""
    supersedes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRecord:
    """A record and what became of it."""

    record: StoredRecord
    superseded_by: int | None
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrice:
    """A price that a rating could name; `content` is the row and all that is around it."""

    price_id: str
    content: Mapping[str, Any]
    origin: str
    first_version: str
    first_seen_at: datetime


class PriceRowKept(msgspec.Struct, frozen=True, kw_only=True):
    """A price row that is to be kept."""

    price_id: str
    provider: str
    model: str
    modality: str
    meter: str
    layer: str
    scope: str
    content: str
    origin: str


async def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else records a price."""
    await connection.execute(_LOCK, LOCK_KEY, timeout=TIMEOUT_S)


async def newest_revision(connection: Connection) -> int:
    """Return the number of the newest record, 0 when there is none."""
    revision: int = await connection.fetchval(_NEWEST, timeout=TIMEOUT_S)
    return revision


async def revision_at(connection: Connection, instant: datetime) -> int:
    """Return the number of the record that was the newest at an instant, 0 when there was none."""
    revision: int = await connection.fetchval(_NEWEST_AT, instant, timeout=TIMEOUT_S)
    return revision


async def in_force(connection: Connection, *, as_of: datetime | None = None) -> list[StoredRecord]:
    """Return what is known now, or was known at an instant, the oldest first."""
    return [_record(row) for row in await connection.fetch(_IN_FORCE, as_of, timeout=TIMEOUT_S)]


async def append(
    connection: Connection, records: Sequence[NewRecord], *, by: str, reason: str, change: UUID
) -> list[int]:
    """Add records and return their numbers, in their order. A record that is superseded already is an error."""
    text = msgspec.json.encode(records).decode()
    rows = await connection.fetch(_APPEND, text, by, reason, change)
    return [row["id"] for row in rows]


async def of_change(connection: Connection, change: UUID) -> list[StoredRecord]:
    """Return those records of one step that nothing has superseded since."""
    return [_record(row) for row in await connection.fetch(_OF_CHANGE, change, timeout=TIMEOUT_S)]


async def records(connection: Connection, ids: Collection[int]) -> dict[int, StoredRecord]:
    """Return records by their numbers, superseded or not."""
    rows = await connection.fetch(_BY_IDS, list(ids), timeout=TIMEOUT_S)
    return {row["id"]: _record(row) for row in rows}


async def history(
    connection: Connection,
    *,
    provider: str,
    price_id: str,
    before: int | None,
    projects: Sequence[str] | None,
    limit: int,
) -> list[PastRecord]:
    """Return records, the newest first; of projects only these, when any are given."""
    rows = await connection.fetch(_HISTORY, provider, price_id, before, projects, limit, timeout=TIMEOUT_S)
    return [
        PastRecord(record=_record(row), superseded_by=row["superseded_by"], superseded_at=row["superseded_at"])
        for row in rows
    ]


async def keep_rows(connection: Connection, rows: Sequence[PriceRowKept], *, version: str, source: str) -> None:
    """Keep price rows and the version of the catalogue that they were first seen in."""
    await connection.execute(_KEEP_VERSION, version, source)
    await connection.execute(_KEEP_ROWS, msgspec.json.encode(rows).decode(), version)


async def stored_prices(connection: Connection, price_ids: Collection[str]) -> dict[str, StoredPrice]:
    """Return prices by their ids, also those that no catalogue holds any more; unknown ids are left out."""
    rows = await connection.fetch(_ROWS, list(price_ids))
    return {row["price_id"]: StoredPrice(**{**dict(row), "content": _decode(row["content"])}) for row in rows}


def _record(row: Any) -> StoredRecord:
    fields = {name: row[name] for name in StoredRecord.__dataclass_fields__}
    return StoredRecord(**{**fields, "content": _decode(row["content"])})
