"""What the runner looks for by itself: a ledger that lags, usage without a price, outboxes that lose, dead letters."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.alerts.service import Alerts
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.ledger.service import Pending
from voicegateway_shared.wire import SyncRequest

MODELS_MAX: Final = 100
"""Models without a price that are told in one look; the others follow when these have been."""
DAYS_BACK: Final = 1
"""Spans come late: yesterday's are looked at too."""
TIMEOUT_S: Final = 15.0


class Sources:
    """Looks for one runner; any number may look at the same. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, alerts: Alerts, *, ledger_lag_s: float) -> None:
        self._engine = engine
        self._alerts = alerts
        self._ledger_lag_s = ledger_lag_s
        self._dropped: dict[str, int] = {}

    async def look_at_ledger(self, pending: Callable[[], Awaitable[Pending]], *, now: datetime) -> None:
        """Tell when spans wait longer than they may: once an hour while it lasts. Raises DatabaseUnavailable."""
        found = await pending()
        if found.lag_s <= self._ledger_lag_s:
            return
        await self._alerts.raise_(
            "ledger_lag",
            f"ledger_lag:{now:%Y-%m-%dT%H}",
            f"The ledger is {found.lag_s:.0f} s behind: {found.spans} spans wait to be rated",
            {"pending_spans": found.spans, "oldest_age_s": round(found.lag_s), "bound_s": round(self._ledger_lag_s)},
            severity="critical",
        )

    async def look_at_prices(self, *, now: datetime) -> None:
        """Tell which models were used and have no price: once per model and day. Raises DatabaseUnavailable."""
        since = (now.astimezone(UTC) - timedelta(days=DAYS_BACK)).replace(hour=0, minute=0, second=0, microsecond=0)
        for row in await self._fetch("unrated_models", since, MODELS_MAX):
            model, day = f"{row['provider']}/{row['model']}", row["day"].isoformat()
            await self._alerts.raise_(
                "unrated_usage",
                f"unrated_usage:{day}:{model}",
                f"{model} has no price: {row['requests']} requests of {day} are not in any sum",
                {"provider": row["provider"], "model": row["model"], "day": day, "requests": row["requests"]},
            )

    async def look_at_outboxes(self, holders: list[SyncRequest], *, now: datetime) -> None:
        """Tell which hosts lost what should have been delivered: at the first loss, and whenever it has doubled.

        A host whose outbox began anew, so that its count starts again, is told once more a day when it loses again.
        """
        fullest = {holder.host: holder for holder in sorted(holders, key=lambda holder: holder.outbox.dropped)}
        for host, holder in fullest.items():
            dropped = holder.outbox.dropped
            before = self._dropped.get(host)
            if dropped > 0 and dropped != before:
                day = "" if before is None else f":{now.astimezone(UTC):%Y-%m-%d}"
                await self._alerts.raise_(
                    "outbox_loss",
                    f"outbox_loss{day}:{dropped.bit_length()}:{host}",
                    f"The outbox on {host} lost {dropped} operations: their spans will never be in the ledger",
                    {"host": host, "dropped": dropped, "waiting_rows": holder.outbox.rows},
                    severity="critical",
                )
        self._dropped = {host: holder.outbox.dropped for host, holder in fullest.items()}

    async def look_at_deliveries(self) -> None:
        """Tell which channels gave up on something: once per channel and day. Raises DatabaseUnavailable."""
        total = 0
        for row in await self._fetch("dead_deliveries"):
            total += row["dead"]
            if row["day"] is None:
                continue
            await self._alerts.raise_(
                "delivery_dead",
                f"delivery_dead:{row['channel']}:{row['day'].isoformat()}",
                f"Alerts to {row['channel']} were given up: {row['recent']} in the last day",
                {"channel": row["channel"], "given_up": row["recent"], "last_error": row["error"]},
                severity="critical",
            )
        metrics.ALERTS_DEAD.set(total)

    async def _fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        async with raw_connection(self._engine) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                load_sql(__package__, name), *arguments, timeout=TIMEOUT_S
            )
        return rows
