"""Reconcile a provider's month: ask, add up, match, explain, store, tell; in the background, few at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict, LedgerBroken, Overloaded
from voicegateway_controller.logs import get_logger
from voicegateway_controller.reconcile import ours, store
from voicegateway_controller.reconcile.cells import Cell, OurRow, RowFacts, RowGroup
from voicegateway_controller.reconcile.matching import match
from voicegateway_controller.reconcile.names import Declared, Names
from voicegateway_controller.reconcile.ours import month_of
from voicegateway_controller.reconcile.recut import find_recut, wants_hours
from voicegateway_controller.reconcile.result import Result, sum_up
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_controller.reconcile.waterfall import explain, wants_facts
from voicegateway_shared.errors import VoiceGatewayError
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog

RUNS_MAX: Final = 2
"""Reconciliations of one process at a time; each may hold a month of sums in memory."""
FETCH_TIMEOUT_S: Final = 600.0
"""How long a vendor may take to tell a month, all pages, waits and tries together."""
CLOSE_S: Final = 10.0
ERROR_MAX: Final = store.ERROR_CHARS_MAX

Source = Literal["api", "file", "total"]
Fetch = Callable[[datetime], Awaitable[VendorStatement]]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be reconciled, from where, for whom."""

    provider: str
    month: date
    source: Source
    threshold: Threshold
    actor: str
    is_nightly: bool = False


class Reconciliations:
    """Runs reconciliations for one process, from `start` on; `close` ends those under way."""

    def __init__(self, engine: AsyncEngine, catalog: Callable[[], Catalog], alerts: Alerts) -> None:
        self._engine = engine
        self._catalog = catalog
        self._alerts = alerts
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, wanted: Wanted, fetch: Fetch) -> int:
        """Begin in the background; return the run's number.

        Raises:
            Overloaded: RUNS_MAX are under way in this process.
            Conflict: the same provider and month is being reconciled.
            DatabaseUnavailable: nothing was begun.
        """
        if len(self._tasks) >= RUNS_MAX:
            raise Overloaded(f"{RUNS_MAX} reconciliations are under way here: try again in a minute", retry_after_s=30)
        number = await self._begin(wanted)
        task = asyncio.create_task(self._run_safely(number, wanted, fetch), name=f"reconciliation {number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return number

    async def run(self, wanted: Wanted, fetch: Fetch) -> Result:
        """Do it now and return the result; for the nightly job. Raises what `start` raises, and what went wrong."""
        number = await self._begin(wanted)
        try:
            return await self._run(number, wanted, fetch)
        except BaseException as error:
            await self._fail(number, wanted, error)
            raise

    async def close(self) -> None:
        """End what is under way; it is marked as failed."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=CLOSE_S)

    async def _begin(self, wanted: Wanted) -> int:
        async with raw_connection(self._engine) as connection:
            await connection.execute(store.BURY)
            number = await connection.fetchval(
                store.BEGIN, wanted.provider, wanted.month, wanted.source, wanted.is_nightly, wanted.actor
            )
        if number is None:
            raise Conflict(f"{wanted.provider} of {wanted.month:%Y-%m} is being reconciled: wait for that one to end")
        return int(number)

    async def _run_safely(self, number: int, wanted: Wanted, fetch: Fetch) -> None:
        try:
            await self._run(number, wanted, fetch)
        # The outermost step of a task that nobody awaits: whatever goes wrong is written down for who asked.
        except Exception as error:  # noqa: BLE001
            await self._fail(number, wanted, error)
        except asyncio.CancelledError:
            await asyncio.shield(self._fail(number, wanted, RuntimeError("the controller was stopped: start it again")))
            raise

    async def _run(self, number: int, wanted: Wanted, fetch: Fetch) -> Result:
        await self._say(number, f"reading what {wanted.provider} says")
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            statement = await fetch(datetime.now(UTC))
        statement = msgspec.structs.replace(statement, lines=tuple(line.bookable() for line in statement.lines))
        await self._say(number, "adding up our entries")
        async with raw_connection(self._engine) as connection:
            known = await store.declared(connection, wanted.provider)
            pending = await connection.fetchval(store.PENDING_SPANS)
            rows = await ours.sum_month(connection, wanted.provider, wanted.month)
        catalog = self._catalog()
        names = Names(catalog, wanted.provider, known)
        await self._say(number, f"matching {len(statement.lines)} lines with {len(rows)} sums of ours")
        cells = await asyncio.to_thread(match, statement, rows, names)
        facts, notes = await self._facts(number, statement, cells)
        recut = None
        if wants_hours(cells):
            await self._say(number, "looking for the vendor's midnight")
            async with raw_connection(self._engine) as connection:
                hours = await ours.sum_hours(connection, wanted.provider, wanted.month)
            recut = await asyncio.to_thread(find_recut, statement, cells, hours, names)
        await asyncio.to_thread(explain, statement, cells, names, facts, recut)
        notes += _stray(statement)
        if pending:
            notes.append(f"{pending} spans were not rated yet: what they cost is not in our side")
        result = sum_up(statement, cells, notes)
        _check(result, statement, rows)
        await self._say(number, "storing")
        await self._store(number, wanted, result, statement, rows, known, catalog.version)
        await self._tell(number, wanted, result)
        return result

    async def _facts(
        self, number: int, statement: VendorStatement, cells: Sequence[Cell]
    ) -> tuple[dict[RowGroup, RowFacts], list[str]]:
        """Look at single requests where units differ: the largest differences first, up to a bound."""
        wanted = sorted(wants_facts(cells, statement), key=lambda cell: -abs(cell.difference_pico_usd))
        chosen: list[Cell] = []
        requests = 0
        for cell in wanted:
            requests += cell.our_requests
            if requests > ours.REFINED_REQUESTS_MAX and chosen:
                break
            chosen.append(cell)
        days = sorted({row.day for cell in chosen for row in cell.rows})
        names = sorted({(row.model, row.meter) for cell in chosen for row in cell.rows if row.kind == "usage"})
        if not days or not names:
            return {}, []
        await self._say(number, f"looking at the requests of {len(chosen)} cells whose units differ")
        async with raw_connection(self._engine) as connection:
            facts = await ours.refine(connection, statement.provider, days, names)
        left = len(wanted) - len(chosen)
        return facts, [f"units of {left} more cells differ; their requests were not looked at one by one"] * bool(left)

    async def _store(
        self, number: int, wanted: Wanted, result: Result, statement: VendorStatement, rows: Sequence[OurRow],
        known: Declared, version: str,
    ) -> None:  # fmt: skip
        inputs = await asyncio.to_thread(store.encode_inputs, statement, rows, known)
        async with raw_connection(self._engine) as connection, connection.transaction():
            await store.insert(
                connection, number, result, threshold=wanted.threshold, inputs=inputs, catalog_version=version
            )
            await store.insert_documents(connection, number, statement.documents)
            await connection.execute(store.FINISH, number)

    async def _tell(self, number: int, wanted: Wanted, result: Result) -> None:
        base = result.base_pico_usd
        metrics.RECONCILE_DRIFT_RATIO.labels(wanted.provider).set(result.drift_pico_usd / base if base else 0.0)
        metrics.RECONCILED_AT.labels(wanted.provider).set_to_current_time()
        metrics.RECONCILE_RUNS.labels(wanted.provider, "done").inc()
        _log.info(
            "reconciliation.done",
            number=number,
            provider=wanted.provider,
            month=wanted.month.isoformat(),
            difference_usd=format_usd(result.difference_pico_usd),
            drift_usd=format_usd(result.drift_pico_usd),
        )
        if wanted.threshold.admits(result.drift_pico_usd, base_pico_usd=base):
            return
        await self._alerts.raise_(
            "reconciliation_drift",
            f"reconciliation_drift:{wanted.provider}:{wanted.month:%Y-%m}:{result.drift_pico_usd.bit_length()}",
            f"{wanted.provider} of {wanted.month:%Y-%m}: ${format_usd(result.drift_pico_usd)} of drift between its "
            "bill and the ledger",
            _details(number, wanted, result),
        )

    async def _fail(self, number: int, wanted: Wanted, error: BaseException) -> None:
        metrics.RECONCILE_RUNS.labels(wanted.provider, "failed").inc()
        is_ours = isinstance(error, VoiceGatewayError)
        code = error.code if isinstance(error, VoiceGatewayError) else "internal_error"
        text = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            text = f"{wanted.provider} did not tell its month within {FETCH_TIMEOUT_S:.0f} s: try again later"
        if is_ours:
            _log.warning("reconciliation.failed", number=number, provider=wanted.provider, error=text)
        else:
            metrics.UNEXPECTED_ERRORS.inc()
            _log.error("reconciliation.crashed", number=number, provider=wanted.provider, exc_info=error)
        try:
            async with raw_connection(self._engine) as connection:
                await connection.execute(store.FAIL, number, text[:ERROR_MAX], code)
        except VoiceGatewayError as away:
            # Postgres is away: the run is buried when the next one begins.
            _log.warning("reconciliation.not_marked", number=number, error=str(away))

    async def _say(self, number: int, step: str) -> None:
        async with raw_connection(self._engine) as connection:
            await connection.execute(store.STEP, number, step)


def _check(result: Result, statement: VendorStatement, rows: Sequence[OurRow]) -> None:
    """What came in must have come out: no line and no entry is lost on the way."""
    wanted = sum(row.amount_pico_usd for row in rows)
    if result.our_pico_usd != wanted:
        raise LedgerBroken(f"the cells hold {result.our_pico_usd} pico-USD of ours, the entries {wanted}")
    lines = sum(len(cell.lines) for cell in result.cells)
    if lines != sum(1 for line in statement.lines if line.sku and _is_of_month(line, statement)):
        raise LedgerBroken(f"the cells hold {lines} lines of {statement.provider}'s bill, and not all of them")
    if sum(part.amount_pico_usd for part in result.parts) != result.difference_pico_usd:
        raise LedgerBroken(f"the parts of {statement.provider} do not sum to its difference")


def _stray(statement: VendorStatement) -> list[str]:
    """What a bill of another month's days is said to be; it is in no total."""
    strays = [line for line in statement.lines if line.sku and not _is_of_month(line, statement)]
    amount = sum(line.amount_pico_usd or 0 for line in strays)
    return [f"{len(strays)} lines, ${format_usd(amount)}, are of other months and were left out"] * bool(strays)


def _is_of_month(line: VendorLine, statement: VendorStatement) -> bool:
    return line.day is None or month_of(line.day) == statement.month


def _details(number: int, wanted: Wanted, result: Result) -> dict[str, Any]:
    return {
        "reconciliation": number,
        "provider": wanted.provider,
        "month": f"{wanted.month:%Y-%m}",
        "vendor_usd": format_usd(result.vendor_pico_usd),
        "ours_usd": format_usd(result.our_pico_usd),
        "drift_usd": format_usd(result.drift_pico_usd),
        "unexplained_usd": format_usd(result.unexplained_pico_usd),
        "threshold": wanted.threshold.text,
        "parts": {part.category: format_usd(part.amount_pico_usd) for part in result.parts},
    }
