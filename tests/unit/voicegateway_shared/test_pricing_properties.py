"""Rating against an independent oracle in fractions, and the laws that any bill must keep."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway_shared.money import PICO_PER_USD, format_usd
from voicegateway_shared.pricing import Catalog, Price, RatedLine, RatingRequest, rate
from voicegateway_shared.usage import METERS

_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_CATALOG = Catalog.builtin()
_SAME_CATALOG = _CATALOG.extended()
_CURRENT = [
    price
    for price in _CATALOG.prices
    if (price.effective_from is None or price.effective_from <= _AT)
    and (price.effective_to is None or price.effective_to > _AT)
]
_QUANTITIES = st.integers(0, 10**7)
_WHOLES = {
    "cache_read_tokens": "input_tokens",
    "cache_write_tokens": "input_tokens",
    "cache_write_5m_tokens": "input_tokens",
    "cache_write_1h_tokens": "input_tokens",
    "input_audio_tokens": "input_tokens",
    "output_audio_tokens": "output_tokens",
    "characters_failed": "characters_sent",
}


@st.composite
def _usages(draw: st.DrawFn) -> dict[str, int]:
    """A consistent usage of all meters: parts are drawn first, and their whole contains them."""
    usage = {meter: draw(_QUANTITIES) for meter in METERS if meter not in _WHOLES.values()}
    usage["requests"] = 1
    usage["cache_read_audio_tokens"] = draw(
        st.integers(0, min(usage["input_audio_tokens"], usage["cache_read_tokens"]))
    )
    for whole in ("input_tokens", "output_tokens", "characters_sent"):
        parts = sum(usage[part] for part, its_whole in _WHOLES.items() if its_whole == whole)
        usage[whole] = parts + draw(_QUANTITIES)
    return usage


_PRICES = st.sampled_from(_CURRENT)


def _line(price: Price, usage: Mapping[str, int], **context: str) -> RatedLine | None:
    request = RatingRequest(
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        at=_AT,
        usage=usage,
        context={**dict(price.when), **context},
    )
    lines = [line for line in rate(request, _CATALOG).lines if line.price_id == price.price_id]
    return lines[0] if lines else None


def _exact(price: Price, usage: Mapping[str, int]) -> tuple[Fraction, Fraction]:
    """Billed quantity and dollars by the words of the row alone, in fractions, sharing no code with rating."""
    meter = next((name for name in (price.meter, *price.fallback) if usage.get(name, 0) > 0), price.meter)
    quantity = Fraction(usage[meter])
    quantity -= sum(usage[part] for part in (*price.minus, *price.not_billed))
    quantity += sum(usage[part] for part in price.plus)
    if quantity:
        quantity = max(quantity, Fraction(price.minimum))
        steps = -(-quantity // price.increment)
        quantity = Fraction(steps * price.increment)
    amount = Fraction(price.amount)
    if price.tiers is not None:
        for step in price.tiers.steps:
            if usage[price.tiers.basis] > step.above:
                amount = Fraction(step.amount)
    dollars = quantity * amount * Fraction(price.multiplier) / price.per.in_base
    if price.credit_rate is not None:
        dollars *= Fraction(price.credit_rate.amount) / price.credit_rate.credits
    return quantity, dollars


@settings(max_examples=500)
@given(_PRICES, _usages())
def test_line_is_the_exact_fraction_rounded_half_even_once(price: Price, usage: dict[str, int]) -> None:
    line = _line(price, usage)

    quantity, dollars = _exact(price, usage)
    if line is None:
        assert quantity == 0
        return
    assert line.billed_quantity == quantity
    assert line.amount_pico_usd == round(dollars * PICO_PER_USD)


@settings(max_examples=300)
@given(_PRICES, _usages())
def test_lines_hold_whole_numbers_and_never_a_float(price: Price, usage: dict[str, int]) -> None:
    line = _line(price, usage)

    if line is not None:
        numbers = (line.quantity, line.billed_quantity, line.amount_pico_usd, line.list_amount_pico_usd)
        assert all(type(number) is int and number >= 0 for number in numbers)


@settings(max_examples=300)
@given(_PRICES, _usages(), _QUANTITIES)
def test_more_of_a_meter_never_costs_less(price: Price, usage: dict[str, int], more: int) -> None:
    # A fallback stands in while the meter itself was not told; what it said is no less of the meter.
    usage = {**usage, **dict.fromkeys(price.fallback, 0)}
    low = _line(price, usage)
    high = _line(price, {**usage, price.meter: usage[price.meter] + more})

    assert (low.amount_pico_usd if low else 0) <= (high.amount_pico_usd if high else 0)


@settings(max_examples=300)
@given(_PRICES, _QUANTITIES, _QUANTITIES)
def test_splitting_a_request_changes_the_bill_only_by_rounding(price: Price, one: int, other: int) -> None:
    """Without minimum, increment and tiers the parts add up to the whole, but for half a pico-dollar each."""
    if price.minimum or price.increment > 1 or price.tiers is not None:
        return

    whole, left, right = (_amount(price, quantity) for quantity in (one + other, one, other))

    assert abs(whole - left - right) <= 1


@settings(max_examples=300)
@given(_PRICES, st.integers(1, 10**7), st.integers(1, 10**7))
def test_splitting_a_request_never_saves_under_minimum_and_increment(price: Price, one: int, other: int) -> None:
    if price.tiers is not None:
        return

    assert _amount(price, one + other) <= _amount(price, one) + _amount(price, other) + 1


@settings(max_examples=200)
@given(_PRICES, _usages())
def test_rating_twice_gives_the_same(price: Price, usage: dict[str, int]) -> None:
    request = RatingRequest(
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        at=_AT,
        usage=usage,
        context=dict(price.when),
    )

    assert rate(request, _CATALOG) == rate(request, _CATALOG) == rate(request, _SAME_CATALOG)


@settings(max_examples=300)
@given(_PRICES, st.dictionaries(st.sampled_from(sorted(METERS)), _QUANTITIES), st.text(max_size=8))
def test_every_line_is_priced_or_says_why_not(price: Price, usage: dict[str, int], word: str) -> None:
    """Whatever the usage and the words of its context, inconsistent ones too."""
    keys = ["mode", "language", "service_tier", "processing", "plan", "channels", "speed"]
    request = RatingRequest(
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        at=_AT,
        usage=usage,
        context=dict.fromkeys(keys, word),
    )

    rating = rate(request, _CATALOG)

    for line in rating.lines:
        assert (line.price_id is None) != (line.unrated_reason is None)
        assert line.price_id is not None or line.amount_pico_usd == 0
    assert rating.amount_pico_usd == sum(line.amount_pico_usd for line in rating.lines)
    assert rating.is_unrated == any(line.unrated_reason for line in rating.lines)


@settings(max_examples=200)
@given(st.integers(0, 10**15), st.integers(1, 10**6), st.integers(0, 10**9))
def test_any_amount_over_any_unit_is_rounded_half_even(pico: int, per: int, quantity: int) -> None:
    """Amounts of a few pico-dollars over odd units: here ties and tiny remainders are common."""
    text = f"""
provider: acme
sources: {{page: {{url: "https://acme.example", read_on: 2026-11-21}}}}
models:
  - model: m
    modality: stt
    source: page
    confidence: published
    prices: [{{meter: audio_sent_ms, amount: "{format_usd(pico)}", per: {per} ms}}]
"""
    catalog = Catalog.from_texts({"acme.yaml": text})
    request = RatingRequest(
        provider="acme", model="m", modality="stt", at=_AT, usage={"audio_sent_ms": quantity, "requests": 1}
    )

    assert rate(request, catalog).amount_pico_usd == round(Fraction(quantity * pico, per))


def _amount(price: Price, quantity: int) -> int:
    line = _line(price, {price.meter: quantity})
    return line.amount_pico_usd if line else 0
