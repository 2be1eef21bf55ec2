"""Prove the books: nothing was changed, sums agree, everything has its cause. Reads only; any stretch of days."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.ledger.accounts import trial_balance
from voicegateway_controller.ledger.verify import verify_rollups
from voicegateway_controller.months import next_month

FINDINGS_MAX: Final = 100
"""Findings told per check; the first is already a page."""
TIMEOUT_S: Final = 900.0
"""One statement reads one month's entries: some ten million take minutes."""
BLOCKS_FETCHED: Final = 5_000
_OF_DAYS: Final = (
    ("chain", "no entry was changed, added or taken away behind our back"),
    ("links", "each block holds the hash of the one before it"),
    ("traces", "each entry has its span, its price or the reason why it has none, and its correction"),
)
Progress = Callable[[str, date], None]


@dataclass(slots=True)
class Check:
    """What one check looked at, and what it found: nothing, or the books are broken."""

    name: str
    promise: str
    looked_at: int = 0
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        """Note that the promise is broken somewhere; only the first FINDINGS_MAX are kept."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The checks of some months, and the newest hash of each chain in them: keep those elsewhere."""

    since: date
    until: date
    checks: tuple[Check, ...]
    heads: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no check found anything."""
        return not any(check.findings for check in self.checks)


async def audit(engine: AsyncEngine, *, since: date, until: date, progress: Progress = lambda _, __: None) -> Audit:
    """Check all that belongs to the months from `since` to just before `until` (first days of months, UTC).

    Raises DatabaseUnavailable. Every statement sees one moment; the ledger may go on meanwhile.
    """
    chains, links, traces = (Check(name, promise) for name, promise in _OF_DAYS)
    rollups = Check("rollups", "hourly and session sums are the sums of their entries")
    dashboard = Check("dashboard", "the totals that people see are the sums of entries")
    balance = Check("balance", "debits equal credits")
    totals = Check("totals", "closed months and invoices are what was closed and accepted")
    heads: list[str] = []
    checks: tuple[tuple[Check, Callable[[Check, date, date], Awaitable[None]]], ...] = (
        (chains, lambda check, start, end: _check_chains(engine, check, start, end)),
        (links, lambda check, start, end: _check_links(engine, check, start, end, heads)),
        (rollups, lambda check, start, end: _check_rollups(engine, check, start, end)),
        (dashboard, lambda check, start, end: _check_dashboard(engine, check, start, end)),
        (traces, lambda check, start, end: _check_traces(engine, check, start, end)),
        (balance, lambda check, start, end: _check_balance(engine, check, start, end)),
        (totals, lambda check, start, end: _check_totals(engine, check, start, end)),
    )
    month = since
    while month < until:
        for check, run in checks:
            progress(check.name, month)
            await run(check, month, next_month(month))
        month = next_month(month)
    return Audit(since=since, until=until, checks=tuple(check for check, _ in checks), heads=tuple(heads))


async def audit_days(engine: AsyncEngine, *, since: date, until: date) -> tuple[Check, ...]:
    """Check the seal and the causes of the entries of some days, the last one excluded: what is cheap enough to repeat.

    Raises DatabaseUnavailable.
    """
    chains, links, traces = (Check(name, promise) for name, promise in _OF_DAYS)
    await _check_chains(engine, chains, since, until)
    await _check_links(engine, links, since, until, [])
    await _check_traces(engine, traces, since, until)
    return chains, links, traces


async def _check_chains(engine: AsyncEngine, check: Check, start: date, end: date) -> None:
    """Compute each block's digest anew from its entries."""
    async with raw_connection(engine) as connection:
        for row in await connection.fetch(
            load_sql(__package__, "wrong_blocks"), start, end, FINDINGS_MAX, timeout=TIMEOUT_S
        ):
            check.find(f"{row['project']} {row['day']} batch {row['batch']}: {row['wrong']}")
        counted = await connection.fetchrow(load_sql(__package__, "sealed_entries"), start, end, timeout=TIMEOUT_S)
    if counted is not None:
        check.looked_at += counted["sealed"]
        if counted["unsealed"]:
            check.notes.append(f"{start:%Y-%m}: {counted['unsealed']} entries are from before there were chains")


async def _check_links(engine: AsyncEngine, check: Check, start: date, end: date, heads: list[str]) -> None:
    """Walk each chain from its first block to its head."""
    async with raw_connection(engine) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        newest = {
            (row["project"], row["day"]): (row["blocks"], row["hash"])
            for row in await connection.fetch(
                "SELECT project, day, blocks, hash FROM ledger_chain WHERE day >= $1 AND day < $2", start, end
            )
        }
        walked: dict[tuple[str, date], tuple[int, bytes]] = {}
        async for project, day, block, digest, digest_hash in _blocks(connection, start, end):
            key = (project, day)
            number, before = walked.get(key, (0, b""))
            check.looked_at += 1
            if block != number + 1:
                check.find(f"{project} {day}: block {number + 1} is missing")
            elif hashlib.sha256(before + digest).digest() != digest_hash:
                check.find(f"{project} {day}: block {block} does not follow from the one before it")
            walked[key] = (block, digest_hash)
    for project, day in sorted(newest.keys() | walked.keys()):
        if newest.get((project, day)) != walked.get((project, day)):
            check.find(f"{project} {day}: its chain does not end where it should")
        else:
            blocks, head = newest[project, day]
            heads.append(f"{day} {project} {blocks} {head.hex()}")


async def _blocks(connection: Connection, start: date, end: date) -> AsyncIterator[tuple[str, date, int, bytes, bytes]]:
    statement = """
        SELECT project, day, block, digest, hash FROM ledger_block
        WHERE day >= $1 AND day < $2 ORDER BY project, day, block
    """
    async for row in connection.cursor(statement, start, end, prefetch=BLOCKS_FETCHED, timeout=TIMEOUT_S):
        yield row["project"], row["day"], row["block"], row["digest"], row["hash"]


async def _check_rollups(engine: AsyncEngine, check: Check, start: date, end: date) -> None:
    for each in await verify_rollups(engine, since=_instant(start), until=_instant(end), timeout_s=TIMEOUT_S):
        check.find(
            f"{each.rollup} {each.key}: entries say {each.entries or 'nothing'}, it says {each.rollups or 'nothing'}"
        )
    async with raw_connection(engine) as connection:
        # What only spans know, as long as they are kept.
        for row in await connection.fetch(
            load_sql(__package__, "wrong_sessions"), start, end, FINDINGS_MAX, timeout=TIMEOUT_S
        ):
            check.find(f"rollup_session {row['key']}: spans say {row['spans']}, it says {row['rollup']}")
        check.looked_at += await connection.fetchval(
            "SELECT count(*) FROM rollup_hour WHERE hour >= $1 AND hour < $2", _instant(start), _instant(end)
        )


async def _check_dashboard(engine: AsyncEngine, check: Check, start: date, end: date) -> None:
    """Compare what the costs report says, by its own query, with the entries."""
    async with raw_connection(engine) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        costs = load_sql("voicegateway_controller.reports", "costs")
        shown = {
            row["key"]: Decimal(row["amount_usd"])
            for row in await connection.fetch(
                costs, "project", _instant(start), _instant(end), None, None, timeout=TIMEOUT_S
            )
        }
        summed = {
            row["project"]: row["amount_usd"]
            for row in await connection.fetch(
                "SELECT project, sum(amount_usd) AS amount_usd FROM ledger_entry "
                "WHERE charged_at >= $1 AND charged_at < $2 GROUP BY 1",
                _instant(start),
                _instant(end),
                timeout=TIMEOUT_S,
            )
        }
    check.looked_at += len(summed)
    for project in sorted(shown.keys() | summed.keys()):
        if shown.get(project, Decimal(0)) != summed.get(project, Decimal(0)):
            check.find(
                f"{start:%Y-%m} {project}: people see {shown.get(project)}, entries come to {summed.get(project)}"
            )


async def _check_traces(engine: AsyncEngine, check: Check, start: date, end: date) -> None:
    async with raw_connection(engine) as connection:
        for row in await connection.fetch(
            load_sql(__package__, "untraced"), start, end, FINDINGS_MAX, timeout=TIMEOUT_S
        ):
            check.find(f"{row['day']} {row['request_id']} {row['meter']}: {row['missing']}")
        counted = await connection.fetchrow(load_sql(__package__, "traced"), start, end, timeout=TIMEOUT_S)
    if counted is not None:
        check.looked_at += counted["entries"]
        if counted["expired"]:
            check.notes.append(f"{start:%Y-%m}: {counted['expired']} requests are of days whose spans have expired")


async def _check_balance(engine: AsyncEngine, check: Check, start: date, end: date) -> None:
    found = await trial_balance(engine, since=start, until=end)
    check.looked_at += len(found.accounts)
    if found.difference_usd:
        check.find(f"{start:%Y-%m}: debits are {found.debit_usd}, credits {found.credit_usd}")


async def _check_totals(engine: AsyncEngine, check: Check, start: date, end: date) -> None:
    """Hold what was written down once against the entries and the reconciliation that it was made of."""
    async with raw_connection(engine) as connection:
        for row in await connection.fetch(
            load_sql(__package__, "wrong_totals"), start, end, FINDINGS_MAX, timeout=TIMEOUT_S
        ):
            check.find(row["wrong"])
        check.looked_at += await connection.fetchval(
            "SELECT (SELECT count(*) FROM ledger_close WHERE month >= $1 AND month < $2)"
            " + (SELECT count(*) FROM ledger_invoice WHERE month >= $1 AND month < $2)", start, end,
        )  # fmt: skip


def _instant(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
