"""Model strings: provider, model and variant, or a sentence that says how to write one."""

import pytest

from voicegateway import UnknownModel
from voicegateway.model_id import ModelId
from voicegateway_shared.usage import Modality


@pytest.mark.parametrize(
    ("text", "modality", "expected"),
    [
        ("deepgram/nova-3", "stt", ModelId("deepgram", "nova-3")),
        ("deepgram/nova-3:multi", "stt", ModelId("deepgram", "nova-3", "multi")),
        (" deepgram/nova-3:en-US ", "stt", ModelId("deepgram", "nova-3", "en-US")),
        ("cartesia/sonic-3:f786b574", "tts", ModelId("cartesia", "sonic-3", "f786b574")),
        ("openai/gpt-4.1-mini", "llm", ModelId("openai", "gpt-4.1-mini")),
        # Open models are named with slashes and colons, which are theirs.
        ("groq/openai/gpt-oss-120b", "llm", ModelId("groq", "openai/gpt-oss-120b")),
        ("ollama/qwen3:8b", "llm", ModelId("ollama", "qwen3:8b")),
        ("whisper//models/mine:de", "stt", ModelId("whisper", "/models/mine", "de")),
        ("openai/gpt-realtime:marin", "realtime", ModelId("openai", "gpt-realtime", "marin")),
        ("x/family:size:de", "stt", ModelId("x", "family:size", "de")),
    ],
)
def test_model_string_is_read_as_livekit_writes_it(text: str, modality: Modality, expected: ModelId) -> None:
    model_id = ModelId.parse(text, modality)

    assert model_id == expected
    assert str(model_id) == text.strip()


@pytest.mark.parametrize("text", ["", "nova-3", "/nova-3", "deepgram/", "deepgram/:en", "deepgram/nova-3:", " / "])
def test_what_is_no_model_string_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UnknownModel) as raised:
        ModelId.parse(text, "stt")

    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)
