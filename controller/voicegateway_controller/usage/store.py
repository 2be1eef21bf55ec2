"""The inbox's SQL: one statement per batch."""

from collections.abc import Sequence
from typing import Final

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.usage.columns import COLUMNS
from voicegateway_controller.usage.decode import Refused

QUARANTINED_BYTES_MAX: Final = 64 * 1024
"""Enough to see what a span was; a poison body must not fill the disk."""

_NAMES: Final = ", ".join(COLUMNS)
_VALUES: Final = ", ".join(expression.format(name) for name, expression in COLUMNS.items())
_SPLIT: Final = ", ".join(rf"string_to_array(${n}, E'\x1f')" for n in range(1, len(COLUMNS) + 1))

# Names, types and separators are our own constants; every value travels as a parameter.
INSERT_SPANS: Final = f"""
WITH fresh AS (
    INSERT INTO usage_span (day, {_NAMES})
    SELECT (({COLUMNS["ended_at"].format("ended_at")}) AT TIME ZONE 'UTC')::date, {_VALUES}
    FROM unnest({_SPLIT}) AS span ({_NAMES})
    ON CONFLICT DO NOTHING
    RETURNING day, request_id, arrived_at
), queued AS (
    INSERT INTO usage_pending (day, request_id, arrived_at)
    SELECT day, request_id, arrived_at FROM fresh
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fresh
"""

INSERT_QUARANTINE: Final = """
INSERT INTO usage_quarantine (token_id, reason, body)
SELECT $1, * FROM unnest($2::text[], $3::bytea[])
"""


async def insert_spans(connection: Connection, columns: Sequence[str], *, timeout_s: float) -> int:
    """Insert the spans not seen before, queue them for rating, return how many they were."""
    fresh: int = await connection.fetchval(INSERT_SPANS, *columns, timeout=timeout_s)
    return fresh


async def insert_quarantine(
    connection: Connection, refused: Sequence[Refused], *, token_id: str, timeout_s: float
) -> None:
    """Keep what cannot be understood, with the reason."""
    await connection.execute(
        INSERT_QUARANTINE,
        token_id,
        [each.reason for each in refused],
        [each.body[:QUARANTINED_BYTES_MAX] for each in refused],
        timeout=timeout_s,
    )
