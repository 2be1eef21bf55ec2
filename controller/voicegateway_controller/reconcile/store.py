"""The reconciliations' SQL: runs under way, results with all that they were made of, what people declared."""

import gzip
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.reconcile.cells import Cell, OurRow
from voicegateway_controller.reconcile.names import Alias, Declared
from voicegateway_controller.reconcile.result import Result
from voicegateway_controller.reconcile.statement import CredentialLink, VendorDocument, VendorStatement
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_shared.money import format_usd

TIMEOUT_S: Final = 60.0
STALE_AFTER: Final = "30 minutes"
"""A run that has said nothing for so long has lost its process: each of its steps is bounded below this."""
KEPT_NIGHTLY: Final = "90 days"
"""How long a nightly run that nobody accepted is kept once a later one of its month is there."""
ERROR_CHARS_MAX: Final = 1_000

BURY: Final = f"""
UPDATE reconciliation_run SET state = 'failed', finished_at = clock_timestamp(), error_code = 'interrupted',
    error = 'its process ended before it was done: start it again'
WHERE state = 'running' AND worked_at < clock_timestamp() - interval '{STALE_AFTER}'
"""
BEGIN: Final = """
INSERT INTO reconciliation_run (provider, month, source, is_nightly, actor) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (provider, month) WHERE state = 'running' DO NOTHING RETURNING number
"""
STEP: Final = "UPDATE reconciliation_run SET step = $2, worked_at = clock_timestamp() WHERE number = $1"
FAIL: Final = """
UPDATE reconciliation_run SET state = 'failed', error = $2, error_code = $3, finished_at = clock_timestamp()
WHERE number = $1 AND state = 'running'
"""
FINISH: Final = """
UPDATE reconciliation_run SET state = 'done', step = '', finished_at = clock_timestamp()
WHERE number = $1 AND state = 'running'
"""
INSERT: Final = """
INSERT INTO reconciliation (
    number, provider, month, vendor_usd, ours_usd, drift_usd, unexplained_usd, parts, threshold, is_within, is_derived,
    settled_until, catalog_version, notes, cells, inputs
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14::jsonb, $15, $16)
"""
INSERT_DOCUMENT: Final = """
INSERT INTO reconciliation_document (sha256, bytes, body) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING
"""
INSERT_EVIDENCE: Final = """
INSERT INTO reconciliation_evidence (number, position, sha256, name, fetched_at) VALUES ($1, $2, $3, $4, $5)
"""
CELL_COLUMNS: Final = (
    "number", "position", "category", "day", "key_id", "model", "meter", "context", "modality", "price_id", "project",
    "skus", "vendor_quantity", "our_quantity", "vendor_requests", "our_requests", "vendor_usd", "ours_usd",
    "is_derived", "notes",
)  # fmt: skip
PART_COLUMNS: Final = ("number", "cell", "position", "category", "amount_usd", "confidence", "reason", "quantity")

_RUN: Final = """
SELECT run.number, run.provider, run.month, run.source, run.is_nightly, run.actor, run.state, run.step, run.error,
       run.error_code, run.started_at, run.finished_at, r.vendor_usd, r.ours_usd, r.drift_usd, r.unexplained_usd,
       r.parts::text AS parts, r.threshold, r.is_within, r.is_derived, r.settled_until, r.catalog_version,
       r.notes::text AS notes, r.cells, a.correction_id, a.booked_usd, a.accepted_at, a.actor AS accepted_by
FROM reconciliation_run AS run
LEFT JOIN reconciliation AS r USING (number)
LEFT JOIN LATERAL (
    SELECT * FROM reconciliation_acceptance AS a WHERE a.number = run.number
      AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
    ORDER BY a.accepted_at DESC LIMIT 1
) AS a ON true
"""
ONE: Final = f"{_RUN} WHERE run.number = $1"
PAGE: Final = f"""
{_RUN}
WHERE ($1::text = '' OR run.provider = $1) AND ($2::date IS NULL OR run.month = $2)
  AND ($3::bigint IS NULL OR run.number < $3)
ORDER BY run.number DESC LIMIT $4
"""
INPUTS: Final = "SELECT inputs FROM reconciliation WHERE number = $1"
BEFORE: Final = """
SELECT max(number) FROM reconciliation WHERE provider = $1 AND month = $2 AND number < $3
"""
LATEST_DOCUMENT: Final = """
SELECT max(e.number) FROM reconciliation_evidence AS e JOIN reconciliation AS r USING (number)
WHERE e.sha256 = $1 AND r.provider = $2 AND r.month = $3
"""
CELLS: Final = """
SELECT c.*, c.context::text AS words, coalesce(p.parts, '[]')::text AS parts
FROM reconciliation_cell AS c
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('category', category, 'amount_usd', amount_usd::text, 'confidence', confidence,
               'reason', reason, 'quantity', quantity::text) ORDER BY position) AS parts
    FROM reconciliation_part AS p WHERE p.number = c.number AND p.cell = c.position
) AS p ON true
WHERE c.number = $1 AND ($2::text = '' OR EXISTS (
    SELECT FROM reconciliation_part AS p WHERE p.number = c.number AND p.cell = c.position AND p.category = $2))
  AND ($3::bool OR c.vendor_usd <> c.ours_usd)
ORDER BY abs(c.vendor_usd - c.ours_usd) DESC, c.position LIMIT $4 OFFSET $5
"""
GROUPED: Final = """
SELECT CASE $2::text WHEN 'day' THEN coalesce(day::text, 'whole month') WHEN 'model' THEN model ELSE key_id END AS key,
       sum(vendor_usd) AS vendor_usd, sum(ours_usd) AS ours_usd, count(*) AS cells
FROM reconciliation_cell WHERE number = $1 GROUP BY 1 ORDER BY 1 LIMIT $3
"""
DOCUMENTS: Final = """
SELECT e.position, e.name, e.fetched_at, encode(e.sha256, 'hex') AS sha256, d.bytes
FROM reconciliation_evidence AS e JOIN reconciliation_document AS d USING (sha256)
WHERE e.number = $1 ORDER BY e.position
"""
DOCUMENT: Final = """
SELECT e.name, d.body FROM reconciliation_evidence AS e JOIN reconciliation_document AS d USING (sha256)
WHERE e.number = $1 AND e.position = $2
"""
ALIASES: Final = "SELECT * FROM reconcile_alias WHERE $1 = '' OR provider = $1 ORDER BY provider, name, valid_from"
LINKS: Final = "SELECT * FROM reconcile_link WHERE $1 = '' OR provider = $1 ORDER BY provider, credential"
DECLARE_ALIAS: Final = """
INSERT INTO reconcile_alias (provider, name, model, valid_from, valid_to, actor) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (provider, name, valid_from) DO UPDATE SET
    model = excluded.model, valid_to = excluded.valid_to, declared_at = now(), actor = excluded.actor
"""
FORGET_ALIAS: Final = "DELETE FROM reconcile_alias WHERE provider = $1 AND name = $2"
DECLARE_LINK: Final = """
INSERT INTO reconcile_link (provider, credential, key_id, actor) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider, credential) DO UPDATE SET
    key_id = excluded.key_id, declared_at = now(), actor = excluded.actor
"""
FORGET_LINK: Final = "DELETE FROM reconcile_link WHERE provider = $1 AND credential = $2"
RAN_SINCE: Final = f"""
SELECT EXISTS (SELECT FROM reconciliation_run WHERE provider = $1 AND month = $2 AND is_nightly AND started_at >= $3
    AND CASE state WHEN 'done' THEN true
        WHEN 'running' THEN worked_at >= clock_timestamp() - interval '{STALE_AFTER}'
        ELSE started_at > clock_timestamp() - interval '1 hour' END)
"""
PENDING_SPANS: Final = "SELECT count(*) FROM (SELECT FROM usage_pending LIMIT 100001) AS few"

_OLD: Final = f"""
SELECT r.number FROM reconciliation AS r JOIN reconciliation_run AS run USING (number)
WHERE run.is_nightly AND r.created_at < clock_timestamp() - interval '{KEPT_NIGHTLY}'
  AND EXISTS (SELECT FROM reconciliation AS later
              WHERE later.provider = r.provider AND later.month = r.month AND later.number > r.number)
  AND NOT EXISTS (SELECT FROM reconciliation_acceptance AS a WHERE a.number = r.number)
ORDER BY r.number LIMIT 100
"""
PRUNE: Final = (
    "SELECT set_config('voicegateway.pruning', 'on', true)",
    f"DELETE FROM reconciliation_part WHERE number IN ({_OLD})",
    f"DELETE FROM reconciliation_cell WHERE number IN ({_OLD})",
    f"DELETE FROM reconciliation_evidence WHERE number IN ({_OLD})",
    f"DELETE FROM reconciliation WHERE number IN ({_OLD})",
    """
    DELETE FROM reconciliation_document AS d WHERE stored_at < clock_timestamp() - interval '1 day'
      AND NOT EXISTS (SELECT FROM reconciliation_evidence AS e WHERE e.sha256 = d.sha256)
    """,
)


class Told(msgspec.Struct, frozen=True):
    """What of a statement is read again."""

    invoice_pico_usd: int | None = None


class Compared(msgspec.Struct, frozen=True):
    """What of a reconciliation's inputs is read again."""

    ours: list[OurRow] = []
    statement: Told = Told()


async def declared(connection: Connection, provider: str) -> Declared:
    """Return what people declared of a provider's names."""
    aliases = await connection.fetch(ALIASES, provider, timeout=TIMEOUT_S)
    links = await connection.fetch(LINKS, provider, timeout=TIMEOUT_S)
    return Declared(
        aliases=tuple(
            Alias(
                provider=row["provider"], name=row["name"], model=row["model"], valid_from=row["valid_from"],
                valid_to=row["valid_to"],
            )
            for row in aliases
        ),
        links=tuple(
            CredentialLink(provider=row["provider"], credential=row["credential"], key_id=row["key_id"])
            for row in links
        ),
    )  # fmt: skip


async def insert(
    connection: Connection, number: int, result: Result, *, threshold: Threshold, inputs: bytes, catalog_version: str
) -> None:
    """Write a result with its cells and parts; needs a transaction."""
    parts = [
        {
            "category": part.category,
            "amount_usd": format_usd(part.amount_pico_usd),
            "confidence": part.confidence,
            "cells": part.cells,
        }
        for part in result.parts
    ]
    await connection.execute(
        INSERT, number, result.provider, result.month, _usd(result.vendor_pico_usd), _usd(result.our_pico_usd),
        _usd(result.drift_pico_usd), _usd(result.unexplained_pico_usd), msgspec.json.encode(parts).decode(),
        threshold.text, threshold.admits(result.drift_pico_usd, base_pico_usd=result.base_pico_usd), result.is_derived,
        result.settled_until, catalog_version, msgspec.json.encode(result.notes).decode(), len(result.cells), inputs,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    cells = [_cell(number, position, cell) for position, cell in enumerate(result.cells)]
    await connection.copy_records_to_table(
        "reconciliation_cell", records=cells, columns=CELL_COLUMNS, timeout=TIMEOUT_S
    )
    rows = [
        (number, position, n, part.category, _usd(part.amount_pico_usd), part.confidence, part.reason,
         None if part.quantity is None else Decimal(part.quantity))
        for position, cell in enumerate(result.cells) for n, part in enumerate(cell.parts)
    ]  # fmt: skip
    await connection.copy_records_to_table("reconciliation_part", records=rows, columns=PART_COLUMNS, timeout=TIMEOUT_S)


async def insert_documents(connection: Connection, number: int, documents: Sequence[VendorDocument]) -> None:
    """Keep what the vendor said, each document once however often it was said; needs a transaction."""
    for position, document in enumerate(documents):
        digest = bytes.fromhex(document.sha256)
        body = gzip.compress(document.body, mtime=0)
        await connection.execute(INSERT_DOCUMENT, digest, len(document.body), body, timeout=TIMEOUT_S)
        await connection.execute(INSERT_EVIDENCE, number, position, digest, _text(document.name), document.fetched_at)


def encode_inputs(statement: VendorStatement, rows: Sequence[OurRow], known: Declared) -> bytes:
    """Both sides as they were compared, without the documents, which are kept once by themselves."""
    bare = msgspec.structs.replace(statement, documents=())
    return gzip.compress(
        msgspec.json.encode({"statement": bare, "ours": rows, "aliases": known.aliases, "links": known.links}), mtime=0
    )


async def compared(connection: Connection, number: int) -> Compared:
    """Return what a reconciliation compared."""
    inputs = await connection.fetchval(INPUTS, number, timeout=TIMEOUT_S)
    return Compared() if inputs is None else msgspec.json.decode(gzip.decompress(inputs), type=Compared)


async def fetch_one(connection: Connection, number: int) -> asyncpg.Record | None:
    """Return a run with its result, if there is one."""
    return await connection.fetchrow(ONE, number, timeout=TIMEOUT_S)


async def prune(connection: Connection) -> None:
    """Delete nightly runs that are old, were never accepted and have a successor."""
    async with connection.transaction():
        for statement in PRUNE:
            await connection.execute(statement, timeout=TIMEOUT_S)


def _cell(number: int, position: int, cell: Cell) -> tuple[Any, ...]:
    key = cell.key
    modalities = {row.modality for row in cell.rows}
    return (
        number, position, key.category, key.day, key.key_id, _text(key.model), key.meter,
        msgspec.json.encode({_text(name): _text(value) for name, value in key.context}).decode(),
        modalities.pop() if len(modalities) == 1 else "",
        cell.price_id, cell.project, [_text(sku) for sku in cell.skus],
        None if cell.vendor_quantity is None else Decimal(cell.vendor_quantity), Decimal(cell.our_quantity),
        cell.vendor_requests, cell.our_requests, _usd(cell.vendor_pico_usd), _usd(cell.our_pico_usd), cell.is_derived,
        cell.notes,
    )  # fmt: skip


def _text(text: str) -> str:
    """A vendor's word as Postgres takes it: without the one character that no text of it may hold."""
    return text.replace("\0", "")


def _usd(pico_usd: int) -> Decimal:
    return Decimal(pico_usd).scaleb(-12)
