"""The budgets as people see them: how each open window stands, what it will come to; only of projects in reach."""

import asyncio
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from voicegateway_controller.access.rules import Access
from voicegateway_controller.budgets import schemas
from voicegateway_controller.budgets.anomalies import Anomaly
from voicegateway_controller.budgets.definitions import BudgetDefinitions
from voicegateway_controller.budgets.forecast import Outlook, Projected
from voicegateway_controller.budgets.history import History, SpendHours
from voicegateway_controller.budgets.service import Budgets
from voicegateway_controller.budgets.standings import Standing, Standings, Stood
from voicegateway_controller.budgets.watching import odd_hours, zone_of
from voicegateway_controller.budgets.windows import open_window
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.budgets.declaration import SMALLEST_REQUEST_NANO_USD
from voicegateway_shared.limits.selector import Selector
from voicegateway_shared.money import format_nano_usd

PROJECTS_MAX: Final = 200
"""Projects that are foretold in one answer, in the order of their names, after the fleet."""

_log = get_logger(__name__)


class _Outlooks:
    """Outlooks that several budgets and answers share; lives until the hours are read again."""

    def __init__(self, hours: SpendHours | None, now: datetime) -> None:
        self.hours = hours
        self._now = now
        self._made: dict[tuple[Selector, str], Outlook] = {}

    def of(self, selector: Selector, zone: str) -> Outlook | None:
        if self.hours is None:
            return None
        key = (selector, zone)
        if (made := self._made.get(key)) is None:
            series, beside = self.hours.of(selector), self.hours.beside(selector)
            made = self._made[key] = Outlook(series, self._now, ZoneInfo(zone), beside=beside)
        return made


class BudgetsView:
    """Read models of budgets; lives as long as the process."""

    def __init__(self, budgets: Budgets, standings: Standings, history: History) -> None:
        self._budgets = budgets
        self._standings = standings
        self._history = history
        self._outlooks: _Outlooks | None = None

    async def status(self, access: Access, *, now: datetime) -> schemas.BudgetsStatus:
        """Return how the budgets that concern the caller stand. What cannot be asked just now is null.

        Raises DatabaseUnavailable while the budgets are not known here.
        """
        definitions = self._budgets.current()
        stood = await self._standings.of(definitions.for_(access.allows), now)
        try:
            hours = await self._history.hours(now)
        except ControllerError as error:
            _log.warning("budgets.history_unknown", error=str(error))
            hours = None
        # Some milliseconds per budget, which leases need not wait for.
        if self._outlooks is None or self._outlooks.hours is not hours:
            self._outlooks = _Outlooks(hours, now)
        return await asyncio.to_thread(_status, definitions, stood, self._outlooks, access, now=now)


def _status(
    definitions: BudgetDefinitions, stood: Stood, outlooks: _Outlooks, access: Access, *, now: datetime
) -> schemas.BudgetsStatus:
    hours = outlooks.hours
    projects: list[schemas.ProjectForecast] = []
    odd: list[Anomaly] = []
    if hours is not None:
        names = [name for name in hours.projects() if _may_see(access, name)]
        projects = [_project(name, outlooks, zone_of(name, definitions.budgets)) for name in names[:PROJECTS_MAX]]
        odd = [each for each in odd_hours(hours, definitions, now) if _may_see(access, each.project)]
    return schemas.BudgetsStatus(
        as_of=now,
        revision=definitions.revision,
        is_live=stood.is_live,
        budgets=[
            _budget(
                spec,
                stood.standings.get(spec.id),
                outlooks,
                now,
                is_shown=_may_see(access, spec.selector.project),
            )
            for spec in definitions.for_(access.allows)
        ],
        projects=projects,
        anomalies=[_anomaly(each) for each in odd],
    )


def _budget(
    spec: BudgetSpec, standing: Standing | None, outlooks: _Outlooks, now: datetime, *, is_shown: bool
) -> schemas.BudgetStatus:
    """Return how a budget stands; the numbers only where they may be shown, its state to all whom it stops."""
    shown = standing if is_shown else None
    window = open_window(spec, now) if spec.window != "session" else None
    outlook = outlooks.of(spec.selector, spec.zone)
    amount = spec.amount_nano_usd
    return schemas.BudgetStatus(
        id=spec.id,
        selector={name: value for name, value in msgspec.structs.asdict(spec.selector).items() if value},
        window=spec.window,
        window_id="" if window is None else window.window.id,
        zone=spec.zone,
        starts_at=None if window is None else _local(window.window.start, spec.zone),
        resets_at=None if window is None else _local(window.window.end, spec.zone),
        thresholds=list(spec.thresholds),
        action=spec.action,
        offline=spec.offline,
        state=_state(spec, standing),
        amount_usd=format_nano_usd(amount),
        spent_usd=None if shown is None else format_nano_usd(shown.spent),
        reserved_usd=None if shown is None else format_nano_usd(shown.reserved),
        left_usd=None if shown is None else format_nano_usd(max(0, shown.left)),
        percent=None if shown is None else shown.spent * 1000 // amount / 10,
        holders=0 if shown is None else shown.holders,
        is_unbacked=standing is not None and standing.is_unbacked,
        forecast=None if shown is None or outlook is None else _forecast(spec, shown, outlook),
    )


def _state(spec: BudgetSpec, standing: Standing | None) -> schemas.State:
    if standing is None:
        return "ok"
    amount = spec.amount_nano_usd
    if spec.is_stopping and amount - standing.spent < SMALLEST_REQUEST_NANO_USD[spec.selector.modality]:
        return "exhausted"
    if standing.spent >= amount:
        return "over"
    return "learning" if standing.is_learning else "ok"


def _forecast(spec: BudgetSpec, standing: Standing, outlook: Outlook) -> schemas.Forecast:
    end = standing.open.window.end
    left = spec.amount_nano_usd - standing.spent
    return schemas.Forecast(
        burn_last_hour_usd=format_nano_usd(outlook.burn.last_hour_nano_usd),
        burn_last_day_usd=format_nano_usd(outlook.burn.last_day_nano_usd),
        runs_out_at=_local(outlook.runs_out_at(left, end, is_rolling=standing.open.is_rolling), spec.zone),
        window_end=None if end is None else _projection(outlook.projected(standing.spent, end), spec.zone),
        month_end=_projection(outlook.month_end(), spec.zone),
        sureness=outlook.sureness,
        weeks=outlook.weeks,
    )


def _project(name: str, outlooks: _Outlooks, zone: str) -> schemas.ProjectForecast:
    outlook = outlooks.of(Selector(project=name), zone)
    if outlook is None:
        raise ValueError("a project is known from the hours it spent in")
    return schemas.ProjectForecast(
        project=name,
        zone=zone,
        spent_this_month_usd=format_nano_usd(outlook.month_so_far()),
        burn_last_hour_usd=format_nano_usd(outlook.burn.last_hour_nano_usd),
        burn_last_day_usd=format_nano_usd(outlook.burn.last_day_nano_usd),
        month_end=_projection(outlook.month_end(), zone),
        sureness=outlook.sureness,
        weeks=outlook.weeks,
    )


def _may_see(access: Access, project: str) -> bool:
    """What the whole fleet spends is for those who reach all of it."""
    return access.projects is None or (bool(project) and access.allows(project))


def _projection(projected: Projected, zone: str) -> schemas.Projection:
    return schemas.Projection(
        at=projected.at.astimezone(ZoneInfo(zone)),
        likely_usd=format_nano_usd(projected.likely_nano_usd),
        low_usd=format_nano_usd(projected.low_nano_usd),
        high_usd=format_nano_usd(projected.high_nano_usd),
    )


def _anomaly(odd: Anomaly) -> schemas.OddHour:
    return schemas.OddHour(
        project=odd.project,
        hour=odd.hour,
        spent_usd=format_nano_usd(odd.spent_nano_usd),
        usual_usd=format_nano_usd(odd.usual_nano_usd),
        weeks=odd.weeks,
        is_over=odd.is_over,
    )


def _local(instant: datetime | None, zone: str) -> datetime | None:
    return None if instant is None else instant.astimezone(ZoneInfo(zone)).replace(microsecond=0)
