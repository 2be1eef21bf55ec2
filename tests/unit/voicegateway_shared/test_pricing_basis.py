"""From a raw quantity to a billed one: parts, fallbacks, minimum, increment, channels and tiers."""

import pytest
from tests.unit.voicegateway_shared.acme import PER_MINUTE, catalog_of, catalog_of_row, only_line, rated

from voicegateway_shared.pricing import RatedLine


def test_failed_characters_are_not_billed_but_stay_in_the_quantity() -> None:
    catalog = catalog_of_row(
        'meter: characters_sent, not_billed: [characters_failed], credits: "1.5", per: 1 character'
    )

    line = only_line(rated(catalog, {"characters_sent": 1_000, "characters_failed": 100}, modality="tts"))

    assert (line.quantity, line.billed_quantity) == (1_000, 900)
    assert line.amount_pico_usd == 900 * 15 * 5 * 10**12 // (10 * 100_000)


def test_request_that_failed_altogether_costs_nothing_and_says_so() -> None:
    catalog = catalog_of_row('meter: characters_sent, not_billed: [characters_failed], amount: "1", per: 1 character')

    line = only_line(rated(catalog, {"characters_sent": 40, "characters_failed": 40}, modality="tts", is_failed=True))

    assert (line.quantity, line.billed_quantity, line.amount_pico_usd, line.unrated_reason) == (40, 0, 0, None)


def test_parts_larger_than_their_whole_are_unrated() -> None:
    catalog = catalog_of(
        "  - model: m\n    like: row\n    per: 1 token\n    prices:\n"
        '      - {meter: input_tokens, minus: [cache_read_tokens], amount: "1"}\n'
        '      - {meter: cache_read_tokens, amount: "0.1"}\n'
    )

    rating = rated(catalog, {"input_tokens": 5, "cache_read_tokens": 6}, modality="llm")

    assert [(line.meter, line.amount_pico_usd, line.unrated_reason) for line in rating.lines] == [
        ("input_tokens", 0, "inconsistent_usage"),
        ("cache_read_tokens", 600_000_000_000, None),
    ]
    assert rating.is_unrated


def test_negative_quantity_is_unrated() -> None:
    rating = rated(catalog_of_row(PER_MINUTE), {"audio_sent_ms": -1})

    assert only_line(rating) == RatedLine("audio_sent_ms", 0, 0, 0, 0, None, "inconsistent_usage")


@pytest.mark.parametrize("quantity", [1.0, True, "1", None])
def test_quantity_that_is_no_int_is_a_mistake_of_the_caller(quantity: object) -> None:
    with pytest.raises(ValueError, match="must be an int"):
        rated(catalog_of_row(PER_MINUTE), {"audio_sent_ms": quantity})  # type: ignore[dict-item]  # The point of the test.


@pytest.mark.parametrize(
    ("usage", "meter", "billed"),
    [
        ({"session_ms": 5_000, "socket_open_ms": 9_000}, "session_ms", 5_000),
        ({"socket_open_ms": 9_000}, "socket_open_ms", 9_000),
        ({"session_ms": 0, "socket_open_ms": 9_000}, "socket_open_ms", 9_000),
    ],
)
def test_fallback_meter_stands_in_for_a_missing_one(usage: dict[str, int], meter: str, billed: int) -> None:
    catalog = catalog_of_row('meter: session_ms, fallback: [socket_open_ms], amount: "0.15", per: 1 hour')

    line = only_line(rated(catalog, usage))

    assert (line.meter, line.billed_quantity) == (meter, billed)


# --- minimum, increment, multiplier ---------------------------------------------------------------
@pytest.mark.parametrize(("sent", "billed"), [(1, 10_000), (9_999, 10_000), (10_000, 10_000), (10_001, 10_001)])
def test_minimum_is_billed_for_less(sent: int, billed: int) -> None:
    line = only_line(rated(catalog_of_row(PER_MINUTE + ", minimum: 10 seconds"), {"audio_sent_ms": sent}))

    assert (line.quantity, line.billed_quantity) == (sent, billed)


def test_minimum_is_owed_for_each_of_several_requests() -> None:
    line = only_line(
        rated(catalog_of_row(PER_MINUTE + ", minimum: 10 seconds"), {"audio_sent_ms": 12_000, "requests": 3})
    )

    assert line.billed_quantity == 30_000


def test_minimum_is_not_owed_for_nothing() -> None:
    assert rated(catalog_of_row(PER_MINUTE + ", minimum: 10 seconds"), {"audio_sent_ms": 0}).lines == ()


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("up", [(1, 60_000), (60_000, 60_000), (60_001, 120_000), (90_000, 120_000)]),
        ("down", [(59_999, 0), (60_000, 60_000), (119_999, 60_000)]),
        ("nearest", [(29_999, 0), (30_000, 60_000), (60_001, 60_000), (90_000, 120_000)]),
    ],
)
def test_increment_rounds_the_quantity(rounding: str, expected: list[tuple[int, int]]) -> None:
    catalog = catalog_of_row(PER_MINUTE + f", increment: 1 minute, rounding: {rounding}")

    billed = [(sent, only_line(rated(catalog, {"audio_sent_ms": sent})).billed_quantity) for sent, _ in expected]

    assert billed == expected


@pytest.mark.parametrize(("word", "billed"), [("", 1_000), ("1", 1_000), ("2", 2_000), ("64", 64_000)])
def test_channels_multiply_the_quantity(word: str, billed: int) -> None:
    line = only_line(rated(catalog_of_row(PER_MINUTE + ", times: channels"), {"audio_sent_ms": 1_000}, channels=word))

    assert line.billed_quantity == billed


@pytest.mark.parametrize("word", ["0", "65", "-1", "two", "1.5", "999999999999", "²"])
def test_channels_that_are_no_count_are_unrated(word: str) -> None:
    line = only_line(rated(catalog_of_row(PER_MINUTE + ", times: channels"), {"audio_sent_ms": 1_000}, channels=word))

    assert (line.amount_pico_usd, line.unrated_reason) == (0, "unusable_context")


def test_multiplier_scales_the_amount() -> None:
    line = only_line(rated(catalog_of_row(PER_MINUTE + ', multiplier: "1.30"'), {"audio_sent_ms": 60_000}))

    assert line.amount_pico_usd == 6_240_000_000


# --- tiers ----------------------------------------------------------------------------------------
_STEPS = 'steps: [{above: 100 tokens, amount: "5"}, {above: 200 tokens, amount: "7"}]'


@pytest.mark.parametrize(("tokens", "usd"), [(100, 100), (101, 505), (200, 1_000), (201, 1_407)])
def test_cliff_reprices_the_whole_quantity(tokens: int, usd: int) -> None:
    catalog = catalog_of_row(f'meter: input_tokens, amount: "1", per: 1 token, tiers: {{kind: cliff, {_STEPS}}}')

    rating = rated(catalog, {"input_tokens": tokens}, modality="llm")

    assert rating.amount_pico_usd == usd * 10**12


@pytest.mark.parametrize(("tokens", "usd"), [(100, 100), (101, 105), (200, 600), (201, 607), (300, 1_300)])
def test_graduated_tiers_price_only_what_lies_above(tokens: int, usd: int) -> None:
    catalog = catalog_of_row(f'meter: input_tokens, amount: "1", per: 1 token, tiers: {{kind: graduated, {_STEPS}}}')

    rating = rated(catalog, {"input_tokens": tokens}, modality="llm")

    assert rating.amount_pico_usd == usd * 10**12


def test_cliff_goes_by_its_basis_meter() -> None:
    catalog = catalog_of_row(
        f'meter: output_tokens, amount: "1", per: 1 token, tiers: {{kind: cliff, basis: input_tokens, {_STEPS}}}'
    )

    rating = rated(catalog, {"input_tokens": 101, "output_tokens": 2}, modality="llm")

    assert rating.amount_pico_usd == 10 * 10**12
