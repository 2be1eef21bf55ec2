"""Raise alerts, each once per key whoever raises it how often; the runner delivers them."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.alerts import store
from voicegateway_controller.alerts.alert import (
    KEY_CHARS_MAX,
    TITLE_CHARS_MAX,
    Kind,
    Severity,
    encoded_details,
    one_line,
)
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.logs import get_logger

REMEMBERED_MAX: Final = 10_000
"""Keys known to be told: who raises the same one every second asks Postgres once."""

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
            ValueError: the key is empty or longer than KEY_CHARS_MAX.
            DatabaseUnavailable: nothing was told that we know of; call again.
        """
        if not 0 < len(key) <= KEY_CHARS_MAX or not key.isprintable():
            raise ValueError(f"an alert's key has 1 to {KEY_CHARS_MAX} printable characters")
        if key in self._told:
            self._told.move_to_end(key)
            return False
        title = one_line(title, chars_max=TITLE_CHARS_MAX)
        async with raw_connection(self._engine) as connection:
            alert_id = await store.insert(
                connection,
                key=key,
                kind=kind,
                severity=severity,
                project=project,
                title=title,
                details=encoded_details(details),
            )
        self._remember(key)
        if alert_id is None:
            return False
        metrics.ALERTS_RAISED.labels(kind).inc()
        _log.warning("alert.raised", kind=kind, key=key, alert_id=str(alert_id), severity=severity)
        return True

    def _remember(self, key: str) -> None:
        self._told[key] = None
        while len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)
