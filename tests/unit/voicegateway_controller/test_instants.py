"""Instants as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from voicegateway_controller.instants import read_instant
from voicegateway_shared.errors import ConfigurationError

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T09:00:00Z", datetime(2026, 10, 1, 9, tzinfo=UTC)),
        ("2026-10-01T09:00:00+02:00", datetime(2026, 10, 1, 7, tzinfo=UTC)),
    ],
)
def test_read(text: str, instant: datetime) -> None:
    assert read_instant(text, now=NOW) == instant


@pytest.mark.parametrize(
    "text", ["", "d", "-1d", "1.5h", "²d", "99999999999d", "9" * 200 + "d", "yesterday", "2026-13-01"]
)
def test_what_is_no_instant_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no instant; write 2026-11-21"):
        read_instant(text, now=NOW)
