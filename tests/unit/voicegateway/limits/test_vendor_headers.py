"""Vendors' headers: every dialect is read as its vendor means it, and nonsense is never a limit."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicegateway.limits.vendor_headers import (
    LIMIT_MAX,
    RESET_MS_MAX,
    RETRY_AFTER_MS_MAX,
    VendorLimit,
    retry_after_ms,
    told_to_wait_ms,
    vendor_limits,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_openai_tells_requests_and_tokens_a_minute() -> None:
    headers = {
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-remaining-tokens": "1999000",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "30ms",
    }

    assert list(vendor_limits(headers, now=NOW)) == [
        VendorLimit(
            meter="requests",
            limit=10_000,
            remaining=9_999,
            reset_ms=6,
            period_ms=60_000,
            header="x-ratelimit-limit-requests",
        ),
        VendorLimit(
            meter="tokens",
            limit=2_000_000,
            remaining=1_999_000,
            reset_ms=30,
            period_ms=60_000,
            header="x-ratelimit-limit-tokens",
        ),
    ]


def test_groq_counts_requests_by_the_day_under_the_same_name() -> None:
    headers = {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-requests": "2m59.56s",
    }

    [limit] = vendor_limits(headers, now=NOW)

    assert (limit.limit, limit.reset_ms, limit.period_ms) == (14_400, 179_560, 86_400_000)


def test_anthropic_tells_instants_and_means_minutes() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
        "anthropic-ratelimit-tokens-limit": "40000",
    }

    assert list(vendor_limits(headers, now=NOW)) == [
        VendorLimit(
            meter="requests",
            limit=50,
            remaining=49,
            reset_ms=1000,
            period_ms=60_000,
            header="anthropic-ratelimit-requests-limit",
        ),
        VendorLimit(meter="tokens", limit=40_000, period_ms=60_000, header="anthropic-ratelimit-tokens-limit"),
    ]


def test_elevenlabs_tells_streams() -> None:
    headers = {"current-concurrent-requests": "3", "maximum-concurrent-requests": "10"}

    assert list(vendor_limits(headers, now=NOW)) == [
        VendorLimit(meter="slots", limit=10, remaining=7, header="maximum-concurrent-requests")
    ]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("6ms", 6),
        ("1s", 1000),
        ("1m2.5s", 62_500),
        ("2h3m", 7_380_000),
        ("1d", 86_400_000),
        ("0.5ms", 1),
        ("7", 7000),
        ("1.5", 1500),
        ("", 0),
        ("soon", 0),
        ("-1s", 0),
        ("ms", 0),
        ("1s1m", 0),
        ("99999d", RESET_MS_MAX),
        ("²s", 0),
    ],
)
def test_durations_are_read(text: str, milliseconds: int) -> None:
    [limit] = vendor_limits({"x-ratelimit-limit-requests": "5", "x-ratelimit-reset-requests": text}, now=NOW)

    assert limit.reset_ms == milliseconds


@pytest.mark.parametrize("text", ["0", "-5", "5.5", "", "many", "1e9", "٣", "9" * 30])
def test_what_is_no_number_is_no_limit(text: str) -> None:
    assert list(vendor_limits({"x-ratelimit-limit-requests": text, "maximum-concurrent-requests": text}, now=NOW)) == []


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("3", 3000),
        ("0.25", 250),
        ("0", 0),
        (format_datetime(NOW + timedelta(seconds=12), usegmt=True), 12_000),
        (format_datetime(NOW - timedelta(seconds=12), usegmt=True), 0),
        ("999999999", RETRY_AFTER_MS_MAX),
        ("-3", None),
        ("later", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, milliseconds: int | None) -> None:
    assert retry_after_ms(text, now=NOW) == milliseconds


def test_the_finer_wait_wins() -> None:
    assert told_to_wait_ms({"retry-after-ms": "120", "retry-after": "1"}, now=NOW) == 120
    assert told_to_wait_ms({"retry-after": "1"}, now=NOW) == 1000
    assert told_to_wait_ms({}, now=NOW) == 0


@given(
    days=st.integers(0, 3),
    hours=st.integers(0, 23),
    minutes=st.integers(0, 59),
    seconds=st.integers(0, 59),
    milliseconds=st.integers(1, 999),
)
def test_whatever_duration_is_written_is_read(
    days: int, hours: int, minutes: int, seconds: int, milliseconds: int
) -> None:
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"), (milliseconds, "ms"))
    text = "".join(f"{count}{unit}" for count, unit in parts if count)
    headers = {"x-ratelimit-limit-tokens": "5", "x-ratelimit-reset-tokens": text}

    [limit] = vendor_limits(headers, now=NOW)

    assert limit.reset_ms == (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


NAMES = [
    *(f"x-ratelimit-{what}-{meter}" for what in ("limit", "remaining", "reset") for meter in ("requests", "tokens")),
    *(f"anthropic-ratelimit-{meter}-{what}" for what in ("limit", "remaining", "reset") for meter in ("tokens",)),
    "maximum-concurrent-requests",
    "current-concurrent-requests",
    "retry-after",
    "retry-after-ms",
]
VALUES = st.text(max_size=80) | st.from_regex(r"[0-9.]{1,20}(ms|s|m|h|d)?", fullmatch=True) | st.just("0001-01-01")


# On a busy machine making the texts takes longer than hypothesis likes.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_no_header_whatever_is_an_error_or_out_of_bounds(headers: dict[str, str]) -> None:
    for limit in vendor_limits(headers, now=NOW):
        assert 0 < limit.limit <= LIMIT_MAX
        assert -1 <= limit.remaining <= LIMIT_MAX
        assert 0 <= limit.reset_ms <= RESET_MS_MAX
    assert 0 <= told_to_wait_ms(headers, now=NOW) <= RETRY_AFTER_MS_MAX
