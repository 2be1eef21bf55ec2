"""Prove the newest days of the books again and again, and tell when something is broken."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.ledger.audit import audit_days
from voicegateway_controller.logs import get_logger

INTERVAL_S: Final = 6 * 3_600.0
DAYS: Final = 2
"""Looked at each time: today and yesterday, whose entries and spans are still in memory."""

_log = get_logger(__name__)
Raise = Callable[..., Awaitable[Any]]


class BooksWatch:
    """Looks for one runner; any number may look at the same. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, raise_: Raise) -> None:
        self._engine = engine
        self._raise = raise_

    async def step(self) -> None:
        """Prove the last days, once. Raises DatabaseUnavailable."""
        await self.look(today=datetime.now(UTC).date())

    async def look(self, *, today: date) -> None:
        """Check the days up to today; raise one alert per day and check that found something."""
        since, until = today - timedelta(days=DAYS - 1), today + timedelta(days=1)
        checks = await audit_days(self._engine, since=since, until=until)
        metrics.BOOKS_FINDINGS.set(sum(len(check.findings) for check in checks))
        for check in checks:
            for finding in check.findings:
                _log.error("books.broken", check=check.name, finding=finding)
            if check.findings:
                await self._raise(
                    "books_broken",
                    f"books_broken:{today.isoformat()}:{check.name}",
                    f"The books are broken: it does not hold that {check.promise}",
                    {"check": check.name, "findings": len(check.findings), "first": check.findings[0]},
                    severity="critical",
                )
