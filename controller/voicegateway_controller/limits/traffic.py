"""Recorded traffic: the requests that reached the inbox, as what limits count."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.limits.simulate import Recorded
from voicegateway_shared.limits import LimitMeter, Target

CHUNK: Final = 5_000
"""Rows fetched in one round trip."""
TIMEOUT_S: Final = 20.0
"""A longer search is refused rather than left running beside the ledger."""

_decode: Final = msgspec.json.Decoder(dict[str, int]).decode


async def read_traffic(
    engine: AsyncEngine, *, since: datetime, until: datetime, projects: Sequence[str] | None, limit: int
) -> list[Recorded]:
    """Return the requests that started between two instants, the earliest first, at most `limit` of them.

    Raises DatabaseUnavailable.
    """
    found: list[Recorded] = []
    targets: dict[Target, Target] = {}
    async with raw_connection(engine) as connection, connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = {int(TIMEOUT_S * 1000)}")
        cursor: Any = connection.cursor(
            load_sql(__package__, "traffic"), since, until, projects, limit, prefetch=CHUNK, timeout=TIMEOUT_S
        )
        async for row in cursor:
            target = Target(
                provider=row["provider"],
                model=row["model"],
                modality=row["modality"],
                account=row["key_id"],
                project=row["project"],
                agent=row["agent"],
            )
            found.append(
                Recorded(
                    targets.setdefault(target, target),
                    row["start_ms"],
                    row["duration_ms"],
                    amounts(
                        _decode(row["usage"]), modality=row["modality"], mode=row["mode"], attempts=row["attempts"]
                    ),
                )
            )
    return found


def amounts(usage: Mapping[str, int], *, modality: str, mode: str, attempts: int) -> dict[LimitMeter, int]:
    """Return what a request took of each kind of limit, by what its vendor was sent and sent back.

    A session is a connection that stays open: a streamed transcription, a synthesis, a realtime response.
    """
    tries = max(1, attempts)
    taken: dict[LimitMeter, int] = {
        "requests": tries,
        "sessions": tries if modality != "llm" and mode != "batch" else 0,
        "tokens": usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
        "characters": usage.get("characters_sent", 0),
        "audio_ms": usage.get("audio_sent_ms", 0),
    }
    return {meter: units for meter, units in taken.items() if units}
