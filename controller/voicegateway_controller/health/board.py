"""Board: what is known of vendors' health at this replica, and what each holder is told of it.

Redis is asked twice a second by one loop, and by a message that reports something; every other message is answered from
what that brought. While Redis is away, what was known last holds.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.errors import ControllerError, RedisUnavailable
from voicegateway_controller.health.records import disabled_of, health_of
from voicegateway_controller.health.store import HealthStore, Known
from voicegateway_controller.health.switches import Switches
from voicegateway_controller.health.switching import Switching
from voicegateway_controller.logs import get_logger
from voicegateway_shared.wire import HealthTarget, ModelHealth, Observation, RoutingReport
from voicegateway_shared.wire.routing import HEALTH_MAX, OBSERVED_MAX

LOOK_S: Final = 0.25
"""How often Redis is asked for news. With its answer's time a message knows at most half a second too little."""
SWITCHES_S: Final = 1.0
"""How often Postgres is asked what is switched off: as often as for limits and budgets."""
NOTE_S_MAX: Final = 0.3
"""How long a message waits for its report to be taken; its leases are worth more."""
REST_S: Final = 1.0
"""After a report that could not be taken others are not tried: a Redis that hangs must not hold up every message."""
START_S_MAX: Final = 2.0
TEXT_CHARS_MAX: Final = 256
OVERTAKEN_MS: Final = 2_000
"""An answer that is older than what is known by less than this was overtaken; by more, the clock was set back."""
COUNT_MAX: Final = 1_000_000
"""Of anything in one report; a holder that says more does not count what it says."""
_REVISIONS: Final = 4_096

_log = get_logger(__name__)


class HealthBoard:
    """Lives as long as the process; `start` and `close` are its owner's."""

    def __init__(
        self,
        store: HealthStore,
        switching: Switching,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store, self._switching = store, switching
        self._monotonic, self._now_ms = monotonic, now_ms
        self._known = Known()
        self._at_s = float("-inf")
        self._resting_until_s = float("-inf")
        self._looking = Background("health", self.look, interval_s=LOOK_S)
        self._reading = Background("health.switches", self.read_switches, interval_s=SWITCHES_S)

    async def start(self) -> None:
        """Learn what is known, if that is possible within START_S_MAX, and go on asking."""
        for step in (self.look, self.read_switches):
            try:
                async with asyncio.timeout(START_S_MAX):
                    await step()
            except (ControllerError, TimeoutError) as error:
                _log.warning("health.start_unknown", error=str(error) or type(error).__name__)
        self._looking.start()
        self._reading.start()

    async def close(self) -> None:
        """Stop asking."""
        await self._reading.close()
        await self._looking.close()

    @property
    def known(self) -> Known:
        """What Redis said last."""
        return self._known

    @property
    def switches(self) -> Switches:
        """What a person has switched off, as far as it is known here."""
        return self._known.switches

    @property
    def age_s(self) -> float:
        """For how long Redis has told nothing."""
        return self._monotonic() - self._at_s

    @property
    def server_ms(self) -> int:
        """Redis' clock, as it should be by now."""
        return self._known.now_ms + round(self.age_s * 1_000) if self._known.now_ms else 0

    async def look(self) -> None:
        """Take what Redis knows. Raises RedisUnavailable."""
        self._take(await self._store.look(self._known))

    async def read_switches(self) -> None:
        """Take what Postgres says is off, and keep it in Redis. Raises DatabaseUnavailable or RedisUnavailable."""
        await self.switched(await self._switching.read())

    async def switched(self, switches: Switches) -> None:
        """Something was switched: tell it from now on, and tell the other replicas. Raises RedisUnavailable."""
        # It may be lower than what is known, after Postgres was restored from a backup: it is the truth.
        self._known = _with(self._known, switches)
        if switches.revision:
            await self._store.publish(switches)

    async def take(self, holder: str, report: RoutingReport) -> int:
        """Take what a holder observed; return the report's number, or 0 when it should be said again. Never raises."""
        if not report.number:
            return 0
        observations = [each for each in report.observations[:OBSERVED_MAX] if _is_sane(each)]
        if self._monotonic() < self._resting_until_s:
            return self._lost("resting")
        try:
            async with asyncio.timeout(NOTE_S_MAX):
                is_new, known = await self._store.note(holder, report.number, observations, self._known)
        except (RedisUnavailable, TimeoutError) as error:
            self._resting_until_s = self._monotonic() + REST_S
            _log.warning("health.report_lost", error=str(error) or type(error).__name__)
            return self._lost("unavailable")
        self._take(known)
        metrics.HEALTH_REPORTS.labels("taken" if is_new else "repeated").inc()
        return report.number

    def told(self, holder: str, version: int) -> tuple[int, tuple[ModelHealth, ...] | None]:
        """Return the version of what is known, and all of it unless the holder knows it. No I/O."""
        known = self._known
        if known.version < 0 and known.switches.revision < 0:
            return -1, None
        ours = max(known.version, 0) * _REVISIONS + max(known.switches.revision, 0) % _REVISIONS
        if version == ours:
            return ours, None
        now_ms, server_ms = self._now_ms(), self.server_ms
        off = [disabled_of(each, now_ms=now_ms) for each in known.switches.off]
        seen = [health_of(target, each, holder, now_ms=server_ms) for target, each in known.records.items()]
        return ours, tuple(each for each in (*off, *seen) if each is not None)[:HEALTH_MAX]

    def _take(self, known: Known) -> None:
        if 0 < self._known.now_ms - known.now_ms < OVERTAKEN_MS:
            return
        if known.switches.revision < self.switches.revision:
            known = _with(known, self.switches)
        self._known, self._at_s = known, self._monotonic()

    def _lost(self, why: str) -> int:
        metrics.HEALTH_REPORTS.labels(why).inc()
        return 0


def _with(known: Known, switches: Switches) -> Known:
    return Known(version=known.version, now_ms=known.now_ms, records=known.records, switches=switches)


def _is_sane(told: Observation) -> bool:
    target: HealthTarget = told.target
    texts = (target.provider, target.model, target.modality, target.account, target.region)
    counts = (told.ok, told.failed, told.timed_out, told.limited, told.unauthorized, told.retry_after_ms)
    timed = [number for pair in told.ttfb_counts for number in pair]
    return (
        bool(target.provider)
        and all(len(text) <= TEXT_CHARS_MAX for text in texts)
        and all(0 <= count <= COUNT_MAX for count in (*counts, *timed))
    )
