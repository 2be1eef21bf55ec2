"""Rating: what makes a line, what a line holds, and that nothing without a price looks free."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest

from voicegateway_shared.pricing import Catalog, RatedLine, Rating, RatingRequest, rate, read_document

_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_HEAD = """
provider: acme
recorded_at: 2026-11-21T00:00:00Z
sources: {page: {url: "https://acme.example/pricing", read_on: 2026-11-21}}
context:
  tier: {default: normal, values: {normal: [standard], fast: []}}
  mode: {default: streaming, values: {streaming: [], batch: []}}
  plan: {default: small, values: {small: [], large: []}}
credit_plans:
  - {plan: small, amount: "5", per: 100_000 credits, source: page}
  - {plan: large, amount: "299", per: 8_000_000 credits, source: page}
defaults:
  row: {modality: [stt, tts, llm], source: page, confidence: published}
models:
"""


def _catalog(models: str, **plans: str) -> Catalog:
    return Catalog.from_texts({"acme.yaml": _HEAD + models}, plans=plans or None)


def _rate(
    catalog: Catalog,
    usage: Mapping[str, int],
    *,
    model: str = "m",
    modality: str = "stt",
    at: datetime = _AT,
    is_failed: bool = False,
    **context: str,
) -> Rating:
    request = RatingRequest(
        provider="acme", model=model, modality=modality, at=at, usage=usage, context=context, is_failed=is_failed
    )
    return rate(request, catalog)


def _one(rating: Rating) -> RatedLine:
    (line,) = rating.lines
    return line


def _row(fields: str) -> Catalog:
    return _catalog(f"  - {{model: m, like: row, prices: [{{{fields}}}]}}\n")


_PER_MINUTE = 'meter: audio_sent_ms, amount: "0.0048", per: 1 minute'


def test_line_holds_quantity_amount_and_price() -> None:
    catalog = _row(_PER_MINUTE)

    line = _one(_rate(catalog, {"audio_sent_ms": 12_340, "requests": 1}))

    assert line.price_id is not None
    assert line == RatedLine("audio_sent_ms", 12_340, 12_340, 987_200_000, 987_200_000, line.price_id, None)
    price = catalog.price(line.price_id)
    assert price is not None
    assert (price.amount, str(price.per)) == ("0.0048", "1 minute")


def test_informational_meters_make_no_lines() -> None:
    rating = _rate(_row(_PER_MINUTE), {"audio_sent_ms": 1, "audio_pushed_ms": 9, "chunks_received": 4, "requests": 1})

    assert [line.meter for line in rating.lines] == ["audio_sent_ms"]


def test_total_is_the_sum_of_rounded_lines() -> None:
    # Each line is 1/3 of a pico-dollar, so each is rounded to 0; the exact sum would round to 1.
    catalog = _catalog(
        "  - model: m\n    like: row\n    per: 3 tokens\n    prices:\n"
        '      - {meter: input_tokens, amount: "0.000000000001"}\n'
        '      - {meter: output_tokens, amount: "0.000000000001"}\n'
    )

    rating = _rate(catalog, {"input_tokens": 1, "output_tokens": 1}, modality="llm")

    assert [line.amount_pico_usd for line in rating.lines] == [0, 0]
    assert rating.amount_pico_usd == 0
    assert _rate(catalog, {"input_tokens": 2}, modality="llm").amount_pico_usd == 1


def test_list_amount_is_the_price_without_promotion() -> None:
    line = _one(_rate(_row(_PER_MINUTE + ', list_amount: "0.0077"'), {"audio_sent_ms": 60_000}))

    assert (line.amount_pico_usd, line.list_amount_pico_usd) == (4_800_000_000, 7_700_000_000)


def test_published_zero_is_a_price() -> None:
    rating = _rate(_row('meter: audio_sent_ms, amount: "0", per: 1 minute'), {"audio_sent_ms": 60_000})

    assert not rating.is_unrated
    assert _one(rating).price_id is not None
    assert rating.amount_pico_usd == 0


# --- basis ----------------------------------------------------------------------------------------
def test_failed_characters_are_not_billed_but_stay_in_the_quantity() -> None:
    catalog = _row('meter: characters_sent, not_billed: [characters_failed], credits: "1.5", per: 1 character')

    line = _one(_rate(catalog, {"characters_sent": 1_000, "characters_failed": 100}, modality="tts"))

    assert (line.quantity, line.billed_quantity) == (1_000, 900)
    assert line.amount_pico_usd == 900 * 15 * 5 * 10**12 // (10 * 100_000)


def test_request_that_failed_altogether_costs_nothing_and_says_so() -> None:
    catalog = _row('meter: characters_sent, not_billed: [characters_failed], amount: "1", per: 1 character')

    line = _one(_rate(catalog, {"characters_sent": 40, "characters_failed": 40}, modality="tts", is_failed=True))

    assert (line.quantity, line.billed_quantity, line.amount_pico_usd, line.unrated_reason) == (40, 0, 0, None)


def test_parts_larger_than_their_whole_are_unrated() -> None:
    catalog = _catalog(
        "  - model: m\n    like: row\n    per: 1 token\n    prices:\n"
        '      - {meter: input_tokens, minus: [cache_read_tokens], amount: "1"}\n'
        '      - {meter: cache_read_tokens, amount: "0.1"}\n'
    )

    rating = _rate(catalog, {"input_tokens": 5, "cache_read_tokens": 6}, modality="llm")

    assert [(line.meter, line.amount_pico_usd, line.unrated_reason) for line in rating.lines] == [
        ("input_tokens", 0, "inconsistent_usage"),
        ("cache_read_tokens", 600_000_000_000, None),
    ]
    assert rating.is_unrated


def test_negative_quantity_is_unrated() -> None:
    rating = _rate(_row(_PER_MINUTE), {"audio_sent_ms": -1})

    assert _one(rating) == RatedLine("audio_sent_ms", 0, 0, 0, 0, None, "inconsistent_usage")


@pytest.mark.parametrize("quantity", [1.0, True, "1", None])
def test_quantity_that_is_no_int_is_a_mistake_of_the_caller(quantity: object) -> None:
    with pytest.raises(ValueError, match="must be an int"):
        _rate(_row(_PER_MINUTE), {"audio_sent_ms": quantity})  # type: ignore[dict-item]  # The point of the test.


@pytest.mark.parametrize(
    ("usage", "meter", "billed"),
    [
        ({"session_ms": 5_000, "socket_open_ms": 9_000}, "session_ms", 5_000),
        ({"socket_open_ms": 9_000}, "socket_open_ms", 9_000),
        ({"session_ms": 0, "socket_open_ms": 9_000}, "socket_open_ms", 9_000),
    ],
)
def test_fallback_meter_stands_in_for_a_missing_one(usage: dict[str, int], meter: str, billed: int) -> None:
    catalog = _row('meter: session_ms, fallback: [socket_open_ms], amount: "0.15", per: 1 hour')

    line = _one(_rate(catalog, usage))

    assert (line.meter, line.billed_quantity) == (meter, billed)


# --- minimum, increment, multiplier ---------------------------------------------------------------
@pytest.mark.parametrize(("sent", "billed"), [(1, 10_000), (9_999, 10_000), (10_000, 10_000), (10_001, 10_001)])
def test_minimum_is_billed_for_less(sent: int, billed: int) -> None:
    line = _one(_rate(_row(_PER_MINUTE + ", minimum: 10 seconds"), {"audio_sent_ms": sent}))

    assert (line.quantity, line.billed_quantity) == (sent, billed)


def test_minimum_is_owed_for_each_of_several_requests() -> None:
    line = _one(_rate(_row(_PER_MINUTE + ", minimum: 10 seconds"), {"audio_sent_ms": 12_000, "requests": 3}))

    assert line.billed_quantity == 30_000


def test_minimum_is_not_owed_for_nothing() -> None:
    assert _rate(_row(_PER_MINUTE + ", minimum: 10 seconds"), {"audio_sent_ms": 0}).lines == ()


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("up", [(1, 60_000), (60_000, 60_000), (60_001, 120_000), (90_000, 120_000)]),
        ("down", [(59_999, 0), (60_000, 60_000), (119_999, 60_000)]),
        ("nearest", [(29_999, 0), (30_000, 60_000), (60_001, 60_000), (90_000, 120_000)]),
    ],
)
def test_increment_rounds_the_quantity(rounding: str, expected: list[tuple[int, int]]) -> None:
    catalog = _row(_PER_MINUTE + f", increment: 1 minute, rounding: {rounding}")

    billed = [(sent, _one(_rate(catalog, {"audio_sent_ms": sent})).billed_quantity) for sent, _ in expected]

    assert billed == expected


@pytest.mark.parametrize(("word", "billed"), [("", 1_000), ("1", 1_000), ("2", 2_000), ("64", 64_000)])
def test_channels_multiply_the_quantity(word: str, billed: int) -> None:
    line = _one(_rate(_row(_PER_MINUTE + ", times: channels"), {"audio_sent_ms": 1_000}, channels=word))

    assert line.billed_quantity == billed


@pytest.mark.parametrize("word", ["0", "65", "-1", "two", "1.5", "999999999999", "²"])
def test_channels_that_are_no_count_are_unrated(word: str) -> None:
    line = _one(_rate(_row(_PER_MINUTE + ", times: channels"), {"audio_sent_ms": 1_000}, channels=word))

    assert (line.amount_pico_usd, line.unrated_reason) == (0, "unusable_context")


def test_multiplier_scales_the_amount() -> None:
    line = _one(_rate(_row(_PER_MINUTE + ', multiplier: "1.30"'), {"audio_sent_ms": 60_000}))

    assert line.amount_pico_usd == 6_240_000_000


# --- tiers ----------------------------------------------------------------------------------------
_STEPS = 'steps: [{above: 100 tokens, amount: "5"}, {above: 200 tokens, amount: "7"}]'


@pytest.mark.parametrize(("tokens", "usd"), [(100, 100), (101, 505), (200, 1_000), (201, 1_407)])
def test_cliff_reprices_the_whole_quantity(tokens: int, usd: int) -> None:
    catalog = _row(f'meter: input_tokens, amount: "1", per: 1 token, tiers: {{kind: cliff, {_STEPS}}}')

    rating = _rate(catalog, {"input_tokens": tokens}, modality="llm")

    assert rating.amount_pico_usd == usd * 10**12


@pytest.mark.parametrize(("tokens", "usd"), [(100, 100), (101, 105), (200, 600), (201, 607), (300, 1_300)])
def test_graduated_tiers_price_only_what_lies_above(tokens: int, usd: int) -> None:
    catalog = _row(f'meter: input_tokens, amount: "1", per: 1 token, tiers: {{kind: graduated, {_STEPS}}}')

    rating = _rate(catalog, {"input_tokens": tokens}, modality="llm")

    assert rating.amount_pico_usd == usd * 10**12


def test_cliff_goes_by_its_basis_meter() -> None:
    catalog = _row(
        f'meter: output_tokens, amount: "1", per: 1 token, tiers: {{kind: cliff, basis: input_tokens, {_STEPS}}}'
    )

    rating = _rate(catalog, {"input_tokens": 101, "output_tokens": 2}, modality="llm")

    assert rating.amount_pico_usd == 10 * 10**12


# --- context and time -----------------------------------------------------------------------------
_TIERED = """
  - model: m
    like: row
    per: 1 minute
    prices:
      - {meter: audio_sent_ms, amount: "1", when: {tier: normal}}
      - {meter: audio_sent_ms, amount: "2", when: {tier: fast}}
"""


@pytest.mark.parametrize(("word", "usd"), [("", 1), ("normal", 1), ("Standard ", 1), ("fast", 2)])
def test_context_selects_the_price(word: str, usd: int) -> None:
    assert _rate(_catalog(_TIERED), {"audio_sent_ms": 60_000}, tier=word).amount_pico_usd == usd * 10**12


def test_unheard_of_context_is_unrated_not_priced_as_another() -> None:
    line = _one(_rate(_catalog(_TIERED), {"audio_sent_ms": 60_000}, tier="turbo"))

    assert line == RatedLine("audio_sent_ms", 60_000, 0, 0, 0, None, "no_price_for_context")


def test_plan_sets_the_price_of_a_credit() -> None:
    models = '  - {model: m, like: row, prices: [{meter: characters_sent, credits: "1", per: 1 character}]}\n'
    usage = {"characters_sent": 8_000}

    amounts = {
        "file's default": _rate(_catalog(models), usage, modality="tts").amount_pico_usd,
        "operator's default": _rate(_catalog(models, acme="large"), usage, modality="tts").amount_pico_usd,
        "request's own": _rate(_catalog(models, acme="large"), usage, modality="tts", plan="small").amount_pico_usd,
    }

    assert amounts == {
        "file's default": 400_000_000_000,
        "operator's default": 299_000_000_000,
        "request's own": 400_000_000_000,
    }


_DATED = """
  - model: m
    like: row
    per: 1 minute
    prices:
      - {meter: audio_sent_ms, amount: "1", effective_from: 2026-01-01T00:00:00Z, effective_to: 2026-06-01T07:00:00Z}
      - {meter: audio_sent_ms, amount: "2", effective_from: 2026-06-01T07:00:00Z, effective_to: 2027-01-01T00:00:00Z}
"""


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), 1),
        (datetime(2026, 6, 1, 6, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2026, 6, 1, 7, tzinfo=UTC), 2),
        (datetime(2026, 6, 1, 9, tzinfo=timezone(timedelta(hours=2))), 2),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 2),
    ],
)
def test_instant_selects_the_price(at: datetime, usd: int) -> None:
    assert _rate(_catalog(_DATED), {"audio_sent_ms": 60_000}, at=at).amount_pico_usd == usd * 10**12


@pytest.mark.parametrize("at", [datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)])
def test_instant_outside_every_window_is_unrated(at: datetime) -> None:
    line = _one(_rate(_catalog(_DATED), {"audio_sent_ms": 60_000}, at=at))

    assert (line.meter, line.quantity, line.unrated_reason) == ("audio_sent_ms", 60_000, "no_price_at_time")


def test_naive_instant_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="aware"):
        _rate(_row(_PER_MINUTE), {"audio_sent_ms": 1}, at=datetime(2026, 1, 1))  # noqa: DTZ001


# --- never a silent zero --------------------------------------------------------------------------
def test_unknown_provider_is_unrated() -> None:
    request = RatingRequest(provider="nobody", model="m", modality="stt", at=_AT, usage={"audio_sent_ms": 5})

    assert _one(rate(request, _row(_PER_MINUTE))) == RatedLine("audio_sent_ms", 5, 0, 0, 0, None, "unknown_provider")


def test_unknown_model_shows_the_main_meters_used() -> None:
    rating = _rate(_row(_PER_MINUTE), {"input_tokens": 7, "output_tokens": 3, "requests": 1}, model="x", modality="llm")

    assert rating.lines == (
        RatedLine("input_tokens", 7, 0, 0, 0, None, "unknown_model"),
        RatedLine("output_tokens", 3, 0, 0, 0, None, "unknown_model"),
    )


def test_model_priced_in_another_modality_only_is_unknown() -> None:
    assert _one(_rate(_row(_PER_MINUTE), {"requests": 1}, modality="realtime")).unrated_reason == "unknown_model"


def test_meter_billed_only_in_another_context_is_unrated() -> None:
    catalog = _catalog("""
  - model: m
    like: row
    per: 1 minute
    prices:
      - {meter: audio_sent_ms, amount: "1"}
      - {meter: diarize_ms, amount: "1", when: {mode: streaming}}
""")

    rating = _rate(catalog, {"audio_sent_ms": 60_000, "diarize_ms": 60_000}, mode="batch")

    assert [(line.meter, line.unrated_reason) for line in rating.lines] == [
        ("audio_sent_ms", None),
        ("diarize_ms", "no_price_for_meter"),
    ]


def test_meter_replaced_by_another_basis_makes_no_line() -> None:
    catalog = _catalog("""
  - model: m
    like: row
    per: 1 hour
    prices:
      - {meter: session_ms, instead_of: [audio_sent_ms], amount: "0.45", when: {mode: streaming}}
      - {meter: audio_sent_ms, instead_of: [session_ms], amount: "0.21", when: {mode: batch}}
""")
    usage = {"session_ms": 3_600_000, "audio_sent_ms": 3_600_000}

    assert [line.meter for line in _rate(catalog, usage).lines] == ["session_ms"]
    assert [line.meter for line in _rate(catalog, usage, mode="batch").lines] == ["audio_sent_ms"]


def test_known_model_without_any_billable_meter_is_unrated() -> None:
    rating = _rate(_row(_PER_MINUTE), {"audio_pushed_ms": 900, "requests": 1})

    assert rating.lines == (RatedLine("requests", 1, 0, 0, 0, None, "no_billable_usage"),)


def test_chat_of_zero_tokens_is_unrated() -> None:
    catalog = _row('meter: input_tokens, amount: "1", per: 1 token')

    assert _one(_rate(catalog, {"input_tokens": 0}, modality="llm")).unrated_reason == "no_billable_usage"


@pytest.mark.parametrize("usage", [{}, {"requests": 1}, {"audio_sent_ms": 0, "requests": 1}])
def test_failure_that_used_nothing_has_no_lines(usage: dict[str, int]) -> None:
    catalog = _row(_PER_MINUTE)

    assert _rate(catalog, usage, is_failed=True).lines == ()
    assert _rate(catalog, usage, is_failed=True, model="x").lines == ()


def test_stream_without_audio_costs_nothing() -> None:
    rating = _rate(_row(_PER_MINUTE), {"audio_sent_ms": 0, "requests": 1})

    assert rating == Rating(())
    assert (rating.amount_pico_usd, rating.is_unrated) == (0, False)


def test_failure_that_used_something_of_an_unknown_model_is_unrated() -> None:
    line = _one(_rate(_row(_PER_MINUTE), {"audio_sent_ms": 5}, model="x", is_failed=True))

    assert (line.quantity, line.unrated_reason) == (5, "unknown_model")


@pytest.mark.parametrize("quantity", [2**63 - 1, 2**63])
def test_amount_the_ledger_cannot_hold_is_unrated(quantity: int) -> None:
    line = _one(_rate(_row('meter: audio_sent_ms, amount: "1", per: 1 ms'), {"audio_sent_ms": quantity}))

    assert (line.amount_pico_usd, line.unrated_reason) == (0, "amount_out_of_range")


def test_quantity_the_ledger_cannot_hold_is_unrated() -> None:
    catalog = _row('meter: audio_sent_ms, amount: "0", per: 1 ms, times: channels')

    line = _one(_rate(catalog, {"audio_sent_ms": 2**62}, channels="2"))

    assert (line.billed_quantity, line.unrated_reason) == (0, "amount_out_of_range")


def test_endless_contexts_do_not_grow_the_catalogue() -> None:
    catalog = _catalog(_TIERED)
    for number in range(3_000):
        _rate(catalog, {"audio_sent_ms": 1}, tier=f"tier-{number}")

    assert _rate(catalog, {"audio_sent_ms": 60_000}, tier="fast").amount_pico_usd == 2 * 10**12


def test_extension_adds_prices_and_leaves_the_original_alone() -> None:
    catalog = _row(_PER_MINUTE)
    text = _HEAD + '  - {model: n, like: row, prices: [{meter: audio_sent_ms, amount: "1", per: 1 minute}]}\n'

    extended = catalog.extended([read_document(text, name="more.yaml")])

    assert _rate(extended, {"audio_sent_ms": 60_000}, model="n").amount_pico_usd == 10**12
    assert _rate(catalog, {"audio_sent_ms": 60_000}, model="n").is_unrated
    assert extended.version != catalog.version
