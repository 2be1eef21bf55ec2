"""Which price holds: by the words of the context, by the plan, and by the instant."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.voicegateway_shared.acme import PER_MINUTE, catalog_of, catalog_of_row, only_line, rated

from voicegateway_shared.pricing import RatedLine

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
    assert rated(catalog_of(_TIERED), {"audio_sent_ms": 60_000}, tier=word).amount_pico_usd == usd * 10**12


def test_unheard_of_context_is_unrated_not_priced_as_another() -> None:
    line = only_line(rated(catalog_of(_TIERED), {"audio_sent_ms": 60_000}, tier="turbo"))

    assert line == RatedLine("audio_sent_ms", 60_000, 0, 0, 0, None, "no_price_for_context")


def test_plan_sets_the_price_of_a_credit() -> None:
    models = '  - {model: m, like: row, prices: [{meter: characters_sent, credits: "1", per: 1 character}]}\n'
    usage = {"characters_sent": 8_000}

    amounts = {
        "file's default": rated(catalog_of(models), usage, modality="tts").amount_pico_usd,
        "operator's default": rated(catalog_of(models, acme="large"), usage, modality="tts").amount_pico_usd,
        "request's own": rated(catalog_of(models, acme="large"), usage, modality="tts", plan="small").amount_pico_usd,
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
    assert rated(catalog_of(_DATED), {"audio_sent_ms": 60_000}, at=at).amount_pico_usd == usd * 10**12


@pytest.mark.parametrize("at", [datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)])
def test_instant_outside_every_window_is_unrated(at: datetime) -> None:
    line = only_line(rated(catalog_of(_DATED), {"audio_sent_ms": 60_000}, at=at))

    assert (line.meter, line.quantity, line.unrated_reason) == ("audio_sent_ms", 60_000, "no_price_at_time")


def test_naive_instant_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="aware"):
        rated(catalog_of_row(PER_MINUTE), {"audio_sent_ms": 1}, at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_endless_contexts_do_not_grow_the_catalogue() -> None:
    catalog = catalog_of(_TIERED)
    for number in range(3_000):
        rated(catalog, {"audio_sent_ms": 1}, tier=f"tier-{number}")

    assert rated(catalog, {"audio_sent_ms": 60_000}, tier="fast").amount_pico_usd == 2 * 10**12
