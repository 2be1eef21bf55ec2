"""The part of a sync message that is about money: heard, and answered with leases, prices and directives."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.budgets import claims as rules
from voicegateway_controller.budgets.definitions import BudgetDefinitions
from voicegateway_controller.budgets.opening import Openings
from voicegateway_controller.budgets.pools import Asked, BudgetPools, Cold, Leased, Terms, Unseeded
from voicegateway_controller.budgets.recovered import Recovered
from voicegateway_controller.budgets.service import Budgets
from voicegateway_controller.budgets.windows import OpenWindow, OpenWindows, open_windows
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.declared import Allows, reaches
from voicegateway_controller.errors import ControllerError, DatabaseUnavailable
from voicegateway_shared.pricing.tariff import Tariff
from voicegateway_shared.wire import SyncRequest
from voicegateway_shared.wire.money import Directive, ModelName, MoneyAnswer, MoneyClaim, MoneyLease, MoneyReport

ROUNDS: Final = 4
"""Open, look up, raise, and once more: who then still has no answer asks again."""
WAIT_S: Final = 1.5
"""How long one message waits for pools to be opened and raised, all in all: its holder gives up after two seconds, and
loses with it what it was answered of limits."""
LEARNING_RETRY_MS: Final = 500


class TellsTariffs(Protocol):
    """Where prices come from."""

    def tariffs(self, models: Iterable[ModelName], *, allows: Allows) -> tuple[Tariff, ...]:
        """Return one tariff for each model, with the contracts of those projects that the holder reaches."""
        ...


class TellsDirectives(Protocol):
    """Where orders to workers come from."""

    async def pending_for(self, carried: Mapping[str, str]) -> tuple[Directive, ...]:
        """Return what must still be done about some sessions, each with its project."""
        ...

    async def done(self, ids: Iterable[str]) -> None:
        """Note that workers obeyed."""
        ...


class MoneyLeasing:
    """Answers reports on money; lives as long as the process, and holds nothing that needs closing."""

    def __init__(
        self,
        engine: AsyncEngine,
        budgets: Budgets,
        pools: BudgetPools,
        openings: Openings,
        recovered: Recovered,
        *,
        tariffs: TellsTariffs | None = None,
        directives: TellsDirectives | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._budgets = budgets
        self._pools = pools
        self._openings = openings
        self._recovered = recovered
        self._tariffs = tariffs
        self._directives = directives
        self._clock = clock
        self._open: OpenWindows | None = None

    @property
    def is_overloaded(self) -> bool:
        """Whether claims that come now would be refused."""
        return self._pools.is_overloaded

    def check(self, message: SyncRequest) -> None:
        """Raise BadRequest when the message may not be answered; change nothing."""
        if message.money is not None:
            rules.check(message.money, incarnation=message.incarnation, seq=message.seq)

    async def answer(self, message: SyncRequest, report: MoneyReport, allows: Allows) -> MoneyAnswer:
        """Hear a message's report, which `check` let pass. Idempotent by (incarnation, seq).

        Raises RedisUnavailable, or DatabaseUnavailable while there are claims and the budgets are not known here yet.
        """
        try:
            answer = await self._answer(message, report, allows)
        except ControllerError:
            metrics.BUDGET_SYNCS.labels("unavailable").inc()
            raise
        metrics.BUDGET_SYNCS.labels("answered").inc()
        return answer

    async def _answer(self, message: SyncRequest, report: MoneyReport, allows: Allows) -> MoneyAnswer:
        if report.recovered:
            await self._recovered.add(report.recovered)
        tariffs = (
            self._tariffs.tariffs(report.models, allows=allows) if self._tariffs is not None and report.models else ()
        )
        directives = await self._directed(message, report)
        definitions = self._budgets.known
        if definitions is None:
            if report.claims:
                self._budgets.current()
            # The holder keeps what it knows.
            return MoneyAnswer(tag=report.tag, tariffs=tariffs, directives=directives)
        now = self._clock()
        windows = self._windows(definitions, now)
        leases = await self._lease(message, report.claims, windows, now, allows) if report.claims else ()
        is_known = report.tag == windows.tag
        return MoneyAnswer(
            tag=windows.tag,
            budgets=None if is_known else tuple(windows.tell(spec, now) for spec in definitions.for_(allows)),
            leases=leases,
            tariffs=tariffs,
            directives=directives,
        )

    async def _directed(self, message: SyncRequest, report: MoneyReport) -> tuple[Directive, ...]:
        if self._directives is None:
            return ()
        if report.done:
            await self._directives.done(report.done)
        return await self._directives.pending_for({each.session_id: each.project for each in message.sessions or ()})

    def tag(self) -> str | None:
        """Return the tag of the budgets that holders are told now; None while they are not known here."""
        definitions = self._budgets.known
        return None if definitions is None else self._windows(definitions, self._clock()).tag

    def _windows(self, definitions: BudgetDefinitions, now: datetime) -> OpenWindows:
        if self._open is None or self._open.specs is not definitions.budgets or not self._open.holds_at(now):
            self._open = open_windows(definitions.budgets, now, revision=definitions.revision)
        return self._open

    async def _lease(
        self, message: SyncRequest, claims: Sequence[MoneyClaim], windows: OpenWindows, now: datetime, allows: Allows
    ) -> tuple[MoneyLease, ...]:
        asked: dict[str, Asked] = {}
        for claim in claims:
            window = windows.by_pool.get(claim.pool)
            # One project's budget does not exist for another's holder.
            if window is not None and reaches(window.spec.selector.project, allows):
                asked[claim.pool] = Asked(claim=claim, terms=terms(window, windows.revision, now))
        with metrics.BUDGET_LEASE_SECONDS.time():
            found = await self._ask(message, asked, windows.by_pool)
        leases = tuple(found.get(claim.pool) or MoneyLease(pool=claim.pool, state="unknown") for claim in claims)
        for lease in leases:
            metrics.BUDGET_LEASES.labels(lease.state).inc()
        return leases

    async def _ask(
        self, message: SyncRequest, asked: Mapping[str, Asked], windows: Mapping[str, OpenWindow]
    ) -> dict[str, MoneyLease]:
        """Ask every pool, and again those that had to be opened, raised or told something first."""
        found: dict[str, MoneyLease] = {}
        open_questions = dict(asked)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + WAIT_S
        for _ in range(ROUNDS):
            if not open_questions:
                break
            answers = await self._pools.lease(
                message.incarnation, message.seq, list(open_questions.values()), is_leaving=message.is_leaving
            )
            lacking = {}
            for (pool, each), answer in zip(open_questions.items(), answers, strict=True):
                if isinstance(answer, Leased):
                    found[pool] = answer.lease
                    if answer.needs and not answer.is_short:
                        self._openings.raise_soon(windows[pool], each.terms, epoch=answer.epoch, needs=answer.needs)
                if not isinstance(answer, Leased) or answer.is_short:
                    lacking[pool] = (each, answer)
            within_s = max(0.0, until_s - loop.time())
            helped = await asyncio.gather(
                *(self._help(message, windows[pool], *lack, within_s=within_s) for pool, lack in lacking.items())
            )
            open_questions = {each.claim.pool: each for each in helped if each is not None}
        for pool, each in asked.items():
            if pool not in found:
                # It goes on with what it holds.
                found[pool] = MoneyLease(
                    pool=pool, state="learning", granted=each.claim.granted, retry_ms=LEARNING_RETRY_MS
                )
        return found

    async def _help(
        self,
        message: SyncRequest,
        window: OpenWindow,
        asked: Asked,
        answer: Leased | Cold | Unseeded,
        *,
        within_s: float,
    ) -> Asked | None:
        """Do what the pool lacks; return what to ask then, None when it could not be done in time."""
        try:
            if isinstance(answer, Cold):
                await self._openings.open(window, asked.terms, within_s=within_s)
                return asked
            if isinstance(answer, Leased):
                await self._openings.raise_(
                    window, asked.terms, epoch=answer.epoch, needs=answer.needs, within_s=within_s
                )
                return asked
            return await self._seeded(message.incarnation, window, asked, until_us=answer.until_us)
        except (TimeoutError, DatabaseUnavailable):
            return None

    async def _seeded(self, incarnation: str, window: OpenWindow, asked: Asked, *, until_us: int) -> Asked:
        try:
            # Not what is left: what is counted twice for want of time refuses requests for the rest of the window.
            async with asyncio.timeout(WAIT_S), raw_connection(self._engine) as connection:
                seed = await self._openings.seed(connection, window, incarnation, until_us=until_us)
        except (TimeoutError, DatabaseUnavailable):
            # Counted twice rather than not at all.
            seed = 0
        return Asked(claim=asked.claim, terms=asked.terms, seed=seed)


def terms(window: OpenWindow, revision: int, now: datetime) -> Terms:
    """Return by what a window's pool is asked."""
    return Terms(
        pool=window.pool,
        limit=window.spec.amount_nano_usd,
        revision=revision,
        is_stopping=window.spec.is_stopping,
        is_rolling=window.is_rolling,
        live_ms=window.live_ms(now),
        grows=not window.is_past,
    )
