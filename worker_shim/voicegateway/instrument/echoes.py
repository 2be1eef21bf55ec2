"""Echoes: what a vendor told of a request in its answer, so that its invoice and our ledger can be matched by it.

Read from the headers of HTTP answers and of websocket handshakes, and from what vendors say on their sockets. The last
word of a name counts: a retry's answer replaces the one before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from voicegateway.record import RequestRecord

ECHOES_MAX: Final = 8
"""Names kept of one request; there are six."""
ECHO_CHARS_MAX: Final = 200
"""Kept of each: an id is some forty, and a vendor must not fill our outbox."""

REQUEST_ID: Final = "request_id"
CHARACTER_COST: Final = "character_cost"
SERVICE_TIER: Final = "service_tier"
PROCESSING_MS: Final = "processing_ms"
REGION: Final = "region"
ORGANIZATION: Final = "organization"

HEADERS: Final[Mapping[str, str]] = {
    "x-request-id": REQUEST_ID,
    "request-id": REQUEST_ID,
    "dg-request-id": REQUEST_ID,
    "cartesia-request-id": REQUEST_ID,
    "character-cost": CHARACTER_COST,
    "openai-processing-ms": PROCESSING_MS,
    "x-region": REGION,
    "x-groq-region": REGION,
    "openai-organization": ORGANIZATION,
    "anthropic-organization-id": ORGANIZATION,
}
"""Headers, in lower case, and what we call what they tell. Where two tell the same, the later in an answer counts."""
_RAW: Final[Mapping[bytes, str]] = {header.encode(): name for header, name in HEADERS.items()}


def note(record: RequestRecord, name: str, value: str) -> None:
    """Keep what a vendor told under one of our names; nothing where it told nothing, or too many names are kept."""
    if value and (name in record.echoes or len(record.echoes) < ECHOES_MAX):
        record.echoes[name] = value[:ECHO_CHARS_MAX]


def note_headers(record: RequestRecord, headers: Mapping[str, str]) -> None:
    """Keep what the headers of an answer tell."""
    raw: Iterable[tuple[bytes, bytes]] | None = getattr(headers, "raw", None)
    if raw is not None:
        # `httpx` would decode every name again for each look-up.
        for key, value in raw:
            name = _RAW.get(key.lower())
            if name is not None:
                note(record, name, value.decode("latin-1"))
        return
    for header, text in headers.items():
        told: Any = HEADERS.get(header.lower())
        if told is not None:
            note(record, told, text)
