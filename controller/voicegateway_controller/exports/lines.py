"""Lines: what the books of one month hold, read in slices of a day, so that any month fits into little memory."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.months import days_of, midnight

Grain = Literal["entry", "hour", "day"]
FETCH_ROWS: Final = 2_000
"""Lines that are held at once while a month is read."""
SLICE_TIMEOUT_S: Final = 300.0
"""One day of a month of ten million entries is added up in seconds; a busy disk may need longer."""
IDLE_LIMIT: Final = "SET LOCAL idle_in_transaction_session_timeout = '600s'"
"""A reader that takes ten minutes for a few thousand lines has gone."""

# Amounts leave Postgres as whole pico-dollars in text: exact, whatever their size.
_SUMS: Final = """
sum(quantity)::text, sum(billed_quantity)::text, (sum(amount_usd) * 1000000000000)::numeric(60,0)::text,
(sum(list_amount_usd) * 1000000000000)::numeric(60,0)::text, count(*)::text,
(count(*) FILTER (WHERE estimated))::text
"""
_GROUP: Final = """
project, agent, provider, model, modality, meter, kind, coalesce(price_id, ''), coalesce(unrated_reason, ''), key_id,
coalesce(correction_id::text, ''), booked_in
"""
_SINGLE: Final = """
quantity::text, billed_quantity::text, (amount_usd * 1000000000000)::numeric(60,0)::text,
(list_amount_usd * 1000000000000)::numeric(60,0)::text, '1', estimated::integer::text,
request_id::text, session_id, revision, response_id, recorded_at
"""
# A month holds what was charged in it, but for what came after it was closed: that belongs to the month it names.
_OWN: Final = (
    "booked_in IS NULL AND charged_at >= $1 AND charged_at < $2 AND ($3::text[] IS NULL OR project = ANY ($3))"
)
_LATE: Final = "booked_in = $1::date AND ($2::text[] IS NULL OR project = ANY ($2))"


class Line(msgspec.Struct, frozen=True):
    """One entry, or the sum of those that differ in nothing but their request and their instant."""

    at: datetime
    """The entry's instant, or the hour or day that it lies in."""
    project: str
    agent: str
    provider: str
    model: str
    modality: str
    meter: str
    kind: str
    price_id: str
    unrated_reason: str
    key_id: str
    correction_id: str
    booked_in: date | None
    """The month that took it, when its own was closed."""
    quantity: int
    billed: int
    pico_usd: int
    list_pico_usd: int
    entries: int
    estimated: int
    """Entries whose quantity was estimated."""
    request_id: str = ""
    session_id: str = ""
    revision: int = 0
    response_id: str = ""
    recorded_at: datetime | None = None


async def read_month(
    connection: Connection, month: date, *, grain: Grain, projects: Sequence[str] | None
) -> AsyncIterator[Line]:
    """Yield the lines of a month's books, day by day, what came late for closed months last.

    Opens a transaction, so that all is read from one snapshot.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(IDLE_LIMIT)
        for day in days_of(month):
            arguments = (midnight(day), midnight(day + timedelta(days=1)), projects)
            async for line in _slice(connection, _sql(grain, _OWN), arguments):
                yield line
        async for line in _slice(connection, _sql(grain, _LATE), (month, projects)):
            yield line


def _sql(grain: Grain, condition: str) -> str:
    # The two columns of text are this module's own, never a caller's.
    if grain == "entry":
        return (
            f"SELECT charged_at, {_GROUP}, {_SINGLE} FROM ledger_entry WHERE {condition}"
            " ORDER BY charged_at, request_id, meter, kind, revision"
        )
    at = f"date_trunc('{grain}', charged_at, 'UTC')"
    positions = ", ".join(str(number) for number in range(1, 14))
    return (
        f"SELECT {at}, {_GROUP}, {_SUMS} FROM ledger_entry WHERE {condition} GROUP BY {positions} ORDER BY {positions}"
    )


async def _slice(connection: Connection, sql: str, arguments: tuple[object, ...]) -> AsyncIterator[Line]:
    async for row in connection.cursor(sql, *arguments, prefetch=FETCH_ROWS, timeout=SLICE_TIMEOUT_S):
        values = list(row)
        values[13:19] = map(int, values[13:19])
        yield Line(*values)
