"""Instants as people and assistants write them. Pure."""

from datetime import UTC, datetime, timedelta

from voicegateway_shared.errors import ConfigurationError


def read_instant(text: str, *, now: datetime) -> datetime:
    """Read `2026-11-21`, `2026-11-21T10:00:00Z`, `24h` or `7d` as an instant in UTC.

    Raises:
        ConfigurationError: it is none of these.
    """
    wrong = f"{text!r} is no instant; write 2026-11-21, 2026-11-21T10:00:00Z, 24h or 7d"
    try:
        if text[:-1].isascii() and text[:-1].isdigit() and text[-1:] in "hd":
            count = int(text[:-1])
            return now - (timedelta(hours=count) if text.endswith("h") else timedelta(days=count))
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(wrong) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
