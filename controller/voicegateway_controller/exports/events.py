"""Usage events in the order of the books: every entry once, none missed, corrections as events of their own."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.errors import BadRequest, Overloaded
from voicegateway_controller.exports.focus.names import consumed
from voicegateway_controller.exports.lines import Line
from voicegateway_controller.exports.markups.rules import Pricer, shown_usd
from voicegateway_controller.ledger.store import CLOSE_LOCK
from voicegateway_shared.money import divide_half_even, format_usd
from voicegateway_shared.usage import METERS

EventFormat = Literal["openmeter", "stripe"]
Value = Literal["quantity", "cost", "price"]
SOURCE: Final = "voicegateway"
EVENTS_MAX: Final = 5_000
"""Events of a page, but for its last batch, which is never cut: that bounds a page together with a batch's size."""
BATCHES_MAX: Final = 500
CURSOR_CHARS_MAX: Final = 19
IDENTIFIER_CHARS_MAX: Final = 100
"""Stripe takes no longer identifier, and knows one again for at least 24 hours."""
WRITERS_WAIT_S: Final = 20.0
"""Longer than any transaction of the ledger's takes; then the caller may come back."""
WRITERS_POLL_S: Final = 0.02
TIMEOUT_S: Final = 60.0

# A batch gets its number before it is committed, so a lower one may appear after a higher one. Whoever has a number
# that is not visible yet holds this lock: when those who hold it now are done, nothing below the newest number comes.
NEWEST_BATCH: Final = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ledger_batch"
WRITERS: Final = """
SELECT array_agg(DISTINCT virtualtransaction) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = ($1::bigint >> 32)::bigint::oid
  AND objid = ($1::bigint & 4294967295)::oid
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Whole batches, as many as fit, and none behind one that came too late: a cursor never passes what is still to be sent.
NEXT_BATCHES: Final = """
WITH batches AS (
    SELECT batch, sum(entries) AS entries, max(sealed_at) AS sealed_at
    FROM ledger_block
    WHERE batch > $1 AND batch <= $2 AND ($3::text[] IS NULL OR project = ANY ($3))
      AND ($4::timestamptz IS NULL OR sealed_at >= $4)
    GROUP BY batch ORDER BY batch LIMIT $6
), counted AS (
    SELECT batch, sum(entries) OVER (ORDER BY batch) - entries AS before,
           bool_and($5::timestamptz IS NULL OR sealed_at < $5) OVER (ORDER BY batch) AS in_time
    FROM batches
)
SELECT array_agg(batch ORDER BY batch) AS taken, (SELECT bool_and(in_time) FROM counted) AS all_in_time
FROM counted WHERE before < $7 AND in_time
"""
ENTRIES: Final = """
SELECT charged_at, project, agent, provider, model, modality, meter, kind, coalesce(price_id, ''),
       coalesce(unrated_reason, ''), key_id, coalesce(correction_id::text, ''), booked_in, quantity, billed_quantity,
       (amount_usd * 1000000000000)::numeric(60,0)::text, (list_amount_usd * 1000000000000)::numeric(60,0)::text, 1,
       estimated::integer, request_id::text, session_id, revision, response_id, recorded_at
FROM ledger_entry
WHERE batch >= $1 AND batch <= $2 AND batch = ANY ($3) AND ($4::text[] IS NULL OR project = ANY ($4))
ORDER BY batch, day, request_id, meter COLLATE "C", kind COLLATE "C", revision
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which events: those behind a cursor, of batches that were sealed between two instants."""

    cursor: int
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Batches:
    """The entries of some batches."""

    lines: list[Line]
    cursor: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Events, and where to go on. At the end, the same cursor tells later what has come since."""

    events: list[dict[str, Any]]
    next_cursor: str
    has_more: bool


def parse_cursor(text: str | None) -> int:
    """Return where to go on, 0 for the beginning; BadRequest when the text is no cursor of ours."""
    if text is None or text == "":
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > CURSOR_CHARS_MAX or int(text) >= 2**63:
        raise BadRequest(f"cursor {text[:40]!r} is none: send the next_cursor of an earlier answer, unchanged")
    return int(text)


async def read_batches(connection: Connection, window: Window, *, projects: Sequence[str] | None) -> Batches:
    """Return the entries of the next batches that are settled: no batch of a lower number can appear any more.

    Raises Overloaded when a writer does not end in time.
    """
    newest: int = await connection.fetchval(NEWEST_BATCH, timeout=TIMEOUT_S)
    await _wait_for_writers(connection)
    found = await connection.fetchrow(
        NEXT_BATCHES, window.cursor, newest, projects, window.since, window.until, BATCHES_MAX, EVENTS_MAX,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    taken: list[int] = [] if found is None else found["taken"] or []
    if not taken:
        # Nothing of these projects up to the newest: what comes later has a higher number.
        is_cut = found is not None and found["all_in_time"] is False
        return Batches([], window.cursor if is_cut else max(newest, window.cursor), has_more=False)
    rows = await connection.fetch(ENTRIES, taken[0], taken[-1], taken, projects, timeout=TIMEOUT_S)
    return Batches([_line(list(row)) for row in rows], taken[-1], has_more=taken[-1] < newest)


def page_of(batches: Batches, pricer: Pricer, *, form: EventFormat, value: Value) -> Page:
    """Return the events of some entries."""
    if form == "openmeter":
        made = [openmeter_event(line, pricer) for line in batches.lines]
    else:
        made = [event for line in batches.lines if (event := stripe_event(line, pricer, value=value)) is not None]
    return Page(made, str(batches.cursor), batches.has_more)


def openmeter_event(line: Line, pricer: Pricer) -> dict[str, Any]:
    """Return a CloudEvent 1.0. Its id is the entry's identity, so that a receiver takes it once."""
    unit = METERS[line.meter].unit if line.meter in METERS else consumed(line.meter)[0].lower()
    return {
        "specversion": "1.0",
        "id": identity(line),
        "source": SOURCE,
        "type": f"voicegateway.{line.kind}",
        "subject": line.project,
        "time": _instant(line.at),
        "datacontenttype": "application/json",
        "data": {
            "meter": line.meter,
            "quantity": str(line.quantity),
            "billed_quantity": str(line.billed),
            "unit": unit,
            "cost_usd": format_usd(line.pico_usd),
            "price_usd": shown_usd(pricer.charge(line).pico_usd),
            "provider": line.provider,
            "model": line.model,
            "modality": line.modality,
            "agent": line.agent,
            "session_id": line.session_id,
            "request_id": line.request_id,
            "is_estimated": bool(line.estimated),
            "unrated_reason": line.unrated_reason,
            "price_id": line.price_id,
            "correction_id": line.correction_id,
        },
    }


def stripe_event(line: Line, pricer: Pricer, *, value: Value) -> dict[str, Any] | None:
    """Return a meter event as `POST /v1/billing/meter_events` takes it; None for one that would add nothing.

    Stripe takes whole numbers only: quantities are in the meter's base unit, money is in pico-dollars, for a price of
    0.0000000001 cents each. A correction may be negative; Stripe adds it up, and bills a month below zero as zero.
    """
    if value == "quantity":
        amount, name = line.quantity, f"voicegateway_{line.meter}"
    elif value == "cost":
        amount, name = line.pico_usd, "voicegateway_cost_pico_usd"
    else:
        price = pricer.charge(line).pico_usd
        amount, name = divide_half_even(price.numerator, price.denominator), "voicegateway_price_pico_usd"
    if amount == 0:
        return None
    return {
        "event_name": name[:IDENTIFIER_CHARS_MAX],
        "identifier": identity(line),
        "timestamp": int(line.at.timestamp()),
        "payload": {"stripe_customer_id": line.project, "value": str(amount)},
    }


def identity(line: Line) -> str:
    """Return what names an entry for ever; a hash where the names in it are too long."""
    text = f"{line.request_id}/{line.meter}/{line.kind}/{line.revision}"
    return text if len(text) <= IDENTIFIER_CHARS_MAX else hashlib.sha256(text.encode()).hexdigest()


async def _wait_for_writers(connection: Connection) -> None:
    waiting = set(await _writers(connection))
    waited_s = 0.0
    while waiting:
        if waited_s >= WRITERS_WAIT_S:
            raise Overloaded("the ledger is writing: come back with the same cursor", retry_after_s=5)
        await asyncio.sleep(WRITERS_POLL_S)
        waited_s += WRITERS_POLL_S
        waiting &= set(await _writers(connection))


async def _writers(connection: Connection) -> list[str]:
    return await connection.fetchval(WRITERS, CLOSE_LOCK, timeout=TIMEOUT_S) or []


def _line(values: list[Any]) -> Line:
    values[15:17] = map(int, values[15:17])
    return Line(*values)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
