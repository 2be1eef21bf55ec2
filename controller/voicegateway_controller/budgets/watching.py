"""Watching: looks for odd hours now and then, and tells somebody."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

from voicegateway_controller.budgets.anomalies import Anomaly, find_anomalies
from voicegateway_controller.budgets.definitions import BudgetDefinitions
from voicegateway_controller.budgets.history import History, SpendHours
from voicegateway_controller.budgets.service import Budgets
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.budgets.window import CALENDAR_KINDS
from voicegateway_shared.money import format_nano_usd

INTERVAL_S: Final = 60.0
"""How often hours are looked at: an hour that runs away is told of within a minute or two of being odd."""


class Notify(Protocol):
    """Tells people, once per key: `Alerts.raise_`."""

    async def __call__(
        self,
        kind: Literal["anomaly"],
        key: str,
        title: str,
        details: Mapping[str, Any],
        project: str = "",
        severity: Literal["info", "warning", "critical"] = "warning",
    ) -> bool:
        """Say whether this call was the one that told."""
        ...


class AnomalyWatch:
    """One step that may be repeated as often as one likes; lives as long as the process."""

    def __init__(self, history: History, budgets: Budgets, notify: Notify) -> None:
        self._history = history
        self._budgets = budgets
        self._notify = notify

    async def step(self) -> None:
        """Tell of each odd hour that runs or has just ended. Raises DatabaseUnavailable."""
        now = datetime.now(UTC)
        with suppress(RedisUnavailable):
            # For the zones of projects; the runner does not follow the budgets otherwise.
            await self._budgets.refresh()
        hours = await self._history.hours(now)
        for odd in odd_hours(hours, self._budgets.known, now):
            await self._notify(
                "anomaly",
                odd.key,
                _title(odd),
                {
                    "hour": odd.hour.isoformat(),
                    "spent_usd": format_nano_usd(odd.spent_nano_usd),
                    "usual_usd": format_nano_usd(odd.usual_nano_usd),
                    "weeks": odd.weeks,
                    "is_over": odd.is_over,
                },
                project=odd.project,
            )


def odd_hours(hours: SpendHours, definitions: BudgetDefinitions | None, now: datetime) -> list[Anomaly]:
    """Return the odd hours of every project and of the fleet, by the clocks of each one's zone."""
    by_project = hours.projects()
    budgets = definitions.budgets if definitions is not None else ()
    zones = {project: ZoneInfo(zone_of(project, budgets)) for project in by_project}
    return find_anomalies(by_project, now, zones=zones, known_since=hours.since)


def zone_of(project: str, budgets: Sequence[BudgetSpec]) -> str:
    """Return a project's zone: that of its first budget by the calendar, else the fleet's, else UTC."""
    for owner in dict.fromkeys((project, "")):
        for budget in budgets:
            if budget.selector.project == owner and budget.window in CALENDAR_KINDS:
                return budget.zone
    return "UTC"


def _title(odd: Anomaly) -> str:
    who = f"project {odd.project}" if odd.project else "the fleet"
    spent = "spent" if odd.is_over else "has spent"
    return (
        f"{who} {spent} ${format_nano_usd(odd.spent_nano_usd)} in the hour of {odd.hour:%Y-%m-%d %H:00} UTC; "
        f"usual at this hour of the week: ${format_nano_usd(odd.usual_nano_usd)}"
    )
