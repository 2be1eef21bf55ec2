"""History: what was spent in each hour of the past weeks by whom, kept in memory so that forecasts cost nothing."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.budgets.anomalies import HISTORY
from voicegateway_controller.budgets.forecast import HOUR, Series, floor_hour, summed
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_shared.limits.selector import Selector, Target

ROWS_MAX: Final = 300_000
"""Five weeks of some 350 combinations of project, agent, provider and modality in every hour; of more the oldest hours
are left out, and forecasts look back less far."""
TIMEOUT_S: Final = 10.0
WHOLE_EVERY_S: Final = 600.0
"""How often all hours are read again: a correction of an old hour is seen by then."""
FRESH_EVERY_S: Final = 5.0
"""How often the newest hours are read again for forecasts."""
FRESH: Final = 3 * HOUR
"""Late spans are charged to hours that are over; most of them to these."""

NO_REQUEST: Final = ("", "other")
"""Modalities of entries that no request caused: fees, packs and credits; what only an accepted invoice knows."""

_Group = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendHours:
    """What was spent since an instant, by whom. Immutable but for what it remembers."""

    since: datetime
    groups: Mapping[_Group, Series]
    _series: dict[tuple[Selector, bool], Series] = field(default_factory=dict)

    def of(self, selector: Selector) -> Series:
        """Return what the requests that a budget is about have spent in each hour."""
        return self._of(selector, is_requests=True)

    def beside(self, selector: Selector) -> Series:
        """Return what a budget is about and no request caused, such as fees and credits, in each hour."""
        return self._of(selector, is_requests=False)

    def _of(self, selector: Selector, *, is_requests: bool) -> Series:
        key = (selector, is_requests)
        if (series := self._series.get(key)) is None:
            series = self._series[key] = summed(
                series
                for group, series in self.groups.items()
                if (group[3] not in NO_REQUEST) is is_requests and selector.matches(_target(group))
            )
        return series

    def projects(self) -> dict[str, Series]:
        """Return what each project's requests have spent, and under the empty name those of all."""
        found = {project: self.of(Selector(project=project)) for project in sorted({group[0] for group in self.groups})}
        return {"": self.of(Selector()), **found}


class History:
    """Reads the hours; lives as long as the process. Two who ask at once cause one reading."""

    def __init__(
        self, engine: AsyncEngine, *, rows_max: int = ROWS_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._rows_max = rows_max
        self._clock = clock
        self._hours: SpendHours | None = None
        self._whole_at = self._fresh_at = float("-inf")
        self._reading = asyncio.Lock()

    async def hours(self, now: datetime) -> SpendHours:
        """Return the hours up to now, seconds old at most. Raises DatabaseUnavailable."""
        async with self._reading:
            asked = self._clock()
            if self._hours is None or asked - self._whole_at >= WHOLE_EVERY_S:
                self._hours = await self._read(now - HISTORY)
                self._whole_at = self._fresh_at = asked
            elif asked - self._fresh_at >= FRESH_EVERY_S:
                fresh = await self._read(now - FRESH)
                self._hours = _joined(self._hours, fresh)
                self._fresh_at = asked
            return self._hours

    async def _read(self, since: datetime) -> SpendHours:
        start = floor_hour(since.astimezone(UTC))
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(
                load_sql(__package__, "spend_hours"), start, self._rows_max, list(NO_REQUEST), timeout=TIMEOUT_S
            )
        if len(rows) == self._rows_max:
            # The oldest hour is there in part only.
            start = rows[-1]["hour"] + timedelta(hours=1)
        groups: dict[_Group, dict[datetime, int]] = {}
        for row in rows:
            if row["hour"] >= start:
                group = (row["project"], row["agent"], row["provider"], row["modality"])
                groups.setdefault(group, {})[row["hour"].astimezone(UTC)] = row["nano_usd"]
        return SpendHours(since=start, groups=groups)


def _joined(old: SpendHours, fresh: SpendHours) -> SpendHours:
    """The old hours up to where the fresh ones begin."""
    groups: dict[_Group, Series] = {}
    for group in old.groups.keys() | fresh.groups.keys():
        kept = {hour: nano for hour, nano in old.groups.get(group, {}).items() if hour < fresh.since}
        groups[group] = {**kept, **fresh.groups.get(group, {})}
    return SpendHours(since=old.since, groups=groups)


def _target(group: _Group) -> Target:
    project, agent, provider, modality = group
    return Target(provider=provider, model="", modality=modality, project=project, agent=agent)
