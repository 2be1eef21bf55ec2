"""Estimates name all that vendors bill, but for what cannot be known before it is sent."""

from collections.abc import Mapping
from datetime import UTC, datetime

from voicegateway_shared.cost_bound import UnboundedUsage
from voicegateway_shared.estimate import most_of_llm, most_of_stt, most_of_tts
from voicegateway_shared.pricing import Catalog, cost_bound

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ESTIMATES: Mapping[str, Mapping[str, int]] = {
    "llm": most_of_llm(input_tokens=2_000, output_tokens_max=500),
    "tts": most_of_tts(characters=200),
    "stt": most_of_stt(audio_ms=60_000, open_ms=70_000, has_diarization=True, has_keyterms=False),
}
TOKENS = {"input_tokens": 1_000, "output_tokens": 1_000}


def _unbounded(more: Mapping[str, int]) -> set[tuple[str, str]]:
    catalog = Catalog.builtin()
    models = {(price.provider, price.model, price.modality) for price in catalog.prices}
    unbounded = set()
    for provider, model, modality in models:
        found = catalog.model(provider=provider, model=model, modality=modality)
        assert not isinstance(found, str)
        bound = cost_bound(found, since=AT, until=AT)
        if isinstance(bound, str) or modality not in ESTIMATES:
            continue
        try:
            bound.nano_usd({**ESTIMATES[modality], **more})
        except UnboundedUsage:
            unbounded.add((provider, model))
    return unbounded


def test_every_model_is_bounded_but_those_that_bill_speech_by_the_token() -> None:
    assert _unbounded({}) == {
        ("openai", "gpt-4o-transcribe"),
        ("openai", "gpt-4o-mini-transcribe"),
        ("openai", "gpt-4o-mini-tts"),
        ("soniox", "stt-async"),
        ("soniox", "stt-rt"),
        ("soniox", "tts-rt"),
    }


def test_those_are_bounded_by_a_number_of_tokens() -> None:
    assert _unbounded(TOKENS) == set()


def test_a_stream_is_bounded_by_its_audio_and_by_its_time() -> None:
    assert ESTIMATES["stt"] == {
        "audio_sent_ms": 60_000,
        "socket_open_ms": 70_000,
        "session_ms": 70_000,
        "diarize_ms": 60_000,
        "keyterm_ms": 0,
        "requests": 1,
    }
