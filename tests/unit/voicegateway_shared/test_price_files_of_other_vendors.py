"""Price files beside the worked examples: each rate as its vendor writes it, and what is a floor said to be one."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, RatingRequest, rate

_AT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "modality", "usage", "context", "usd"),
    [
        ("telnyx/us-local-inbound", "telephony", {"participant_ms": 125_000}, {}, "0.0096"),
        ("telnyx/us-tollfree-outbound", "telephony", {"participant_ms": 125_000}, {}, "0"),
        ("telnyx/Telnyx.NaturalHD.astra", "tts", {"characters_sent": 1_000}, {}, "0.048"),
        ("telnyx/telnyx", "stt", {"audio_sent_ms": 60_000}, {}, "0.015"),
        ("speechmatics/enhanced", "stt", {"audio_sent_ms": 3_600_000}, {}, "0.43"),
        ("speechmatics/enhanced", "stt", {"audio_sent_ms": 3_600_000}, {"mode": "batch"}, "0.4"),
        ("speechmatics/tts", "tts", {"characters_sent": 1_000}, {}, "0.011"),
        (
            "soniox/stt-rt-v5", "stt",
            {"input_tokens": 31_000, "input_audio_tokens": 30_000, "output_tokens": 15_000}, {}, "0.124",
        ),
        ("soniox/tts-rt-v1", "tts", {"input_tokens": 15_000, "output_audio_tokens": 30_000}, {}, "0.705"),
        ("lmnt/aurora", "tts", {"characters_sent": 1_000}, {}, "0.05"),
        ("lmnt/blizzard", "tts", {"characters_sent": 1_000}, {"plan": "premium"}, "0.035"),
        ("hume/octave-2", "tts", {"characters_sent": 1_000}, {}, "0.15"),
    ],
)  # fmt: skip
def test_a_rate_is_as_published(
    name: str, modality: str, usage: Mapping[str, int], context: Mapping[str, str], usd: str
) -> None:
    provider, _, model = name.partition("/")
    request = RatingRequest(provider=provider, model=model, modality=modality, at=_AT, usage=usage, context=context)

    rating = rate(request, Catalog.builtin())

    assert not rating.is_unrated
    assert format_usd(rating.amount_pico_usd) == usd


def test_floors_are_marked_as_uncertain() -> None:
    legs = [price for price in Catalog.builtin().prices if price.provider == "telnyx" and price.modality == "telephony"]

    assert {price.confidence for price in legs} == {"uncertain"}


@pytest.mark.parametrize("model", ["webrtc-participant", "egress-room-composite"])
def test_what_has_no_published_rate_is_unrated_and_not_free(model: str) -> None:
    request = RatingRequest(
        provider="livekit", model=model, modality="transport", at=_AT, usage={"participant_ms": 60_000}
    )

    assert rate(request, Catalog.builtin()).is_unrated
