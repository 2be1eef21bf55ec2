"""Raise alerts, each once per key whoever raises it how often; the runner delivers them."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.alerts import schemas, store
from voicegateway_controller.alerts.alert import (
    KEY_CHARS_MAX,
    TITLE_CHARS_MAX,
    Kind,
    Severity,
    encoded_details,
    one_line,
    stored_key,
)
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import NotFound
from voicegateway_controller.http.pages import Keyset
from voicegateway_controller.logs import get_logger

REMEMBERED_MAX: Final = 10_000
"""Keys known to be told: who raises the same one every second asks Postgres once."""

_PAGES: Final = Keyset("alerts", int)
_log = get_logger(__name__)


class Alerts:
    """Raises alerts for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._told: OrderedDict[str, None] = OrderedDict()

    async def raise_(
        self,
        kind: Kind,
        key: str,
        title: str,
        details: Mapping[str, Any],
        project: str = "",
        severity: Severity = "warning",
    ) -> bool:
        """Tell something unless this key was told before; say whether this call did. Safe to call often.

        A key names the crossing and its window, such as `budget:acme@2026-11-21:80`, and is told once, ever. Details
        are JSON values, amounts as decimal strings.

        Raises:
            ValueError: the key is empty.
            DatabaseUnavailable: nothing was told that we know of; call again.
        """
        key = stored_key(key)
        if not key:
            raise ValueError("an alert needs a key that says what is told, and for which window")
        if key in self._told:
            self._told.move_to_end(key)
            return False
        return await self._tell(kind, key, title, details, project=project, severity=severity) is not None

    async def test(self, *, by: str) -> UUID:
        """Raise an alert that goes to every channel; return its id. Raises DatabaseUnavailable."""
        key = f"test:{uuid4().hex}"
        told = await self._tell("test", key, "A test: alerts arrive", {"by": by}, project="", severity="info")
        if told is None:
            raise RuntimeError("a fresh key was there already")
        async with raw_connection(self._engine) as connection, connection.transaction():
            await record_change(connection, Change(actor=by, action="alert.test", resource=f"alerts/{told}"))
        return told

    async def _tell(
        self, kind: Kind, key: str, title: str, details: Mapping[str, Any], *, project: str, severity: Severity
    ) -> UUID | None:
        async with raw_connection(self._engine) as connection:
            alert_id = await store.insert(
                connection,
                key=key,
                kind=kind,
                severity=severity,
                project=one_line(project, chars_max=KEY_CHARS_MAX),
                title=one_line(title, chars_max=TITLE_CHARS_MAX),
                details=encoded_details(details),
            )
        self._remember(key)
        if alert_id is not None:
            metrics.ALERTS_RAISED.labels(kind).inc()
            _log.warning("alert.raised", kind=kind, key=key, alert_id=str(alert_id), severity=severity)
        return alert_id

    async def page(
        self,
        access: Access,
        *,
        cursor: str | None,
        project: str | None,
        kind: str,
        severity: str,
        state: str,
        limit: int,
    ) -> schemas.AlertsPage:
        """Return alerts that the caller may see, the newest first. Those of no project need a token of all projects."""
        projects = reachable(access, project)
        filters = {"project": project, "kind": kind, "severity": severity, "state": state}
        key = _PAGES.read(cursor, filters=filters)
        async with raw_connection(self._engine) as connection:
            rows = await store.page(
                connection,
                before=None if key is None else key[0],
                projects=projects,
                kind=kind,
                severity=severity,
                state=state,
                limit=limit + 1,
            )
            page = _PAGES.cut(rows, limit=limit, key=lambda row: (row["position"],), filters=filters)
            deliveries = await store.deliveries(connection, [row["id"] for row in page.rows])
        shown = [_shown(row, [each for each in deliveries if each["alert_id"] == row["id"]]) for row in page.rows]
        return schemas.AlertsPage(alerts=shown, next=page.next)

    async def redeliver(self, access: Access, alert_id: UUID, *, channel: str) -> list[str]:
        """Let what was delivered or given up be delivered again, at once; return to which channels.

        Raises NotFound for an alert that there is not, and for one that the caller may not see.
        """
        async with raw_connection(self._engine) as connection, connection.transaction():
            found = await store.find(connection, alert_id)
            if found is None or not access.allows(found.project):
                raise NotFound(f"there is no alert {alert_id}")
            channels = await store.redeliver(connection, alert_id, channel=channel)
            if channels:
                change = Change(
                    actor=access.actor,
                    action="alert.redeliver",
                    resource=f"alerts/{alert_id}",
                    project=found.project,
                    after={"channels": channels},
                )
                await record_change(connection, change)
        _log.info("alert.redelivered", alert_id=str(alert_id), channels=channels, by=access.token_id)
        return channels

    def _remember(self, key: str) -> None:
        self._told[key] = None
        while len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)


def _shown(row: asyncpg.Record, deliveries: list[asyncpg.Record]) -> schemas.AlertRow:
    alert = store.alert_of(row)
    return schemas.AlertRow(
        id=alert.id,
        key=alert.key,
        kind=alert.kind,
        severity=alert.severity,
        project=alert.project,
        title=alert.title,
        details=dict(alert.details),
        raised_at=alert.raised_at,
        is_routed=row["routed_at"] is not None,
        deliveries=[
            schemas.DeliveryRow(
                channel=each["channel"],
                state=each["state"],
                attempts=each["attempts"],
                next_attempt_at=each["next_attempt_at"] if each["state"] == "pending" else None,
                delivered_at=each["delivered_at"],
                last_error=each["last_error"],
            )
            for each in deliveries
        ],
    )
