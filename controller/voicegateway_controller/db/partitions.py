"""Day partitions of the inbox and month partitions of the ledger, created ahead; safe to run at any time."""

from datetime import date, timedelta
from typing import Final

from voicegateway_controller.db.engine import Connection

DAYS_BEHIND: Final = 8
"""Spans up to a week late are not suspect; one more day for the edge."""
DAYS_AHEAD: Final = 7
"""How long the maintenance may be down before spans land in the default partition, which also works."""
MONTHS_AHEAD: Final = 2
LOCK_TIMEOUT: Final = "5s"
"""A new partition needs a short exclusive lock: rather fail and try again in an hour than queue everybody up."""
PARTITIONS_LOCK: Final = 0x5647_5041_5254
"""Advisory lock: replicas take turns. The letters say VGPART."""


async def ensure_partitions(connection: Connection, *, today: date) -> int:
    """Create the partitions around `today` (UTC) that are missing; return how many were. Idempotent."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PARTITIONS_LOCK)
        created = 0
        for parent, suffix, start, end, append_only in _wanted(today):
            created += bool(
                await connection.fetchval(
                    "SELECT ensure_partition($1, $2, $3, $4, $5)", parent, suffix, start, end, append_only
                )
            )
    return created


def _wanted(today: date) -> list[tuple[str, str, date, date, bool]]:
    first = today - timedelta(days=DAYS_BEHIND)
    days = [first + timedelta(days=n) for n in range(DAYS_BEHIND + DAYS_AHEAD + 1)]
    wanted = [("usage_span", f"{day:%Y%m%d}", day, day + timedelta(days=1), False) for day in days]
    month = first.replace(day=1)
    last = _next_month(today.replace(day=1), MONTHS_AHEAD)
    while month <= last:
        following = _next_month(month, 1)
        wanted.append(("ledger_entry", f"{month:%Y%m}", month, following, True))
        month = following
    return wanted


def _next_month(month: date, count: int) -> date:
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)
