"""What vendors say of their limits in the headers of an answer: parsed, never trusted. Pure.

OpenAI and those who copy it (Groq, Together, Fireworks, …): `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.
Anthropic: `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`, with instants. ElevenLabs:
`current-concurrent-requests` and `maximum-concurrent-requests`. Everybody: `Retry-After` on a 429.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from voicegateway_shared.limits import LimitMeter

LIMIT_MAX: Final = 10**12
"""More units than this are no vendor's limit but a misread header."""
RETRY_AFTER_MS_MAX: Final = 3_600_000
"""A vendor that wants us gone for longer than an hour is asked again after one."""
RESET_MS_MAX: Final = 31 * 86_400_000
_VALUE_CHARACTERS_MAX: Final = 64

LIMIT_HEADERS: Final = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-tokens-limit",
    "maximum-concurrent-requests",
)
"""Where limits stand; the other headers only tell how much of them is left."""

_METERS: Final[tuple[LimitMeter, ...]] = ("requests", "tokens")
_ANTHROPIC_PERIOD_MS: Final = 60_000
"""docs.anthropic.com/en/api/rate-limits: all of these are per minute."""

_PERIODS_MS: Final = (1_000, 60_000, 3_600_000, 86_400_000)
_PERIOD_TOLERANCE: Final = 0.2
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SECONDS: Final = re.compile(r"\d+(?:\.\d+)?")
_FACTORS_MS: Final = (86_400_000, 3_600_000, 60_000, 1_000, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorLimit:
    """One limit as a vendor's answer told it."""

    meter: LimitMeter
    limit: int
    remaining: int = -1
    reset_ms: int = 0
    period_ms: int = 0
    """0 where it is not told and cannot be inferred."""
    header: str = ""


def vendor_limits(headers: Mapping[str, str], *, now: datetime) -> Iterator[VendorLimit]:
    """Yield every limit that the headers tell; `headers` looks names up without regard to case."""
    for meter in _METERS:
        yield from _openai(headers, meter)
        yield from _anthropic(headers, meter, now)
    most, current = (_whole(headers.get(f"{word}-concurrent-requests")) for word in ("maximum", "current"))
    if most:
        left = -1 if current is None else max(0, most - current)
        yield VendorLimit(meter="slots", limit=most, remaining=left, header="maximum-concurrent-requests")


def retry_after_ms(value: str | None, *, now: datetime) -> int | None:
    """Read `Retry-After`, seconds or an HTTP date; at most an hour, None when absent or nonsense."""
    if value is None or len(value) > _VALUE_CHARACTERS_MAX:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(round(float(text) * 1000), RETRY_AFTER_MS_MAX)
    try:
        at = parsedate_to_datetime(text)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0, round(seconds * 1000)), RETRY_AFTER_MS_MAX)


def told_to_wait_ms(headers: Mapping[str, str], *, now: datetime) -> int:
    """How long a refusing vendor wants us away; 0 when it does not say."""
    finer = _duration_ms(f"{headers.get('retry-after-ms', '')}ms")
    if finer:
        return min(finer, RETRY_AFTER_MS_MAX)
    return retry_after_ms(headers.get("retry-after"), now=now) or 0


def _openai(headers: Mapping[str, str], meter: LimitMeter) -> Iterator[VendorLimit]:
    name = f"x-ratelimit-limit-{meter}"
    limit = _whole(headers.get(name))
    if not limit:
        return
    remaining = _whole(headers.get(f"x-ratelimit-remaining-{meter}"))
    reset_ms = _duration_ms(headers.get(f"x-ratelimit-reset-{meter}"))
    yield VendorLimit(
        meter=meter,
        limit=limit,
        remaining=-1 if remaining is None else remaining,
        reset_ms=reset_ms,
        period_ms=0 if remaining is None else _period_ms(limit, remaining, reset_ms),
        header=name,
    )


def _anthropic(headers: Mapping[str, str], meter: LimitMeter, now: datetime) -> Iterator[VendorLimit]:
    name = f"anthropic-ratelimit-{meter}-limit"
    limit = _whole(headers.get(name))
    if not limit:
        return
    remaining = _whole(headers.get(f"anthropic-ratelimit-{meter}-remaining"))
    yield VendorLimit(
        meter=meter,
        limit=limit,
        remaining=-1 if remaining is None else remaining,
        reset_ms=_until_ms(headers.get(f"anthropic-ratelimit-{meter}-reset"), now),
        period_ms=_ANTHROPIC_PERIOD_MS,
        header=name,
    )


def _period_ms(limit: int, remaining: int, reset_ms: int) -> int:
    """Infer the period: what was taken comes back in `reset_ms`, so all of it comes back in a period.

    Groq counts requests per day and tokens per minute under the same names that OpenAI uses for minutes.
    """
    taken = limit - remaining
    if taken <= 0 or reset_ms <= 0:
        return 0
    inferred_ms = reset_ms * limit / taken
    for period_ms in _PERIODS_MS:
        if abs(inferred_ms - period_ms) <= _PERIOD_TOLERANCE * period_ms:
            return period_ms
    return 0


def _whole(value: str | None) -> int | None:
    text = (value or "").strip()
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(LIMIT_MAX)):
        return None
    return min(int(text), LIMIT_MAX)


def _duration_ms(value: str | None) -> int:
    """Read `6ms`, `1m2.5s`, `2h3m`, or bare seconds; rounded up, 0 when it is none of these."""
    text = (value or "").strip()
    if not text or len(text) > _VALUE_CHARACTERS_MAX or not text.isascii():
        return 0
    if _SECONDS.fullmatch(text):
        text += "s"
    match = _DURATION.fullmatch(text)
    if match is None:
        return 0
    milliseconds = sum(
        float(part) * factor for part, factor in zip(match.groups(), _FACTORS_MS, strict=True) if part is not None
    )
    return min(-int(-milliseconds // 1), RESET_MS_MAX) if milliseconds < RESET_MS_MAX else RESET_MS_MAX


def _until_ms(value: str | None, now: datetime) -> int:
    text = (value or "").strip()
    if len(text) > _VALUE_CHARACTERS_MAX:
        return 0
    try:
        at = datetime.fromisoformat(text)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return 0
    return min(max(0, round(seconds * 1000)), RESET_MS_MAX)
