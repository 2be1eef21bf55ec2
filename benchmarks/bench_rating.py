"""How long rating one request takes, beside a plain Decimal rating of the same request in the same run.

Run: python -m benchmarks.bench_rating
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from benchmarks.timing import us_per_call

from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing import Catalog, RatingRequest, rate

ROUNDS = 9
CALLS_PER_ROUND = 20_000
_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_PICO = Decimal("0.000000000001")

_REQUESTS = {
    "llm, 3 meters": RatingRequest(
        provider="openai",
        model="gpt-4.1-mini",
        modality="llm",
        at=_AT,
        usage={"input_tokens": 10_000, "cache_read_tokens": 6_000, "output_tokens": 500, "requests": 1},
        context={"service_tier": "default", "mode": "streaming"},
    ),
    "llm by alias, tiered": RatingRequest(
        provider="anthropic",
        model="claude-haiku-5-5-20260801",
        modality="llm",
        at=_AT,
        usage={"input_tokens": 100_001, "cache_read_tokens": 6_000, "output_tokens": 500, "requests": 1},
    ),
    "stt, 1 meter": RatingRequest(
        provider="deepgram",
        model="nova-3",
        modality="stt",
        at=_AT,
        usage={"audio_sent_ms": 12_340, "audio_pushed_ms": 12_400, "socket_open_ms": 20_000, "requests": 1},
        context={"mode": "streaming", "language": "en"},
    ),
    "tts, 1 meter, credits": RatingRequest(
        provider="cartesia",
        model="sonic-3",
        modality="tts",
        at=_AT,
        usage={"characters_sent": 480, "characters_failed": 0, "audio_received_ms": 9_000, "requests": 1},
    ),
    "unknown model": RatingRequest(
        provider="openai", model="gpt-unheard-of", modality="llm", at=_AT, usage={"input_tokens": 10}
    ),
}


def main() -> None:
    """Print microseconds per call, the median of the rounds, and the naive baseline for the first request."""
    started = time.perf_counter()
    catalog = Catalog.builtin()
    print(f"catalogue: {len(catalog.prices)} prices loaded in {(time.perf_counter() - started) * 1e3:.0f} ms")
    request = _REQUESTS["llm, 3 meters"]
    assert rate(request, catalog).amount_pico_usd == int(_naive(request) * PICO_PER_USD)
    print(f"{'rate()':<26}{'µs/call':>10}{'best':>8}")
    for name, each in _REQUESTS.items():
        _report(name, lambda each=each: rate(each, catalog))  # type: ignore[misc]
    _report("naive Decimal, 3 meters", lambda: _naive(request))


def _report(name: str, call: Callable[[], object]) -> None:
    median_us, best_us = us_per_call(call, rounds=ROUNDS, calls=CALLS_PER_ROUND)
    print(f"{name:<26}{median_us:>10.2f}{best_us:>8.2f}")


def _naive(request: RatingRequest) -> Decimal:
    """The same request as one would write it down: prices as Decimal, one quantize per line, no lookup at all."""
    usage = request.usage
    lines = (
        (usage["input_tokens"] - usage["cache_read_tokens"], Decimal("0.40")),
        (usage["cache_read_tokens"], Decimal("0.10")),
        (usage["output_tokens"], Decimal("1.60")),
    )
    total = Decimal(0)
    for quantity, amount in lines:
        total += (Decimal(quantity) * amount / 1_000_000).quantize(_PICO, ROUND_HALF_EVEN)
    return total


if __name__ == "__main__":
    main()
