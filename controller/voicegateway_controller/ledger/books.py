"""The one way into the books: entries, their sums and their seal, in the caller's transaction."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.ledger import store
from voicegateway_controller.ledger.rules import Posting
from voicegateway_controller.ledger.store import EntryKind

SHARED_PROJECT: Final = "_shared"
"""Who pays what no project in particular caused: subscriptions, tax, what only the vendor's invoice knows."""
REASON_CHARS_MAX: Final = 1_000

CorrectionKind = Literal["rerate", "allowance", "prepaid", "subscription", "reconciliation", "manual", "reversal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Why entries are booked that are no usage, and by whom: `actor` is a token's id, or the job that did it."""

    id: uuid.UUID
    kind: CorrectionKind
    reason: str
    actor: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reverses: uuid.UUID | None = None


async def record_correction(connection: Connection, correction: Correction) -> None:
    """Write down why; once, however often it is called with the same id."""
    await connection.execute(
        store.RECORD_CORRECTION,
        correction.id,
        correction.kind,
        correction.reason[:REASON_CHARS_MAX],
        correction.actor,
        msgspec.json.encode(correction.evidence).decode(),
        correction.reverses,
    )


async def book(
    connection: Connection,
    posting: Posting,
    *,
    kind: EntryKind = "usage",
    revision: int = 0,
    correction_id: uuid.UUID | None = None,
) -> None:
    """Write the entries of a posting, add its sums to the rollups and seal what was written.

    Needs an open transaction, and is its last step: rollups and chains stay locked until it ends. Whatever is not
    usage names its correction, which `record_correction` wrote down before. Entries of a closed month are booked in
    the first open one, under their own instant. Raises asyncpg's UniqueViolationError when an entry exists already.
    """
    if not posting.entries:
        return
    digests = await store.insert_entries(
        connection, posting.entries, kind=kind, revision=revision, correction_id=correction_id
    )
    await store.add_to_rollups(connection, posting)
    await store.seal(connection, digests)
