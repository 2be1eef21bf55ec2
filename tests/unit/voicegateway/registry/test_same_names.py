"""One id for one provider everywhere: in model strings, in prices, and in declarations of limits and budgets."""

import pytest

from voicegateway.model_id import ModelId
from voicegateway.registry.livekit_plugins import LIVEKIT
from voicegateway.registry.named import NAMED
from voicegateway_controller.catalog import load_catalog
from voicegateway_controller.limits.providers import known_providers
from voicegateway_shared.usage import Modality

NOT_RESOLVED = frozenset({"livekit", "local", "twilio"})
"""Priced, and not in model strings: LiveKit's own inference, the node of a local model, telephony."""


def test_limits_may_name_every_provider() -> None:
    assert {*NAMED, *LIVEKIT} <= known_providers()


def test_prices_are_of_providers_that_model_strings_name() -> None:
    priced = {price.provider for price in load_catalog().prices}

    assert priced - NOT_RESOLVED <= {*NAMED, *LIVEKIT}


@pytest.mark.parametrize(
    ("text", "modality"),
    [
        ("openai/gpt-4.1-mini", "llm"),
        ("openai/gpt-4o-mini-transcribe", "stt"),
        ("openai/gpt-4o-mini-tts", "tts"),
        ("openai/gpt-realtime", "realtime"),
        ("deepgram/nova-3", "stt"),
        ("deepgram/flux-general-en", "stt"),
        ("deepgram/aura-2-andromeda-en", "tts"),
        ("cartesia/ink-2", "stt"),
        ("cartesia/sonic-3", "tts"),
        ("anthropic/claude-sonnet-4-6", "llm"),
        ("groq/openai/gpt-oss-120b", "llm"),
        ("groq/whisper-large-v3-turbo", "stt"),
        ("groq/canopylabs/orpheus-v1-english", "tts"),
        ("elevenlabs/eleven_flash_v2_5", "tts"),
        ("elevenlabs/scribe_v2_realtime", "stt"),
        ("assemblyai/universal-streaming-english", "stt"),
    ],
)
def test_models_that_the_guide_names_have_a_price(text: str, modality: Modality) -> None:
    model_id = ModelId.parse(text, modality)

    found = load_catalog().model(provider=model_id.provider, model=model_id.model, modality=modality)

    assert not isinstance(found, str), found
