"""Nodes with local models: what the operator says they cost, and what requests come to."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest

from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, Rating, RatingRequest, rate
from voicegateway_shared.pricing.nodes import read_nodes

DAY = date(2026, 11, 21)


def rated(nodes: str, model: str, modality: str, usage: Mapping[str, int], *, is_failed: bool = False) -> Rating:
    provider, _, name = model.partition("/")
    request = RatingRequest(
        provider=provider,
        model=name,
        modality=modality,
        at=datetime(2026, 11, 21, tzinfo=UTC),
        usage=usage,
        is_failed=is_failed,
    )
    return rate(request, Catalog.builtin().extended(read_nodes(nodes, stated_on=DAY)))


def test_three_minutes_of_a_slot_cost_their_part_of_the_node() -> None:
    usage = {"audio_sent_ms": 900_000, "audio_pushed_ms": 900_000, "node_busy_ms": 180_000, "requests": 1}
    rating = rated("whisper=0.70/20", "whisper/base.en", "stt", usage)

    assert not rating.is_unrated
    assert [(line.meter, format_usd(line.amount_pico_usd)) for line in rating.lines] == [("node_busy_ms", "0.00175")]
    assert [str(line.price_id).partition("@")[0] for line in rating.lines] == ["whisper/any/node_busy_ms"]


def test_model_with_a_node_of_its_own_costs_that() -> None:
    nodes = "whisper=0.36/1, whisper/large-v3=3.6/1"
    usage = {"node_busy_ms": 1_000}

    assert format_usd(rated(nodes, "whisper/large-v3", "stt", usage).amount_pico_usd) == "0.001"
    assert format_usd(rated(nodes, "whisper/large-v3-turbo", "stt", usage).amount_pico_usd) == "0.0001"


@pytest.mark.parametrize("model", ["kokoro/v1.0", "piper/en_US-lessac-medium"])
def test_voices_are_priced_by_time_and_not_by_text(model: str) -> None:
    usage = {"characters_sent": 500, "characters_pushed": 500, "node_busy_ms": 3_600, "requests": 1}

    assert format_usd(rated("kokoro=1/1,piper=1/1", model, "tts", usage).amount_pico_usd) == "0.001"


def test_without_a_stated_price_a_local_model_is_unrated_and_not_free() -> None:
    rating = rated("kokoro=1/1", "whisper/base", "stt", {"audio_sent_ms": 1_000, "node_busy_ms": 500})

    assert {line.unrated_reason for line in rating.lines} == {"unknown_provider"}


def test_request_that_was_turned_away_costs_nothing() -> None:
    refused = {"characters_pushed": 500, "characters_sent": 0, "node_busy_ms": 0, "requests": 1}

    assert rated("kokoro=1/1", "kokoro/v1.0", "tts", refused, is_failed=True).amount_pico_usd == 0


def test_nothing_stated_is_no_node() -> None:
    assert read_nodes(" , ", stated_on=DAY) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ollama=1/1", "'ollama' is no local engine; known are kokoro, piper, whisper"),
        ("whisper", "must look like whisper=0.70/8"),
        ("whisper=0.70", "must look like whisper=0.70/8"),
        ("whisper=0.70/-1", "must look like whisper=0.70/8"),
        ("whisper=0.70/0", "slots: 0 must be at least 1"),
        ("whisper=free/8", "node_usd_per_hour"),
        ("kokoro=1/1, whisper=-1/8", "node_usd_per_hour"),
        ("whisper=1/1, whisper=2/1", "whisper/any is stated more than once"),
        ("whisper/base=1/1, whisper/base=1/1", "whisper/base is stated more than once"),
    ],
)
def test_text_that_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_nodes(text, stated_on=DAY)
