"""Each night: reconcile every provider that can be asked, the month so far, and the one before while it settles."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.logs import get_logger
from voicegateway_controller.reconcile import store
from voicegateway_controller.reconcile.asking import Asking
from voicegateway_controller.reconcile.ours import month_of
from voicegateway_controller.reconcile.service import Reconciliations, Wanted
from voicegateway_controller.reconcile.sources import PROVIDERS, billing_source
from voicegateway_controller.reconcile.sources.registry import is_configured
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import VoiceGatewayError
from voicegateway_shared.pricing import Catalog

LOOK_S: Final = 900.0
"""How often a runner looks by itself whether this night's work is done: a wake-up may be lost, or Redis away."""
CLOSED_DAYS: Final = (3, 4, 5)
"""Days of a month on which the one before is compared too: vendors restate their last days for about so long."""
ACTOR: Final = "nightly"

_log = get_logger(__name__)


def months_due(today: date) -> list[date]:
    """The first days of the months that a night compares: that of yesterday, and on a few days the closed one."""
    due = [month_of(today - timedelta(days=1))]
    if today.day in CLOSED_DAYS:
        due.append(month_of(month_of(today) - timedelta(days=1)))
    return list(dict.fromkeys(due))


def open_nightly(engine: AsyncEngine, catalog: Callable[[], Catalog], settings: Settings) -> "Nightly":
    """Return the night's work of a runner: all providers whose billing key is set."""
    return Nightly(
        engine,
        Reconciliations(engine, catalog, Alerts(engine)),
        Asking(engine, lambda provider: billing_source(provider, settings)),
        providers=[provider for provider in PROVIDERS if is_configured(provider, settings)],
        hour=settings.reconcile_hour,
        threshold=Threshold.parse(settings.reconcile_threshold),
    )


class Nightly:
    """Does the night's work for one runner; any number may look at the same, each month is compared once a night."""

    def __init__(
        self,
        engine: AsyncEngine,
        runs: Reconciliations,
        asking: Asking,
        *,
        providers: Sequence[str],
        hour: int,
        threshold: Threshold,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._runs = runs
        self._asking = asking
        self._providers = providers
        self._hour = hour
        self._threshold = threshold
        self._now = now
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at once instead of at the next turn."""
        self._woken.set()

    async def step(self) -> None:
        """Do what is due, then wait for a wake-up or LOOK_S. Raises DatabaseUnavailable."""
        await self.work()
        self._woken.clear()
        try:
            await asyncio.wait_for(self._woken.wait(), LOOK_S)
        except TimeoutError:
            # Nobody woke us: the turn begins anew, which is all this wait is for.
            return

    async def work(self) -> int:
        """Do what is due now; return how many months were compared. One that fails holds up no other."""
        now = self._now().astimezone(UTC)
        tonight = now.replace(hour=self._hour, minute=0, second=0, microsecond=0)
        if now < tonight or not self._providers:
            return 0
        done = 0
        for provider in self._providers:
            for month in months_due(now.date()):
                if await self._has_run(provider, month, tonight):
                    continue
                done += await self._reconcile(provider, month)
        async with raw_connection(self._engine) as connection:
            await store.prune(connection)
        return done

    async def _has_run(self, provider: str, month: date, since: datetime) -> bool:
        async with raw_connection(self._engine) as connection:
            return bool(await connection.fetchval(store.RAN_SINCE, provider, month, since))

    async def _reconcile(self, provider: str, month: date) -> bool:
        wanted = Wanted(
            provider=provider, month=month, source="api", threshold=self._threshold, actor=ACTOR, is_nightly=True
        )
        try:
            await self._runs.run(wanted, self._asking.api(provider, month))
        except (VoiceGatewayError, TimeoutError) as error:
            # The run says why; the next look, an hour later, tries again.
            _log.warning("reconcile.nightly_failed", provider=provider, month=month.isoformat(), error=str(error))
            return False
        return True
