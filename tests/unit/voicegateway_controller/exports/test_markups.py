"""Markups: the most particular one that holds on the day, exact at every grain, refused when it cannot be meant."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.exports.lines import Line
from voicegateway_controller.exports.markups.definitions import validated
from voicegateway_controller.exports.markups.rules import Pricer, shown_usd

PROVIDERS = frozenset({"deepgram", "openai"})
LINE = Line(
    datetime(2026, 10, 5, tzinfo=UTC), "acme", "a", "deepgram", "nova-3", "stt", "audio_sent_ms", "usage", "p", "",
    "k", "", None, 60_000, 60_000, 4_800_000_000, 4_800_000_000, 1, 0,
)  # fmt: skip


def _priced(document: list[dict[str, Any]], **changes: Any) -> str:
    line = msgspec.structs.replace(LINE, **changes)
    return shown_usd(Pricer(validated(document, providers=PROVIDERS)).charge(line).pico_usd)


SCOPES = [
    {"percent": "10"},
    {"modality": "stt", "percent": "20"},
    {"provider": "deepgram", "percent": "30"},
    {"provider": "deepgram", "model": "nova-3", "percent": "40"},
    {"project": "acme", "percent": "50"},
    {"project": "acme", "provider": "deepgram", "model": "nova-3", "percent": "60"},
]


@pytest.mark.parametrize("count", range(1, 7))
def test_the_more_particular_markup_wins_wherever_it_stands(count: int) -> None:
    want = shown_usd(Fraction(4_800_000_000) * (100 + count * 10) / 100)

    assert _priced(SCOPES[:count]) == _priced(SCOPES[:count][::-1]) == want


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({}, "0.0096"),
        ({"at": datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC)}, "0.0048"),
        ({"at": datetime(2026, 11, 1, tzinfo=UTC)}, "0.0048"),
        ({"kind": "tax"}, "0.0048"),
        ({"pico_usd": -1, "kind": "rerate"}, "-0.000000000002"),
        ({"project": "beta"}, "0.0048"),
    ],
)
def test_a_markup_holds_on_its_days_for_its_project_and_never_on_a_tax(changes: dict[str, Any], price: str) -> None:
    markup = {"project": "acme", "percent": "100", "from": "2026-10-01", "until": "2026-11-01"}

    assert _priced([markup], **changes) == price


def test_a_fixed_price_goes_by_the_quantity_whatever_it_cost_and_a_sum_s_price_is_the_sum_of_its_parts() -> None:
    markups = validated(
        [{"meter": "audio_sent_ms", "price": "0.01", "per": "7 minutes"}, {"modality": "llm", "percent": "12.345678"}],
        providers=PROVIDERS,
    )
    pricer = Pricer(markups)
    parts = [msgspec.structs.replace(LINE, quantity=quantity) for quantity in (1, 999, 60_001)]
    parts += [msgspec.structs.replace(LINE, modality="llm", meter="input_tokens", pico_usd=pico) for pico in (1, 7, -3)]
    speech = msgspec.structs.replace(LINE, quantity=61_001)
    tokens = msgspec.structs.replace(LINE, modality="llm", meter="input_tokens", pico_usd=5)

    assert sum(pricer.charge(part).pico_usd for part in parts) == sum(
        pricer.charge(line).pico_usd for line in (speech, tokens)
    )
    assert pricer.charge(replace_cost(speech)).pico_usd == pricer.charge(speech).pico_usd


def replace_cost(line: Line) -> Line:
    """Return the line at another cost."""
    return msgspec.structs.replace(line, pico_usd=line.pico_usd * 3)


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ({"percent": 20}, "markups[0].percent"),
        ({"percent": "20%"}, "markups[0].percent"),
        ({"percent": "-101"}, "markups[0].percent"),
        ({}, "either percent"),
        ({"percent": "1", "price": "1", "per": "1 minute"}, "either percent"),
        ({"price": "1", "per": "1 minute"}, "needs the meter"),
        ({"meter": "audio_sent_ms", "price": "1", "per": "1 token"}, "markups[0].per"),
        ({"meter": "audio_sent_ms", "price": 1.5, "per": "1 minute"}, "markups[0].price"),
        ({"meter": "audio_sent_ms", "price": "1"}, "markups[0].price"),
        ({"meter": "minutes", "price": "1", "per": "1 minute"}, "markups[0].meter"),
        ({"percent": "1", "per": "1 minute"}, "markups[0].per"),
        ({"provider": "acme-ai", "percent": "1"}, "unknown provider"),
        ({"model": "nova-3", "percent": "1"}, "needs its provider"),
        ({"modality": "speech", "percent": "1"}, "markups[0].modality"),
        ({"percent": "1", "from": "2026-02-30"}, "markups[0].from"),
        ({"percent": "1", "from": "2026-10-01", "until": "2026-10-01"}, "must be after"),
        ({"percent": "1", "minimum": "-1"}, "markups[0].minimum"),
        ({"percent": "1", "minimum": 1}, "markups[0].minimum"),
        ({"percent": "1", "scope": "all"}, "markups[0].scope"),
        ({"percent": "1", "project": "a\x00b"}, "printable"),
        ("20%", "must be a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused(markup: Any, words: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        validated([markup], providers=PROVIDERS)

    assert words in str(refusal.value)


def test_two_markups_of_one_scope_may_follow_each_other_but_not_meet() -> None:
    first = {"project": "acme", "percent": "10", "until": "2026-10-06"}
    second = {"project": "acme", "percent": "20", "from": "2026-10-06"}

    found = validated([first, second], providers=PROVIDERS)

    assert [markup.percent for markup in found] == [10, 20]
    assert not replace(found[0], since=None).holds_on(datetime(2026, 10, 6, tzinfo=UTC).date())
    with pytest.raises(BadRequest, match=r"markups\[1\] and markups\[0\]"):
        validated([first, {**second, "from": "2026-10-05"}], providers=PROVIDERS)
