"""The inbox's columns: how a decoded row names them, and how Postgres turns each text into its type."""

from typing import Final

_INSTANT: Final = "timestamptz 'epoch' + {0}::bigint * interval '1 microsecond'"

COLUMNS: Final = {
    "request_id": "{0}::uuid",
    "trace_id": "decode({0}, 'hex')",
    "span_id": "decode({0}, 'hex')",
    "incarnation": "coalesce({0}, '')",
    "project": "{0}",
    "session_id": "coalesce({0}, '')",
    "agent": "coalesce({0}, '')",
    "room": "coalesce({0}, '')",
    "job_id": "coalesce({0}, '')",
    "speech_id": "coalesce({0}, '')",
    "key_id": "coalesce({0}, '')",
    "modality": "{0}",
    "provider": "{0}",
    "model": "{0}",
    "response_model": "coalesce({0}, '')",
    "response_id": "coalesce({0}, '')",
    "language": "coalesce({0}, '')",
    "voice": "coalesce({0}, '')",
    "mode": "coalesce({0}, '')",
    "service_tier": "coalesce({0}, '')",
    "outcome": "{0}",
    "estimated": "{0}::boolean",
    "error_type": "coalesce({0}, '')",
    "status_code": "nullif({0}, '')::integer",
    "attempts": "{0}::integer",
    "ttfb_ms": "nullif({0}, '')::integer",
    "duration_ms": "{0}::bigint",
    "started_at": _INSTANT,
    "ended_at": _INSTANT,
    "clock_suspect": "{0}::boolean",
    "usage": "{0}::jsonb",
    "reported": "nullif({0}, '')::jsonb",
    "attributes": "nullif({0}, '')::jsonb",
}
"""Every value travels as text, joined with the others of its column: a driver encodes one long text ten times faster
than an array of five hundred. `coalesce` is for a batch whose whole column is empty, which splits into nothing."""

INDEX: Final = {name: index for index, name in enumerate(COLUMNS)}
SEPARATOR: Final = "\x1f"
"""ASCII's own unit separator; JSON escapes it, and a span that has it in a text is refused."""
Row = list[str]
"""One span, one text per column, empty for what is absent."""
