"""The bound of a request's cost: whatever is used within the estimate, rating never comes to more."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.voicegateway_shared.acme import AT, catalog_of, catalog_of_row

from voicegateway_shared.cost_bound import CostBound, UnboundedUsage
from voicegateway_shared.pricing import Catalog, Price, RatingRequest, UnratedReason, cost_bound, rate
from voicegateway_shared.usage import METERS, PART_OF

CATALOG = Catalog.builtin()
QUANTITIES = st.integers(0, 10**6) | st.integers(0, 100)
prices = st.sampled_from(CATALOG.prices)


def _bound(catalog: Catalog, price: Price, *, at: datetime | None = None, **context: str) -> CostBound:
    instant = at or price.effective_from or AT
    found = catalog.model(provider=price.provider, model=price.model, modality=price.modality)
    assert not isinstance(found, str)
    bound = cost_bound(found, since=instant, until=instant, contexts=[{**dict(price.when), **context}])
    assert not isinstance(bound, str)
    return bound


def _rated_nano_usd(
    catalog: Catalog, price: Price, usage: Mapping[str, int], *, at: datetime | None = None, **context: str
) -> int:
    request = RatingRequest(
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        at=at or price.effective_from or AT,
        usage=usage,
        context={**dict(price.when), **context},
    )
    return rate(request, catalog).amount_nano_usd


def _of(provider: str, model: str, **context: str) -> CostBound:
    price = next(
        price
        for price in CATALOG.prices
        if (price.provider, price.model) == (provider, model) and price.matches({**dict(price.when), **context})
    )
    found = CATALOG.model(provider=provider, model=model, modality=price.modality)
    assert not isinstance(found, str)
    bound = cost_bound(found, since=AT, until=AT, contexts=[context])
    assert not isinstance(bound, str)
    return bound


@st.composite
def _within(draw: st.DrawFn, most: Mapping[str, int]) -> dict[str, int]:
    """Any usage at all of which no meter exceeds `most`, parts above their wholes included; at the edge more often."""
    return {
        meter: draw(st.integers(0, quantity) | st.just(quantity))
        for meter, quantity in most.items()
        if draw(st.integers(0, 9))
    }


@st.composite
def _consistent(draw: st.DrawFn) -> dict[str, int]:
    """A usage of all meters as vendors report it: parts add up to no more than their whole."""
    usage = {meter: draw(QUANTITIES) for meter in METERS}
    text_read, audio_read, audio = draw(QUANTITIES), draw(QUANTITIES), draw(QUANTITIES)
    written = ("cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    usage["cache_read_tokens"] = text_read + audio_read
    usage["cache_read_audio_tokens"] = audio_read
    usage["input_audio_tokens"] = audio + audio_read
    usage["input_tokens"] = text_read + audio_read + audio + sum(usage[part] for part in written) + draw(QUANTITIES)
    for part, whole in (
        ("output_audio_tokens", "output_tokens"),
        ("characters_failed", "characters_sent"),
        ("diarize_ms", "audio_sent_ms"),
        ("keyterm_ms", "audio_sent_ms"),
    ):
        usage[part] = min(usage[part], usage[whole])
    usage["requests"] = 1
    return usage


@settings(max_examples=500, deadline=None)
@given(data=st.data(), price=prices, channels=st.integers(1, 4))
def test_no_usage_within_the_estimate_costs_more_than_the_bound(
    data: st.DataObject, price: Price, channels: int
) -> None:
    bound = _bound(CATALOG, price, channels=str(channels))
    most = {meter: data.draw(QUANTITIES, label=meter) for meter in (*bound.meters, "requests")}
    usage = data.draw(_within(most), label="usage")

    assert bound.nano_usd(most) >= _rated_nano_usd(CATALOG, price, usage, channels=str(channels))


@settings(max_examples=500, deadline=None)
@given(data=st.data(), price=prices, usage=_consistent())
def test_parts_that_are_not_named_may_be_all_of_their_whole(
    data: st.DataObject, price: Price, usage: dict[str, int]
) -> None:
    bound = _bound(CATALOG, price)
    named = data.draw(st.sets(st.sampled_from(sorted(PART_OF))), label="named")
    most = {
        meter: quantity + data.draw(st.sampled_from([0, 0, 1, 1_000]))
        for meter, quantity in usage.items()
        if meter not in PART_OF or meter in named
    }

    assert bound.nano_usd(most) >= _rated_nano_usd(CATALOG, price, usage)


amounts = st.sampled_from(["0", "0.000001", "0.0048", "0.07", "1", "3.33"])
steps = st.lists(st.tuples(st.integers(1, 200), amounts), min_size=1, max_size=3, unique_by=lambda step: step[0])


@st.composite
def _rows(draw: st.DrawFn) -> str:
    """A row of any make: tiers that rise or fall, minimum, increment, channels, a fallback, parts."""
    row = f'meter: session_ms, amount: "{draw(amounts)}", per: {draw(st.integers(1, 70))} ms'
    if draw(st.booleans()):
        row += ", fallback: [socket_open_ms]"
    if draw(st.booleans()):
        row += ", not_billed: [diarize_ms], plus: [keyterm_ms]"
    if draw(st.booleans()):
        row += f", minimum: {draw(st.integers(1, 50))} ms"
    if draw(st.booleans()):
        rounding = draw(st.sampled_from(["up", "down", "nearest"]))
        row += f", increment: {draw(st.integers(2, 50))} ms, rounding: {rounding}"
    if draw(st.booleans()):
        row += ", times: channels"
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["cliff", "graduated"]))
        basis = draw(st.sampled_from(["session_ms", "input_tokens"])) if kind == "cliff" else "session_ms"
        unit = "tokens" if basis == "input_tokens" else "ms"
        listed = ", ".join(f'{{above: {above} {unit}, amount: "{amount}"}}' for above, amount in sorted(draw(steps)))
        row += f", tiers: {{kind: {kind}, basis: {basis}, steps: [{listed}]}}"
    return row


@settings(max_examples=500, deadline=None)
@given(data=st.data(), row=_rows(), channels=st.integers(1, 3))
def test_rows_of_any_make_are_bounded(data: st.DataObject, row: str, channels: int) -> None:
    catalog = catalog_of_row(row)
    price = catalog.prices[0]
    bound = _bound(catalog, price, channels=str(channels))
    most = {meter: data.draw(st.integers(0, 300), label=meter) for meter in bound.meters}
    most["requests"] = data.draw(st.integers(1, 3), label="requests")
    usage = data.draw(_within(most), label="usage")

    assert bound.nano_usd(most) >= _rated_nano_usd(catalog, price, usage, channels=str(channels))


CENT = 10_000_000


@pytest.mark.parametrize(
    ("provider", "model", "most", "nano_usd"),
    [
        # $0.40 and $1.60 per million, and nothing for a cache that only makes it cheaper.
        ("openai", "gpt-4.1-mini", {"input_tokens": 10_000, "output_tokens": 500}, 4_800_000),
        ("openai", "gpt-4.1-mini", {"input_tokens": 9_000, "cache_read_tokens": 9_000, "output_tokens": 0}, 3_600_000),
        ("openai", "gpt-4.1-mini", {"input_tokens": 0, "output_tokens": 0}, 0),
        # All input may be written to the cache that lives an hour, at twice its price, unless we know better.
        ("anthropic", "claude-haiku-4-5", {"input_tokens": 1_000, "output_tokens": 0}, 2_000_000),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"input_tokens": 1_000, "cache_write_tokens": 0, "cache_write_5m_tokens": 400, "cache_write_1h_tokens": 0,
             "output_tokens": 0},
            1_100_000,
        ),
        # Above 100,000 tokens everything costs five times as much.
        (
            "anthropic",
            "claude-haiku-5-5",
            {"input_tokens": 100_000, "cache_write_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0,
             "output_tokens": 100},
            10_050_000,
        ),
        (
            "anthropic",
            "claude-haiku-5-5",
            {"input_tokens": 100_001, "cache_write_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0,
             "output_tokens": 100},
            50_250_500,
        ),
        # A second of speech is billed as ten.
        ("groq", "whisper-large-v3-turbo", {"audio_sent_ms": 1, "requests": 1}, 111_112),
        ("groq", "whisper-large-v3-turbo", {"audio_sent_ms": 1, "requests": 3}, 333_334),
        ("groq", "whisper-large-v3-turbo", {"audio_sent_ms": 0}, 0),
        # A minute of speech, and its add-ons where they may be on; a nano-dollar because lines round.
        ("deepgram", "nova-3", {"audio_sent_ms": 60_000, "diarize_ms": 0, "keyterm_ms": 0}, 4_800_001),
        ("deepgram", "nova-3", {"audio_sent_ms": 60_000}, 8_100_001),
        # A thousand characters at $5 for 100,000 credits.
        ("cartesia", "sonic-3", {"characters_sent": 1_000, "characters_failed": 0}, 5 * CENT),
        # A minute of an open socket.
        ("assemblyai", "universal-streaming", {"session_ms": 60_000, "socket_open_ms": 60_000}, 2_500_000),
        # A minute and a moment on the telephone is two minutes.
        ("twilio", "us-local-inbound", {"participant_ms": 60_001}, 17_000_000),
        # A realtime turn: tokens of unknown kind may all be audio.
        ("openai", "gpt-realtime", {"input_tokens": 1_000, "output_tokens": 100}, 38_400_000),
        (
            "openai",
            "gpt-realtime",
            {"input_tokens": 1_000, "input_audio_tokens": 100, "output_tokens": 100, "output_audio_tokens": 50},
            10_800_000,
        ),
    ],
)  # fmt: skip
def test_bounds_are_what_the_dearest_usage_costs(
    provider: str, model: str, most: Mapping[str, int], nano_usd: int
) -> None:
    assert _of(provider, model).nano_usd(most) == nano_usd


def test_what_is_billed_and_not_named_makes_no_bound() -> None:
    with pytest.raises(UnboundedUsage, match="the price depends on output_tokens; say how much of it may be used"):
        _of("openai", "gpt-4.1-mini").nano_usd({"input_tokens": 10})
    with pytest.raises(UnboundedUsage) as refused:
        _of("openai", "gpt-4.1-mini").nano_usd({"output_tokens": 10})

    assert refused.value.meter == "input_tokens"


def test_an_unnamed_part_of_a_part_is_bounded_by_the_nearest_whole_that_is_named() -> None:
    row = 'meter: cache_read_audio_tokens, amount: "1", per: 1 token'
    bound = _bound(catalog_of_row(row), catalog_of_row(row).prices[0])

    assert bound.nano_usd({"input_tokens": 7}) == 7 * 10**9
    assert bound.nano_usd({"input_tokens": 7, "input_audio_tokens": 3}) == 3 * 10**9


FROM = datetime(2026, 8, 5, tzinfo=UTC)
DATED = f"""
  - model: m
    like: row
    prices:
      - {{meter: session_ms, amount: "3.00", per: 1 hour, effective_to: {FROM:%Y-%m-%dT%H:%M:%SZ}}}
      - {{meter: session_ms, amount: "4.80", per: 1 hour, effective_from: {FROM:%Y-%m-%dT%H:%M:%SZ},
         effective_to: 2026-09-01T00:00:00Z}}
      - {{meter: session_ms, amount: "1.00", per: 1 hour, effective_from: 2026-09-02T00:00:00Z}}
"""


def _dated(since: datetime, until: datetime) -> int | UnratedReason:
    found = catalog_of(DATED).model(provider="acme", model="m", modality="stt")
    assert not isinstance(found, str)
    bound = cost_bound(found, since=since, until=until)
    return bound if isinstance(bound, str) else bound.nano_usd({"session_ms": 3_600_000}) // CENT


def test_a_request_that_may_end_after_a_price_changed_is_bounded_by_the_dearer_price() -> None:
    second = timedelta(seconds=1)

    assert _dated(FROM - 2 * second, FROM - second) == 300
    assert _dated(FROM - 2 * second, FROM) == 480
    assert _dated(FROM, FROM + second) == 480


def test_a_time_without_a_price_makes_no_bound() -> None:
    gap = datetime(2026, 9, 1, tzinfo=UTC)
    second = timedelta(seconds=1)

    assert _dated(gap - second, gap - second) == 480
    assert _dated(gap - second, gap) == "no_price_at_time"
    assert _dated(gap, gap + second) == "no_price_at_time"
    assert _dated(FROM - second, gap + timedelta(days=2)) == "no_price_at_time"
    assert _dated(gap + timedelta(days=1), gap + timedelta(days=900)) == 100


def test_what_the_vendor_may_answer_with_is_bounded_by_the_dearest_of_it() -> None:
    row = '{{meter: audio_sent_ms, amount: "{amount}", per: 1 ms, when: {{tier: {tier}}}}}'
    rows = ", ".join(row.format(amount=amount, tier=tier) for amount, tier in (("1", "normal"), ("2", "fast")))
    found = catalog_of(f"  - {{model: m, like: row, prices: [{rows}]}}\n").model(
        provider="acme", model="m", modality="stt"
    )
    assert not isinstance(found, str)

    bounds = [
        cost_bound(found, since=AT, until=AT, contexts=contexts)
        for contexts in ([{"tier": "normal"}], [{"tier": "normal"}, {"tier": "fast"}], [{}, {"tier": "unheard-of"}])
    ]

    assert [bound if isinstance(bound, str) else bound.nano_usd({"audio_sent_ms": 5}) for bound in bounds] == [
        5 * 10**9,
        10 * 10**9,
        "no_price_for_context",
    ]


def test_every_bound_of_the_catalogue_survives_the_wire_and_is_small() -> None:
    contexts = {(price.provider, price.model, price.modality, price.when): price for price in CATALOG.prices}
    for price in contexts.values():
        bound = _bound(CATALOG, price)
        text = msgspec.json.encode(bound)

        assert msgspec.json.decode(text, type=CostBound) == bound
        assert len(text) < 2_000


def test_a_part_is_counted_in_the_unit_of_its_whole() -> None:
    assert all(METERS[part].unit == METERS[whole].unit for part, whole in PART_OF.items())


def test_what_was_spent_is_rounded_up_to_a_nano_dollar() -> None:
    catalog = catalog_of_row('meter: audio_sent_ms, amount: "0.0000000011", per: 1 ms')
    price = catalog.prices[0]

    assert [_rated_nano_usd(catalog, price, {"audio_sent_ms": ms}) for ms in (0, 1, 10)] == [0, 2, 11]
