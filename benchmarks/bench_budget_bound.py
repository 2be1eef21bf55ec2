"""How long the bound of one request's cost takes, beside rating the same usage in the same run.

Run: python -m benchmarks.bench_budget_bound
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import msgspec
from benchmarks.timing import us_per_call

from voicegateway_shared.budgets import window_at
from voicegateway_shared.cost_bound import CostBound
from voicegateway_shared.pricing import Catalog, RatingRequest, cost_bound, rate

ROUNDS = 9
CALLS_PER_ROUND = 5_000
_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_time = partial(us_per_call, rounds=ROUNDS, calls=CALLS_PER_ROUND)

_REQUESTS: Mapping[str, tuple[str, str, str, Mapping[str, int]]] = {
    "llm": ("openai", "gpt-4.1-mini", "llm", {"input_tokens": 10_000, "output_tokens": 500}),
    "llm, caches and tiers": ("anthropic", "claude-haiku-5-5", "llm", {"input_tokens": 10_000, "output_tokens": 500}),
    "stt, add-ons known": (
        "deepgram",
        "nova-3",
        "stt",
        {"audio_sent_ms": 12_340, "diarize_ms": 0, "keyterm_ms": 0},
    ),
    "stt, minimum": ("groq", "whisper-large-v3-turbo", "stt", {"audio_sent_ms": 3_000, "requests": 1}),
    "tts": ("cartesia", "sonic-3", "tts", {"characters_sent": 480, "characters_failed": 0}),
    "realtime": ("openai", "gpt-realtime", "realtime", {"input_tokens": 3_000, "output_tokens": 500}),
}


def main() -> None:
    """Print microseconds per call, the median of the rounds and the best."""
    catalog = Catalog.builtin()
    print(f"{'µs/call':<26}{'bound':>8}{'best':>8}{'rate':>8}{'best':>8}{'make':>8}{'bytes':>8}")
    for name, (provider, model, modality, most) in _REQUESTS.items():
        bound, make_us = _made(catalog, provider, model, modality)
        request = RatingRequest(provider=provider, model=model, modality=modality, at=_AT, usage=most)
        assert bound.nano_usd(most) >= rate(request, catalog).amount_nano_usd
        median, best = _time(lambda bound=bound, most=most: bound.nano_usd(most))  # type: ignore[misc]
        rate_median, rate_best = _time(lambda request=request: rate(request, catalog))  # type: ignore[misc]
        size = len(msgspec.json.encode(bound))
        print(
            f"{name:<26}{median:>8.2f}{best:>8.2f}{rate_median:>8.2f}{rate_best:>8.2f}{make_us:>8.0f}{size:>8}",
        )
    median, best = _time(lambda: window_at("day", _AT))
    print(f"{'window_at, day':<26}{median:>8.2f}{best:>8.2f}")


def _made(catalog: Catalog, provider: str, model: str, modality: str) -> tuple[CostBound, float]:
    prices = catalog.model(provider=provider, model=model, modality=modality)
    assert not isinstance(prices, str)
    started = time.perf_counter()
    bound = cost_bound(prices, since=_AT, until=_AT)
    taken_us = (time.perf_counter() - started) * 1e6
    assert not isinstance(bound, str)
    return bound, taken_us


if __name__ == "__main__":
    main()
