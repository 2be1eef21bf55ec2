"""Rating: what makes a line, what a line holds, and that nothing without a price looks free."""

import pytest
from tests.unit.voicegateway_shared.acme import AT, HEAD, PER_MINUTE, catalog_of, catalog_of_row, only_line, rated

from voicegateway_shared.pricing import RatedLine, Rating, RatingRequest, rate, read_document


def test_line_holds_quantity_amount_and_price() -> None:
    catalog = catalog_of_row(PER_MINUTE)

    line = only_line(rated(catalog, {"audio_sent_ms": 12_340, "requests": 1}))

    assert line.price_id is not None
    assert line == RatedLine("audio_sent_ms", 12_340, 12_340, 987_200_000, 987_200_000, line.price_id, None)
    price = catalog.price(line.price_id)
    assert price is not None
    assert (price.amount, str(price.per)) == ("0.0048", "1 minute")


def test_informational_meters_make_no_lines() -> None:
    rating = rated(
        catalog_of_row(PER_MINUTE), {"audio_sent_ms": 1, "audio_pushed_ms": 9, "chunks_received": 4, "requests": 1}
    )

    assert [line.meter for line in rating.lines] == ["audio_sent_ms"]


def test_total_is_the_sum_of_rounded_lines() -> None:
    # Each line is 1/3 of a pico-dollar, so each is rounded to 0; the exact sum would round to 1.
    catalog = catalog_of(
        "  - model: m\n    like: row\n    per: 3 tokens\n    prices:\n"
        '      - {meter: input_tokens, amount: "0.000000000001"}\n'
        '      - {meter: output_tokens, amount: "0.000000000001"}\n'
    )

    rating = rated(catalog, {"input_tokens": 1, "output_tokens": 1}, modality="llm")

    assert [line.amount_pico_usd for line in rating.lines] == [0, 0]
    assert rating.amount_pico_usd == 0
    assert rated(catalog, {"input_tokens": 2}, modality="llm").amount_pico_usd == 1


def test_list_amount_is_the_price_without_promotion() -> None:
    line = only_line(rated(catalog_of_row(PER_MINUTE + ', list_amount: "0.0077"'), {"audio_sent_ms": 60_000}))

    assert (line.amount_pico_usd, line.list_amount_pico_usd) == (4_800_000_000, 7_700_000_000)


def test_published_zero_is_a_price() -> None:
    rating = rated(catalog_of_row('meter: audio_sent_ms, amount: "0", per: 1 minute'), {"audio_sent_ms": 60_000})

    assert not rating.is_unrated
    assert only_line(rating).price_id is not None
    assert rating.amount_pico_usd == 0


# --- never a silent zero --------------------------------------------------------------------------
def test_unknown_provider_is_unrated() -> None:
    request = RatingRequest(provider="nobody", model="m", modality="stt", at=AT, usage={"audio_sent_ms": 5})

    assert only_line(rate(request, catalog_of_row(PER_MINUTE))) == RatedLine(
        "audio_sent_ms", 5, 0, 0, 0, None, "unknown_provider"
    )


def test_unknown_model_shows_the_main_meters_used() -> None:
    rating = rated(
        catalog_of_row(PER_MINUTE), {"input_tokens": 7, "output_tokens": 3, "requests": 1}, model="x", modality="llm"
    )

    assert rating.lines == (
        RatedLine("input_tokens", 7, 0, 0, 0, None, "unknown_model"),
        RatedLine("output_tokens", 3, 0, 0, 0, None, "unknown_model"),
    )


def test_model_priced_in_another_modality_only_is_unknown() -> None:
    assert (
        only_line(rated(catalog_of_row(PER_MINUTE), {"requests": 1}, modality="realtime")).unrated_reason
        == "unknown_model"
    )


def test_meter_billed_only_in_another_context_is_unrated() -> None:
    catalog = catalog_of("""
  - model: m
    like: row
    per: 1 minute
    prices:
      - {meter: audio_sent_ms, amount: "1"}
      - {meter: diarize_ms, amount: "1", when: {mode: streaming}}
""")

    rating = rated(catalog, {"audio_sent_ms": 60_000, "diarize_ms": 60_000}, mode="batch")

    assert [(line.meter, line.unrated_reason) for line in rating.lines] == [
        ("audio_sent_ms", None),
        ("diarize_ms", "no_price_for_meter"),
    ]


def test_meter_replaced_by_another_basis_makes_no_line() -> None:
    catalog = catalog_of("""
  - model: m
    like: row
    per: 1 hour
    prices:
      - {meter: session_ms, instead_of: [audio_sent_ms], amount: "0.45", when: {mode: streaming}}
      - {meter: audio_sent_ms, instead_of: [session_ms], amount: "0.21", when: {mode: batch}}
""")
    usage = {"session_ms": 3_600_000, "audio_sent_ms": 3_600_000}

    assert [line.meter for line in rated(catalog, usage).lines] == ["session_ms"]
    assert [line.meter for line in rated(catalog, usage, mode="batch").lines] == ["audio_sent_ms"]


def test_known_model_without_any_billable_meter_is_unrated() -> None:
    rating = rated(catalog_of_row(PER_MINUTE), {"audio_pushed_ms": 900, "requests": 1})

    assert rating.lines == (RatedLine("requests", 1, 0, 0, 0, None, "no_billable_usage"),)


def test_chat_of_zero_tokens_is_unrated() -> None:
    catalog = catalog_of_row('meter: input_tokens, amount: "1", per: 1 token')

    assert only_line(rated(catalog, {"input_tokens": 0}, modality="llm")).unrated_reason == "no_billable_usage"


@pytest.mark.parametrize("usage", [{}, {"requests": 1}, {"audio_sent_ms": 0, "requests": 1}])
def test_failure_that_used_nothing_has_no_lines(usage: dict[str, int]) -> None:
    catalog = catalog_of_row(PER_MINUTE)

    assert rated(catalog, usage, is_failed=True).lines == ()
    assert rated(catalog, usage, is_failed=True, model="x").lines == ()


def test_stream_without_audio_costs_nothing() -> None:
    rating = rated(catalog_of_row(PER_MINUTE), {"audio_sent_ms": 0, "requests": 1})

    assert rating == Rating(())
    assert (rating.amount_pico_usd, rating.is_unrated) == (0, False)


def test_failure_that_used_something_of_an_unknown_model_is_unrated() -> None:
    line = only_line(rated(catalog_of_row(PER_MINUTE), {"audio_sent_ms": 5}, model="x", is_failed=True))

    assert (line.quantity, line.unrated_reason) == (5, "unknown_model")


@pytest.mark.parametrize("quantity", [2**63 - 1, 2**63])
def test_amount_the_ledger_cannot_hold_is_unrated(quantity: int) -> None:
    line = only_line(rated(catalog_of_row('meter: audio_sent_ms, amount: "1", per: 1 ms'), {"audio_sent_ms": quantity}))

    assert (line.amount_pico_usd, line.unrated_reason) == (0, "amount_out_of_range")


def test_quantity_the_ledger_cannot_hold_is_unrated() -> None:
    catalog = catalog_of_row('meter: audio_sent_ms, amount: "0", per: 1 ms, times: channels')

    line = only_line(rated(catalog, {"audio_sent_ms": 2**62}, channels="2"))

    assert (line.billed_quantity, line.unrated_reason) == (0, "amount_out_of_range")


def test_extension_adds_prices_and_leaves_the_original_alone() -> None:
    catalog = catalog_of_row(PER_MINUTE)
    text = HEAD + '  - {model: n, like: row, prices: [{meter: audio_sent_ms, amount: "1", per: 1 minute}]}\n'

    extended = catalog.extended([read_document(text, name="more.yaml")])

    assert rated(extended, {"audio_sent_ms": 60_000}, model="n").amount_pico_usd == 10**12
    assert rated(catalog, {"audio_sent_ms": 60_000}, model="n").is_unrated
    assert extended.version != catalog.version
