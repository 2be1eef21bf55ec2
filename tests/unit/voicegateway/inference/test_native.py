"""What a call in LiveKit Inference's words makes: the vendor's own plugin, told in its own words."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import inference as livekits
from livekit.agents import llm, stt, tts
from livekit.plugins import anthropic, assemblyai, cartesia, deepgram, elevenlabs, groq, openai

from voicegateway import ConfigurationError
from voicegateway.instrument import is_instrumented
from voicegateway.runtime import reset_runtime

inference: Any = importlib.import_module("voicegateway.inference")
"""Type checkers take it for LiveKit's, which is what it is not."""

KEYS = ("DEEPGRAM", "OPENAI", "CARTESIA", "ANTHROPIC", "GROQ", "ELEVEN", "ASSEMBLYAI")


@pytest.fixture(autouse=True)
def vendors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keys for all vendors, and an outbox that nobody else has."""
    for name in KEYS:
        monkeypatch.setenv(f"{name}_API_KEY", "a-key")
    monkeypatch.setenv("VOICEGATEWAY_OUTBOX_DIR", str(tmp_path / "outbox"))
    reset_runtime()
    yield
    reset_runtime()


async def test_plugin_is_the_vendors_and_ours_for_isinstance() -> None:
    heard = inference.STT("deepgram/nova-3:multi")
    thought = inference.LLM("openai/gpt-4.1-mini")
    spoken = inference.TTS("cartesia/sonic-3:a-voice")

    for plugin, classes in (
        (heard, (deepgram.STT, stt.STT, inference.STT)),
        (thought, (openai.LLM, llm.LLM, inference.LLM)),
        (spoken, (cartesia.TTS, tts.TTS, inference.TTS)),
    ):
        assert [isinstance(plugin, each) for each in classes] == [True] * 3
    assert not isinstance(heard, inference.TTS)
    assert not isinstance(openai.LLM(api_key="a-key"), inference.LLM)
    assert not isinstance(heard, livekits.STT)
    assert all(is_instrumented(each) for each in (heard, thought, spoken))
    assert (heard._opts.language, spoken._opts.voice) == ("multi", "a-voice")


async def test_what_is_given_apart_wins_over_the_model_string() -> None:
    assert inference.STT("deepgram/nova-3:multi", language="de")._opts.language == "de"
    assert inference.TTS("cartesia/sonic-3:one", voice="two", language="de")._opts.voice == "two"
    assert inference.TTS("elevenlabs/eleven_flash_v2_5", voice="two")._opts.voice_id == "two"


async def test_vendors_options_are_told_under_the_plugins_names() -> None:
    heard = inference.STT("deepgram/nova-3", extra_kwargs={"endpointing": 300, "diarize": True, "tag": "a"})
    thought = inference.LLM("openai/gpt-4.1", extra_kwargs={"max_tokens": 7, "seed": 3, "temperature": 0.5})
    other = inference.LLM("anthropic/claude-sonnet-4-5", extra_kwargs={"max_completion_tokens": 7})

    assert (heard._opts.endpointing_ms, heard._opts.enable_diarization, heard._opts.tags) == (300, True, ["a"])
    assert (thought._opts.max_completion_tokens, thought._opts.temperature) == (7, 0.5)
    assert thought._opts.extra_body == {"seed": 3}
    assert isinstance(other, anthropic.LLM)
    assert other._opts.max_tokens == 7


async def test_who_serves_a_model_may_be_another_than_who_made_it() -> None:
    assert isinstance(inference.LLM("openai/gpt-oss-120b", provider="groq"), groq.LLM)
    assert isinstance(inference.LLM("groq/llama-3.3-70b-versatile", provider="groq"), groq.LLM)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: inference.STT(), "name a model"),
        (lambda: inference.STT("auto"), "name a model"),
        (lambda: inference.STT("deepgram/nova-3", extra_kwargs={"colour": 1}), "takes no colour; it takes"),
        (lambda: inference.STT("deepgram/nova-3", encoding="opus"), "only pcm_s16le"),
        (lambda: inference.TTS("cartesia/sonic-3", encoding="opus"), "only pcm_s16le"),
        (lambda: inference.LLM("anthropic/claude-sonnet-4-5", extra_kwargs={"seed": 1}), "takes no seed"),
        (lambda: inference.LLM("nobody/knows-it"), "nobody"),
    ],
)
async def test_what_cannot_be_told_is_refused_in_words(make: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


async def test_fallbacks_stand_behind_the_first_with_options_of_their_own() -> None:
    heard = inference.STT(
        "deepgram/nova-3:de",
        extra_kwargs={"endpointing": 300},
        fallback=[{"model": "assemblyai/u3-rt-pro", "extra_kwargs": {"max_turn_silence": 500}}, "deepgram/nova-2"],
    )
    spoken = inference.TTS("cartesia/sonic-3:one", fallback={"model": "elevenlabs/eleven_flash_v2_5", "voice": "two"})
    members = [member.plugin for member in heard._voicegateway_route.members]
    voices = [member.plugin for member in spoken._voicegateway_route.members]

    assert [type(each).__mro__[1] for each in members] == [deepgram.STT, assemblyai.STT, deepgram.STT]
    assert members[1]._opts.max_turn_silence == 500
    assert [type(each).__mro__[1] for each in voices] == [cartesia.TTS, elevenlabs.TTS]
    assert voices[1]._opts.voice_id == "two"


async def test_options_change_as_the_plugin_itself_changes_them() -> None:
    heard = inference.STT("deepgram/nova-3")
    heard.update_options(model="deepgram/nova-2:de", extra={"endpointing": 50})
    spoken = inference.TTS("elevenlabs/eleven_flash_v2_5:one")
    spoken.update_options(voice="two", model="elevenlabs/eleven_v3")
    # What the plugin calls by itself, in its own words, works as before.
    heard.update_options(keyterm="LiveKit")

    assert (heard._opts.model, heard._opts.language, heard._opts.endpointing_ms) == ("nova-2", "de", 50)
    assert (spoken._opts.voice_id, spoken._opts.model) == ("two", "eleven_v3")
    assert heard._opts.keyterm == ["LiveKit"]


async def test_language_models_read_what_was_changed_and_extra_replaces() -> None:
    thought = inference.LLM("openai/gpt-4.1", extra_kwargs={"temperature": 0.5, "seed": 3})
    thought.update_options(model="openai/gpt-4.1-mini", extra_kwargs={"top_p": 0.9})
    once = (thought._opts.model, thought._opts.top_p, thought._opts.temperature, thought._opts.extra_body)
    thought.update_options(extra_kwargs={})

    assert once[:2] == ("gpt-4.1-mini", 0.9)
    assert not any(once[2:])
    assert not thought._opts.top_p


@pytest.mark.parametrize(
    "change",
    [
        lambda: inference.STT("deepgram/nova-3").update_options(model="cartesia/ink-2"),
        lambda: inference.STT("deepgram/nova-3").update_options(extra={"colour": 1}),
        lambda: inference.TTS("cartesia/sonic-3").update_options(model="elevenlabs/eleven_v3"),
        lambda: inference.TTS("cartesia/sonic-3").update_options(extra_kwargs={"colour": 1}),
        lambda: inference.LLM("openai/gpt-4.1").update_options(model="groq/llama-3.3-70b-versatile"),
        lambda: inference.LLM("anthropic/claude-sonnet-4-5").update_options(extra_kwargs={"seed": 1}),
    ],
)
async def test_change_that_the_plugin_cannot_make_is_refused(change: Any) -> None:
    with pytest.raises(ConfigurationError):
        change()


async def test_string_of_a_realtime_model_makes_the_vendors_realtime_model() -> None:
    made = inference.llm_from_model_string("openai/gpt-realtime")

    assert isinstance(made, openai.realtime.RealtimeModel)
    assert is_instrumented(made)
    assert isinstance(inference.llm_from_model_string("openai/gpt-4.1"), openai.LLM)


def test_classes_that_make_others_cannot_be_subclassed() -> None:
    with pytest.raises(TypeError, match="cannot be subclassed"):
        type("Mine", (inference.STT,), {})
