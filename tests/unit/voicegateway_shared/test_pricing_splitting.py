"""Splitting, as docs/concepts/rating.md says: it never lowers a bill, but where a published price rises with size."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing import Catalog, Price, Rating, RatingRequest, rate
from voicegateway_shared.usage import METERS

_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_CATALOG = Catalog.builtin()
_CURRENT = [
    price
    for price in _CATALOG.prices
    if (price.effective_from is None or price.effective_from <= _AT)
    and (price.effective_to is None or price.effective_to > _AT)
]
_TIERED = [price for price in _CURRENT if price.tiers is not None]
_WHOLES = {
    "input_tokens": (
        "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
        "input_audio_tokens",
    ),
    "output_tokens": ("output_audio_tokens", "reasoning_tokens"),
    "characters_sent": ("characters_failed",),
}  # fmt: skip
_QUANTITIES = st.one_of(st.integers(0, 10**6), st.sampled_from([0, 1, 9_999, 60_000, 60_001, 100_000, 272_001]))


@st.composite
def _usages(draw: st.DrawFn) -> dict[str, int]:
    """A consistent usage of all meters: parts first, and their whole contains them."""
    parts = {part for names in _WHOLES.values() for part in names}
    usage = {meter: draw(_QUANTITIES) for meter in METERS if meter not in _WHOLES}
    usage |= {part: draw(_QUANTITIES) // 8 for part in parts}
    usage["requests"] = 1
    usage["cache_read_audio_tokens"] = min(usage["input_audio_tokens"], usage["cache_read_tokens"])
    for whole, names in _WHOLES.items():
        usage[whole] = sum(usage[name] for name in names) + draw(_QUANTITIES)
    return usage


def _rate(price: Price, usage: Mapping[str, int]) -> Rating:
    request = RatingRequest(
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        at=_AT,
        usage=usage,
        context=dict(price.when),
    )
    return rate(request, _CATALOG)


def _together(*usages: Mapping[str, int]) -> dict[str, int]:
    """One request in the place of several."""
    return {**{meter: sum(usage[meter] for usage in usages) for meter in METERS}, "requests": 1}


def _bands(rating: Rating, usage: Mapping[str, int]) -> list[int]:
    """How many steps each tiered line of a rating has passed."""
    prices = [_CATALOG.price(line.price_id or "") for line in rating.lines]
    return [
        sum(usage[price.tiers.basis] > step.above for step in price.tiers.steps)
        for price in prices
        if price is not None and price.tiers is not None
    ]


def _is_rising(price: Price) -> bool:
    steps = price.tiers.steps if price.tiers is not None else ()
    amounts = [Fraction(price.amount), *(Fraction(step.amount) for step in steps)]
    return all(low <= high for low, high in pairwise(amounts))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(_CURRENT), st.lists(_usages(), min_size=2, max_size=3))
def test_splitting_a_request_never_lowers_its_cost_but_across_a_published_tier(
    price: Price, usages: list[dict[str, int]]
) -> None:
    whole_usage = _together(*usages)
    whole = _rate(price, whole_usage)
    parts = [_rate(price, usage) for usage in usages]

    saved = whole.amount_pico_usd - sum(part.amount_pico_usd for part in parts)

    # Half a pico-dollar of rounding for each line of each part and of the whole.
    rounding = len(whole.lines) * (len(usages) + 1) // 2
    if saved > rounding:
        bands = [max(_bands(part, usage), default=0) for part, usage in zip(parts, usages, strict=True)]
        assert max(_bands(whole, whole_usage), default=0) > min(bands)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(_CURRENT), _usages(), _usages())
def test_more_usage_never_costs_less(price: Price, usage: dict[str, int], more: dict[str, int]) -> None:
    # A fallback stands in while the meter itself was not told; what it said is no less of the meter.
    quiet = {meter: 0 for each in _CURRENT for meter in each.fallback if each.model == price.model}
    usage, more = {**usage, **quiet}, {**more, **quiet}

    assert _rate(price, usage).amount_pico_usd <= _rate(price, _together(usage, more)).amount_pico_usd


def test_every_tier_that_is_built_in_rises() -> None:
    assert _TIERED
    assert all(_is_rising(price) and price.rounding == "up" for price in _CURRENT)


def test_a_split_across_a_cliff_saves_what_the_vendor_publishes() -> None:
    haiku = next(price for price in _TIERED if price.model == "claude-haiku-5-5" and price.meter == "input_tokens")
    empty = dict.fromkeys(METERS, 0)
    half = {**empty, "input_tokens": 60_000, "output_tokens": 1}

    whole = _rate(haiku, _together(half, half)).amount_pico_usd
    halves = 2 * _rate(haiku, half).amount_pico_usd

    assert (whole, halves) == (60_005_000_000, 12_001_000_000)


@pytest.mark.parametrize(("requests", "usd"), [(1, "0.001111111111"), (10, "0.001111111111"), (20, "0.002222222222")])
def test_splitting_costs_the_stated_minimum_for_each_part(requests: int, usd: str) -> None:
    """100 s in one request, in ten of 10 s, and in twenty of 5 s, of which each is billed as 10 s."""
    groq = next(price for price in _CURRENT if price.model == "whisper-large-v3-turbo" and price.provider == "groq")

    usage = {**dict.fromkeys(METERS, 0), "audio_sent_ms": 100_000, "requests": requests}
    amount = Fraction(_rate(groq, usage).amount_pico_usd, PICO_PER_USD)

    assert amount == Fraction(usd)


@pytest.mark.parametrize("plan", ["pro", "startup", "scale"])
def test_a_plans_credits_cost_what_the_plan_costs(plan: str) -> None:
    sonic = next(
        price
        for price in _CURRENT
        if price.model == "sonic-3" and dict(price.when) == {"plan": plan, "voice_class": "standard"}
    )
    assert sonic.credit_rate is not None
    usage = {**dict.fromkeys(METERS, 0), "characters_sent": sonic.credit_rate.credits}

    assert Fraction(_rate(sonic, usage).amount_pico_usd, PICO_PER_USD) == Fraction(sonic.credit_rate.amount)
