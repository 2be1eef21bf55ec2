"""Accept a reconciliation: corrections that make the books say what the vendor billed; and take that back."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import Conflict, NotFound
from voicegateway_controller.ledger.books import SHARED_PROJECT, Correction, book, record_correction
from voicegateway_controller.ledger.rules import HOUR_US, HourSums, Posting
from voicegateway_controller.ledger.store import EntryKind
from voicegateway_controller.logs import get_logger
from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile import store
from voicegateway_controller.reconcile.ours import figures, sum_month
from voicegateway_shared.money import format_usd
from voicegateway_shared.usage import METERS

NAMESPACE: Final = uuid.UUID("6d1f5f0e-7c0b-4c36-9a53-2f4b8f1f7a10")
"""Ids of what is booked come from what it is about: the same acceptance twice is one."""
ENTRIES_MAX: Final = 200_000
"""Cells of one reconciliation that may differ; more is a month that is wrong as a whole."""
LOCK: Final = 0x5647_5245_434F
"""Advisory lock: one acceptance is booked at a time, whatever it is of. Each books kind after kind, so two would hold
chains that the other waits for. The letters say VGRECO."""
NOON_US: Final = 12 * HOUR_US
"""Corrections of a day stand at its noon (UTC): the same day in almost every zone."""
NO_MODEL: Final = "invoice"
NO_MODALITY: Final = "other"
REASON_DEFAULT: Final = "the vendor's invoice was accepted"

_KINDS: Final[dict[str, EntryKind]] = {"tax": "tax", "credit": "credit", "purchase": "purchase"}
_TEXTS: Final[dict[str, str]] = {"usage": "adjustment"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = get_logger(__name__)

DIFFERING: Final = """
SELECT position, category, day, key_id, model, meter, modality, price_id, project,
       trunc((vendor_usd - ours_usd) * 1000000000000)::text AS difference,
       (vendor_quantity - our_quantity)::text AS units
FROM reconciliation_cell WHERE number = $1 AND vendor_usd <> ours_usd ORDER BY position LIMIT $2
"""
TOTALS: Final = """
SELECT trunc(r.vendor_usd * 1000000000000)::text AS vendor, trunc(r.ours_usd * 1000000000000)::text AS ours,
       trunc(coalesce((SELECT sum(vendor_usd) FROM reconciliation_cell AS c
                       WHERE c.number = r.number AND c.category = 'tax'), 0) * 1000000000000)::text AS tax,
       (SELECT count(*) FROM reconciliation_part AS p WHERE p.number = r.number AND p.category = 'pending') AS pending,
       (SELECT -sum(amount_usd) FROM reconciliation_part AS p
        WHERE p.number = r.number AND p.category = 'plan_fees') AS fees_usd
FROM reconciliation AS r WHERE r.number = $1
"""
POSTED: Final = """
SELECT coalesce(trunc(sum(net_usd) * 1000000000000), 0)::text AS net,
       coalesce(trunc(sum(tax_usd) * 1000000000000), 0)::text AS tax
FROM ledger_invoice WHERE provider = $1 AND month = $2
"""
ACTIVE: Final = """
SELECT a.* FROM reconciliation_acceptance AS a WHERE a.number = $1
  AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
"""
LATER: Final = """
SELECT a.number FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
WHERE r.provider = $1 AND r.month = $2 AND a.accepted_at > $3
  AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
ORDER BY a.accepted_at LIMIT 1
"""
NEWER: Final = """
SELECT a.number FROM reconciliation_acceptance AS a JOIN reconciliation AS r USING (number)
WHERE r.provider = $1 AND r.month = $2 AND a.number > $3
  AND NOT EXISTS (SELECT FROM ledger_correction AS c WHERE c.reverses = a.correction_id)
ORDER BY a.number DESC LIMIT 1
"""
ATTEMPTS: Final = "SELECT count(*) FROM reconciliation_acceptance WHERE number = $1"
POST_INVOICE: Final = """
INSERT INTO ledger_invoice (id, provider, month, net_usd, tax_usd, reference, correction_id, reverses, posted_by)
VALUES ($1, $2, $3, $4::text::numeric, $5::text::numeric, $6, $7, $8, $9)
"""
NOTE: Final = """
INSERT INTO reconciliation_acceptance (correction_id, number, invoice_id, booked_usd, entries, actor)
VALUES ($1, $2, $3, $4::text::numeric, $5, $6)
"""
BOOKED: Final = """
SELECT day, request_id, meter, kind, project, agent, provider, model, modality, quantity, billed_quantity,
       trunc(amount_usd * 1000000000000)::text AS amount, coalesce(price_id, '') AS price_id, key_id,
       (extract(epoch FROM charged_at) * 1000000)::bigint AS charged_us
FROM ledger_entry WHERE correction_id = $1 ORDER BY day, request_id, meter, kind
"""
INVOICE: Final = "SELECT net_usd::text AS net, tax_usd::text AS tax, reference FROM ledger_invoice WHERE id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What accepting, or taking it back, booked."""

    correction_id: uuid.UUID
    number: int
    entries: int
    booked_pico_usd: int
    is_new: bool
    """Whether this call booked it: it may have been booked before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One entry to book."""

    kind: EntryKind
    day: date
    request_id: uuid.UUID
    meter: str
    project: str
    model: str
    modality: str
    key_id: str
    price_id: str
    quantity: int
    billed_quantity: int
    amount_pico_usd: int
    charged_us: int
    agent: str = ""


class Accepting:
    """Books acceptances; lives as long as the process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def accept(
        self, number: int, *, actor: str, reason: str = "", reference: str = "", is_forced: bool = False
    ) -> Acceptance:
        """Book what makes the provider's month the vendor's amount, and post its invoice; once per reconciliation.

        Raises:
            NotFound: there is no such reconciliation, or it is not done.
            Conflict: the books changed since, a newer one is accepted, too much differs; or, unless forced, the vendor
                may still add to the month, told of no fees of plans, or its file has another total.
        """
        async with raw_connection(self._engine) as connection, connection.transaction():
            run = await self._locked(connection, number)
            active = await connection.fetchrow(ACTIVE, number)
            if active is not None:
                return Acceptance(
                    correction_id=active["correction_id"], number=number, entries=active["entries"],
                    booked_pico_usd=int(active["booked_usd"].scaleb(12)), is_new=False,
                )  # fmt: skip
            totals = await connection.fetchrow(TOTALS, number)
            if totals is None:
                raise NotFound(f"reconciliation {number} has no result")
            await self._check(connection, run, totals, is_forced=is_forced)
            cells = await connection.fetch(DIFFERING, number, ENTRIES_MAX + 1)
            if len(cells) > ENTRIES_MAX:
                raise Conflict(f"more than {ENTRIES_MAX} cells differ: see what is wrong with the month as a whole")
            attempt = await connection.fetchval(ATTEMPTS, number)
            correction = Correction(
                id=uuid.uuid5(NAMESPACE, f"accept/{number}/{attempt}"),
                kind="reconciliation",
                reason=reason or REASON_DEFAULT,
                actor=actor,
                evidence={"reconciliation": number, "provider": run["provider"], "month": run["month"].isoformat()},
            )
            await record_correction(connection, correction)
            lines = [_line(cell, correction.id, run["month"]) for cell in cells]
            invoice_id = await self._post_invoice(connection, run, totals, correction, reference)
            booked = sum(line.amount_pico_usd for line in lines)
            await connection.execute(NOTE, correction.id, number, invoice_id, format_usd(booked), len(lines), actor)
            await _book(connection, run["provider"], lines, correction.id)
            await _record(connection, "reconciliation.accept", run, correction, lines)
        _log.info("reconciliation.accepted", number=number, entries=len(lines), booked_usd=format_usd(booked), by=actor)
        return Acceptance(
            correction_id=correction.id, number=number, entries=len(lines), booked_pico_usd=booked, is_new=True
        )

    async def reverse(self, number: int, *, actor: str, reason: str) -> Acceptance:
        """Take an acceptance back by counter-entries and a counter-invoice.

        Raises:
            NotFound: there is no such reconciliation.
            Conflict: it is not accepted, or a later one of the month that builds on it is.
        """
        async with raw_connection(self._engine) as connection, connection.transaction():
            run = await self._locked(connection, number)
            active = await connection.fetchrow(ACTIVE, number)
            if active is None:
                raise Conflict(f"reconciliation {number} is not accepted: there is nothing to take back")
            later = await connection.fetchval(LATER, run["provider"], run["month"], active["accepted_at"])
            if later is not None:
                raise Conflict(f"reconciliation {later} was accepted after it and builds on it: reverse {later} first")
            accepted = active["correction_id"]
            correction = Correction(
                id=uuid.uuid5(accepted, "reversal"), kind="reversal", reason=reason, actor=actor,
                evidence={"reconciliation": number}, reverses=accepted,
            )  # fmt: skip
            await record_correction(connection, correction)
            lines = [_counter(row, correction.id) for row in await connection.fetch(BOOKED, accepted)]
            invoice = await connection.fetchrow(INVOICE, active["invoice_id"])
            if invoice is not None:
                await connection.execute(
                    POST_INVOICE, uuid.uuid5(correction.id, "invoice"), run["provider"], run["month"],
                    _negated(invoice["net"]), _negated(invoice["tax"]), invoice["reference"], correction.id,
                    active["invoice_id"], actor,
                )  # fmt: skip
            await _book(connection, run["provider"], lines, correction.id)
            await _record(connection, "reconciliation.reverse", run, correction, lines)
        booked = sum(line.amount_pico_usd for line in lines)
        _log.info("reconciliation.reversed", number=number, entries=len(lines), booked_usd=format_usd(booked), by=actor)
        return Acceptance(
            correction_id=correction.id, number=number, entries=len(lines), booked_pico_usd=booked, is_new=True
        )

    async def _locked(self, connection: Connection, number: int) -> asyncpg.Record:
        run = await store.fetch_one(connection, number)
        if run is None or run["state"] != "done":
            raise NotFound(f"there is no reconciliation {number} that is done")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        return run

    async def _check(
        self, connection: Connection, run: asyncpg.Record, totals: asyncpg.Record, *, is_forced: bool
    ) -> None:
        newer = await connection.fetchval(NEWER, run["provider"], run["month"], run["number"])
        if newer is not None:
            # The sums may be as they were then; what the vendor says is not.
            raise Conflict(
                f"reconciliation {newer} of the same month is newer, and accepted: reverse {newer} first, or reconcile "
                "again and accept that"
            )
        is_early = totals["pending"] or run["settled_until"] < next_month(run["month"])
        if is_early and not is_forced:
            raise Conflict(
                f"{run['provider']} may still add to days from {run['settled_until']}: reconcile again after that, or "
                "accept with force"
            )
        if totals["fees_usd"] and not is_forced:
            raise Conflict(
                f"{run['provider']} told of no fees, and ${totals['fees_usd'].normalize():f} of plans' fees are in the "
                "books: accepting would take them out. Reconcile with the invoice's file or total, or accept with force"
            )
        compared = await store.compared(connection, run["number"])
        invoice = compared.statement.invoice_pico_usd
        vendor = int(totals["vendor"])
        if invoice is not None and invoice != vendor and not is_forced:
            raise Conflict(
                f"the file's own total is ${format_usd(invoice)}, and its lines of {run['month']:%Y-%m} come to "
                f"${format_usd(vendor)}, which is what would be posted as the invoice: see its notes with `voicegw "
                f"reconcile show {run['number']}`, then mend the file, or accept with force"
            )
        rows = await sum_month(connection, run["provider"], run["month"])
        # Not their sum alone: what one day has more and another less comes to nothing, and is no less a change.
        if figures(rows) != figures(compared.ours):
            now = sum(row.amount_pico_usd for row in rows)
            raise Conflict(
                f"the books of {run['provider']} in {run['month']:%Y-%m} changed since: they say ${format_usd(now)}, "
                f"and ${format_usd(int(totals['ours']))} when they were compared. Reconcile again and accept that"
            )

    async def _post_invoice(
        self,
        connection: Connection,
        run: asyncpg.Record,
        totals: asyncpg.Record,
        correction: Correction,
        reference: str,
    ) -> uuid.UUID:
        """Post what the vendor bills beyond what was posted for the month before."""
        posted = await connection.fetchrow(POSTED, run["provider"], run["month"])
        net, tax = (0, 0) if posted is None else (int(posted["net"]), int(posted["tax"]))
        total_tax = int(totals["tax"])
        invoice_id = uuid.uuid5(correction.id, "invoice")
        await connection.execute(
            POST_INVOICE, invoice_id, run["provider"], run["month"],
            format_usd(int(totals["vendor"]) - total_tax - net), format_usd(total_tax - tax),
            reference or f"reconciliation {run['number']}", correction.id, None, correction.actor,
        )  # fmt: skip
        return invoice_id


def _line(cell: asyncpg.Record, correction_id: uuid.UUID, month: date) -> _Line:
    """The entry that closes one cell's difference, in the cell's own day, key, model and meter."""
    category: str = cell["category"]
    day = cell["day"] or next_month(month) - timedelta(days=1)
    meter: str = cell["meter"] or _TEXTS.get(category, category)
    units = int(cell["units"] or 0) if category == "usage" and meter in METERS else 0
    return _Line(
        kind=_KINDS.get(category, "adjustment"),
        day=day,
        request_id=uuid.uuid5(correction_id, str(cell["position"])),
        meter=meter,
        # Money is never split over projects by a rule nobody asked for.
        project=cell["project"] if category == "usage" and cell["project"] else SHARED_PROJECT,
        model=cell["model"] or (NO_MODEL if category == "usage" else category),
        modality=cell["modality"] or NO_MODALITY,
        key_id=cell["key_id"],
        price_id=cell["price_id"],
        quantity=units,
        billed_quantity=units,
        amount_pico_usd=int(cell["difference"]),
        charged_us=_us(day) + NOON_US,
    )


def _counter(row: asyncpg.Record, correction_id: uuid.UUID) -> _Line:
    return _Line(
        kind=row["kind"],
        day=row["day"],
        request_id=uuid.uuid5(correction_id, f"{row['request_id']}/{row['meter']}/{row['kind']}"),
        meter=row["meter"],
        project=row["project"],
        model=row["model"],
        modality=row["modality"],
        key_id=row["key_id"],
        price_id=row["price_id"],
        quantity=-row["quantity"],
        billed_quantity=-row["billed_quantity"],
        amount_pico_usd=-int(row["amount"]),
        charged_us=row["charged_us"],
        agent=row["agent"],
    )


async def _record(
    connection: Connection, action: str, run: asyncpg.Record, correction: Correction, lines: Sequence[_Line]
) -> None:
    change = Change(
        actor=correction.actor,
        action=action,
        resource=f"reconciliations/{run['number']}",
        after={
            "provider": run["provider"],
            "month": f"{run['month']:%Y-%m}",
            "correction_id": correction.id,
            "entries": len(lines),
            "booked_usd": format_usd(sum(line.amount_pico_usd for line in lines)),
        },
        reason=correction.reason,
    )
    await record_change(connection, change)


async def _book(connection: Connection, provider: str, lines: Sequence[_Line], correction_id: uuid.UUID) -> None:
    kinds: tuple[EntryKind, ...] = ("adjustment", "credit", "purchase", "tax")
    for kind in kinds:
        posting = _posting(provider, [line for line in lines if line.kind == kind])
        await book(connection, posting, kind=kind, correction_id=correction_id)


def _posting(provider: str, lines: Iterable[_Line]) -> Posting:
    posting = Posting()
    for line in lines:
        posting.entries.append(
            (
                line.meter, str(line.quantity), str(line.billed_quantity), f"{line.amount_pico_usd}e-12",
                f"{line.amount_pico_usd}e-12", line.price_id, "", line.day.isoformat(), str(line.request_id),
                line.project, "", line.agent, provider, line.model, line.modality, "f", str(line.charged_us),
                line.key_id, "", "",
            )
        )  # fmt: skip
        hour_us = line.charged_us - line.charged_us % HOUR_US
        hour = posting.hours.setdefault(
            (hour_us, line.project, line.agent, provider, line.model, line.modality), HourSums()
        )
        sums = hour.meters.setdefault(line.meter, [0, 0, 0, 0, 0, 0])
        sums[1] += line.quantity
        sums[2] += line.billed_quantity
        sums[3] += line.amount_pico_usd
    return posting


def _us(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def _negated(amount: str) -> str:
    return amount[1:] if amount.startswith("-") else f"-{amount}"
