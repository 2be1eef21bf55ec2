"""Our side of a month: the provider's entries, summed in Postgres to what a vendor can tell apart."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.months import midnight, next_month
from voicegateway_controller.reconcile.cells import OurRow, RowFacts, RowGroup
from voicegateway_controller.reconcile.errors import TooManySums

ROWS_MAX: Final = 500_000
"""Sums of one provider and month: 30 days of 16,000 combinations of key, model, meter and price."""
TIMEOUT_S: Final = 600.0
"""Ten million entries take well under a minute; a busy Postgres may take its time."""
REFINED_REQUESTS_MAX: Final = 3_000_000
"""Requests looked at one by one where units differ; what is left over is said to be."""
MINIMUMS: Final[dict[str, tuple[int, ...]]] = {
    "ms": (1_000, 5_000, 6_000, 10_000, 15_000, 20_000, 30_000, 60_000),
    "": (5, 10, 20, 50, 100, 250, 500, 1_000),
}
"""Minimums per request that vendors are known to bill by, for meters in milliseconds and for all others."""
INCREMENTS: Final[dict[str, tuple[int, ...]]] = {
    "ms": (1_000, 5_000, 6_000, 10_000, 15_000, 20_000, 30_000, 60_000),
    "": (5, 10, 20, 50, 100, 250, 500, 1_000),
}

# One pass over the month's partition, or over few blocks of others where a span's clock was wrong (BRIN).
SUM_MONTH: Final = """
SELECT (charged_at AT TIME ZONE 'UTC')::date AS day, key_id, model, modality, meter,
       coalesce(price_id, '') AS price_id, coalesce(unrated_reason, '') AS unrated_reason, kind,
       count(*) FILTER (WHERE kind = 'usage') AS requests,
       sum(quantity)::text AS quantity, sum(billed_quantity)::text AS billed_quantity,
       trunc(sum(amount_usd) * 1000000000000)::text AS amount,
       trunc(sum(list_amount_usd) * 1000000000000)::text AS list_amount,
       count(*) FILTER (WHERE estimated AND kind = 'usage') AS estimated_requests,
       coalesce(sum(billed_quantity) FILTER (WHERE estimated AND kind = 'usage'), 0)::text AS estimated_quantity,
       min(project) AS project_first, max(project) AS project_last
FROM ledger_entry
WHERE provider = $1 AND charged_at >= $2 AND charged_at < $3
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
LIMIT $4
"""

SUM_HOURS: Final = SUM_MONTH.replace(
    "SELECT (charged_at AT TIME ZONE 'UTC')::date AS day",
    "SELECT date_trunc('hour', charged_at, 'UTC') AS hour, (date_trunc('hour', charged_at, 'UTC'))::date AS day",
).replace("GROUP BY 1, 2, 3, 4, 5, 6, 7, 8", "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9")
HOURS_MAX: Final = 50_000
"""Sums by hour that are cut into days again and again to find a vendor's midnight; beyond this it is not looked for."""

# The planner takes eight columns for as many groups as rows, and would sort ten million of them on disk.
BY_HASH: Final = "SELECT set_config('enable_sort', 'off', true), set_config('work_mem', '128MB', true)"

_COUNT: Final = len(MINIMUMS["ms"])
_MINIMUM_SUMS: Final = ", ".join(
    f"sum(greatest(e.billed_quantity, ($6::bigint[])[{n}]))::text AS minimum_{n}" for n in range(1, _COUNT + 1)
)
_INCREMENT_SUMS: Final = ", ".join(
    f"sum((e.billed_quantity + ($7::bigint[])[{n}] - 1) / ($7::bigint[])[{n}] * ($7::bigint[])[{n}])::text "
    f"AS increment_{n}"
    for n in range(1, _COUNT + 1)
)
# The requests behind a few sums, with their spans as long as these are kept.
REFINE: Final = f"""
SELECT (e.charged_at AT TIME ZONE 'UTC')::date AS day, e.key_id, e.model, e.modality, e.meter,
       coalesce(e.price_id, '') AS price_id,
       coalesce(sum(e.billed_quantity) FILTER (WHERE s.outcome IN ('cancelled', 'interrupted')), 0)::text AS cancelled,
       {_MINIMUM_SUMS}, {_INCREMENT_SUMS}
FROM ledger_entry AS e LEFT JOIN usage_span AS s
    ON s.day = e.day AND s.request_id = e.request_id AND s.day = ANY ($8::date[])
WHERE e.provider = $1 AND e.charged_at >= $2 AND e.charged_at < $3 AND e.kind = 'usage'
  AND (e.charged_at AT TIME ZONE 'UTC')::date = ANY ($8::date[])
  AND (e.model, e.meter) IN (SELECT * FROM unnest($4::text[], $5::text[]))
GROUP BY 1, 2, 3, 4, 5, 6
"""


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)


def bounds(month: date) -> tuple[datetime, datetime]:
    """The instants a month lies between: from the first, up to but without the second."""
    return midnight(month_of(month)), midnight(next_month(month))


async def sum_month(connection: Connection, provider: str, month: date) -> list[OurRow]:
    """Return our sums of a provider's month, all kinds of entries, by the day they were charged (UTC).

    Raises:
        TooManySums: more than ROWS_MAX.
    """
    since, until = bounds(month)
    async with connection.transaction(readonly=True):
        await connection.execute(BY_HASH)
        records = await connection.fetch(SUM_MONTH, provider, since, until, ROWS_MAX + 1, timeout=TIMEOUT_S)
    if len(records) > ROWS_MAX:
        raise TooManySums(
            f"{provider} has more than {ROWS_MAX} combinations of day, key, model, meter and price in {month:%Y-%m}: "
            "that is no month one can compare; see whether model names carry ids"
        )
    return [_row(record) for record in records]


async def sum_hours(connection: Connection, provider: str, month: date) -> list[tuple[datetime, OurRow]]:
    """Return the same by hour, from a day before the month to a day after it; nothing when there are too many."""
    since, until = bounds(month)
    day = timedelta(days=1)
    records = await connection.fetch(SUM_HOURS, provider, since - day, until + day, HOURS_MAX + 1, timeout=TIMEOUT_S)
    return [(record["hour"], _row(record)) for record in records] if len(records) <= HOURS_MAX else []


def _row(row: asyncpg.Record) -> OurRow:
    return OurRow(
        day=row["day"],
        key_id=row["key_id"],
        model=row["model"],
        modality=row["modality"],
        meter=row["meter"],
        price_id=row["price_id"],
        unrated_reason=row["unrated_reason"],
        kind=row["kind"],
        requests=row["requests"],
        quantity=int(row["quantity"]),
        billed_quantity=int(row["billed_quantity"]),
        amount_pico_usd=int(row["amount"]),
        list_amount_pico_usd=int(row["list_amount"]),
        estimated_requests=row["estimated_requests"],
        estimated_quantity=int(row["estimated_quantity"]),
        project_first=row["project_first"],
        project_last=row["project_last"],
    )


async def refine(
    connection: Connection, provider: str, days: Sequence[date], names: Sequence[tuple[str, str]]
) -> dict[RowGroup, RowFacts]:
    """Return finer facts of the rows of these models and meters on these days, which are in order and not none."""
    since = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
    until = datetime(days[-1].year, days[-1].month, days[-1].day, tzinfo=UTC) + timedelta(days=1)
    found: dict[RowGroup, RowFacts] = {}
    for unit in ("ms", ""):
        wanted = [(model, meter) for model, meter in names if unit_of(meter) == unit]
        if not wanted:
            continue
        minimums, increments = MINIMUMS[unit], INCREMENTS[unit]
        models, meters = zip(*wanted, strict=True)
        for row in await connection.fetch(
            REFINE,
            provider,
            since,
            until,
            list(models),
            list(meters),
            minimums,
            increments,
            list(days),
            timeout=TIMEOUT_S,
        ):
            found[(row["day"], row["key_id"], row["model"], row["modality"], row["meter"], row["price_id"])] = RowFacts(
                cancelled_quantity=int(row["cancelled"]),
                minimums={each: int(row[f"minimum_{n}"]) for n, each in enumerate(minimums, 1)},
                increments={each: int(row[f"increment_{n}"]) for n, each in enumerate(increments, 1)},
            )
    return found


def unit_of(meter: str) -> str:
    """`ms` for meters in milliseconds, empty for all that are counted."""
    return "ms" if meter.endswith("_ms") else ""


def figures(rows: Iterable[OurRow]) -> dict[tuple[object, ...], tuple[int, ...]]:
    """Return what rows come to, by what they are about; what was booked and taken back again is nothing."""
    found = {
        (*row.group, row.unrated_reason, row.kind): (
            row.requests, row.quantity, row.billed_quantity, row.amount_pico_usd, row.list_amount_pico_usd,
        )
        for row in rows
    }  # fmt: skip
    return {key: sums for key, sums in found.items() if any(sums)}
