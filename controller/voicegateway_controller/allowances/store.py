"""The allowances' SQL: sets, usage, what was booked."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from uuid import UUID

import msgspec

from voicegateway_controller.allowances.declaration import Allowance
from voicegateway_controller.allowances.rules import Hour, Line
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.declared import Declared, SetTable
from voicegateway_shared.usage import METERS

APPLY_LOCK: Final = 0x5647_414C_4C4F
"""Advisory lock: sets are declared one after the other. The letters say VGALLO."""
POST_LOCK: Final = 0x5647_4143_5245
"""Advisory lock: one process posts credits at a time. The letters say VGACRE."""
ALLOWANCE_SETS: Final = SetTable("allowance_set", apply_lock=APPLY_LOCK)
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
READ_TIMEOUT_S: Final = 50.0


async def hours(connection: Connection, allowance: Allowance, since: date, until: date) -> list[Hour]:
    """Return what the usage that it is about came to, hour by hour, from one day up to another."""
    found = await connection.fetch(
        _sql("hours"), *_usage(allowance, _start(since), _start(until)), timeout=READ_TIMEOUT_S
    )
    return [Hour(row["hour"].astimezone(UTC), int(row["billed"]), _pico(row["amount"])) for row in found]


async def lines(connection: Connection, allowance: Allowance, since: datetime, until: datetime) -> list[Line]:
    """Return the same usage of a stretch, request by request."""
    found = await connection.fetch(_sql("lines"), *_usage(allowance, since, until), timeout=READ_TIMEOUT_S)
    return [Line(int(row["billed"]), _pico(row["amount"])) for row in found]


async def earlier(connection: Connection, names: Sequence[str]) -> list[Declared]:
    """Return how these names were declared last, as far as they ever were."""
    return [msgspec.json.decode(row["declared"]) for row in await connection.fetch(_sql("earlier"), list(names))]


async def gone(connection: Connection, names: Sequence[str], since: date, until: date) -> dict[str, dict[date, int]]:
    """Return what allowances of other names gave, by name and day: they are declared no more."""
    rows = await connection.fetch(_sql("gone"), _start(since), _start(until), list(names), timeout=READ_TIMEOUT_S)
    found: dict[str, dict[date, int]] = {}
    for row in rows:
        found.setdefault(row["name"], {})[row["day"]] = _pico(row["amount"])
    return found


async def booked(connection: Connection, keys: Sequence[tuple[date, UUID]]) -> dict[UUID, tuple[int, int]]:
    """Return what was booked of some entries so far, and their newest revision."""
    rows = await connection.fetch(_sql("booked"), [day for day, _ in keys], [each for _, each in keys])
    return {UUID(str(row["request_id"])): (_pico(row["amount"]), row["revision"]) for row in rows}


def _usage(allowance: Allowance, since: datetime, until: datetime) -> tuple[Any, ...]:
    # Meters of usage only: credits and fees stand under words of their own.
    meters = list(allowance.meters or METERS)
    return since, until, allowance.provider, [_like(each) for each in allowance.models], meters, allowance.project


def _like(pattern: str) -> str:
    """Return a pattern of LIKE; `*` stands for anything."""
    escaped = pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%")


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _pico(amount: str) -> int:
    """Read an amount as Postgres writes it: with all of its twelve decimals."""
    return int(amount.replace(".", ""))


def _sql(name: str) -> str:
    return load_sql(__package__, name)
