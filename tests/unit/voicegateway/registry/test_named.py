"""The eleven providers we name: each of their classes from a model string, with what the string says in its place."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from livekit.agents import llm, stt, tts
from livekit.agents.types import NOT_GIVEN
from livekit.plugins import anthropic, assemblyai, cartesia, deepgram, elevenlabs, groq, openai

from voicegateway.registry import fingerprint, key_id_of, provider_of, resolve
from voicegateway.registry.named import NAMED
from voicegateway_shared.usage import Modality

CASES: list[tuple[str, Modality, type[Any], dict[str, Any]]] = [
    ("openai/gpt-4.1-mini", "llm", openai.LLM, {"model": "gpt-4.1-mini"}),
    (
        "openai/gpt-4o-mini-transcribe:de",
        "stt",
        openai.STT,
        {"model": "gpt-4o-mini-transcribe", "_opts.languages": ["de"]},
    ),
    ("openai/gpt-4o-mini-tts:ash", "tts", openai.TTS, {"model": "gpt-4o-mini-tts", "_opts.voice": "ash"}),
    (
        "openai/gpt-realtime:cedar",
        "realtime",
        openai.realtime.RealtimeModel,
        {"model": "gpt-realtime", "_opts.voice": "cedar"},
    ),
    ("deepgram/nova-3:multi", "stt", deepgram.STT, {"model": "nova-3", "_opts.language": "multi"}),
    ("deepgram/nova-3", "stt", deepgram.STT, {"model": "nova-3", "_opts.language": "en-US"}),
    ("deepgram/flux-general-en", "stt", deepgram.STTv2, {"model": "flux-general-en", "_opts.language_hint": []}),
    ("deepgram/flux-general-en:en", "stt", deepgram.STTv2, {"model": "flux-general-en", "_opts.language_hint": []}),
    ("deepgram/flux-general", "stt", deepgram.STTv2, {"model": "flux-general-en"}),
    ("deepgram/flux-general-multi:multi", "stt", deepgram.STTv2, {"_opts.language_hint": []}),
    ("deepgram/flux-general-multi:fr", "stt", deepgram.STTv2, {"_opts.language_hint": ["fr"]}),
    ("deepgram/aura-2-thalia-en", "tts", deepgram.TTS, {"model": "aura-2-thalia-en"}),
    ("deepgram/aura-2:andromeda", "tts", deepgram.TTS, {"model": "aura-2-andromeda-en"}),
    ("deepgram/aura-2:celeste-es", "tts", deepgram.TTS, {"model": "aura-2-celeste-es"}),
    ("deepgram/aura-2", "tts", deepgram.TTS, {"model": "aura-2-andromeda-en"}),
    ("deepgram/flux-alexis-en", "tts", deepgram.TTSv2, {"model": "flux-alexis-en"}),
    ("deepgram/flux:alexis", "tts", deepgram.TTSv2, {"model": "flux-alexis-en"}),
    ("cartesia/ink-2", "stt", cartesia.STT, {"model": "ink-2"}),
    ("cartesia/ink-whisper:de", "stt", cartesia.STT, {"model": "ink-whisper", "_language": "de"}),
    ("cartesia/sonic-3:a-voice", "tts", cartesia.TTS, {"model": "sonic-3", "_opts.voice": "a-voice"}),
    ("anthropic/claude-sonnet-4-6", "llm", anthropic.LLM, {"model": "claude-sonnet-4-6"}),
    ("groq/openai/gpt-oss-120b", "llm", groq.LLM, {"model": "openai/gpt-oss-120b"}),
    ("groq/whisper-large-v3-turbo:de", "stt", groq.STT, {"model": "whisper-large-v3-turbo", "_opts.languages": ["de"]}),
    (
        "groq/canopylabs/orpheus-v1-english:autumn",
        "tts",
        groq.TTS,
        {"model": "canopylabs/orpheus-v1-english", "_opts.voice": "autumn"},
    ),
    ("elevenlabs/scribe_v2_realtime:de", "stt", elevenlabs.STT, {"model": "scribe_v2_realtime"}),
    (
        "elevenlabs/eleven_flash_v2_5:a-voice",
        "tts",
        elevenlabs.TTS,
        {"model": "eleven_flash_v2_5", "_opts.voice_id": "a-voice"},
    ),
    ("assemblyai/universal-streaming:en", "stt", assemblyai.STT, {"model": "universal-streaming-english"}),
    ("assemblyai/universal-streaming", "stt", assemblyai.STT, {"model": "universal-streaming-english"}),
    ("assemblyai/universal-streaming:fr", "stt", assemblyai.STT, {"model": "universal-streaming-multilingual"}),
    ("assemblyai/universal-streaming-multilingual:fr", "stt", assemblyai.STT, {"_opts.language_codes": NOT_GIVEN}),
    ("assemblyai/universal-3-6-pro:fr", "stt", assemblyai.STT, {"_opts.language_codes": ["fr"]}),
    (
        "assemblyai/assemblyai-tts-1:a-voice",
        "tts",
        assemblyai.TTS,
        {"model": "assemblyai-tts-1", "_opts.voice": "a-voice"},
    ),
    ("ollama/qwen3:8b", "llm", openai.LLM, {"model": "qwen3:8b"}),
]
BASES: Mapping[Modality, type[Any]] = {"stt": stt.STT, "llm": llm.LLM, "tts": tts.TTS, "realtime": llm.RealtimeModel}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    for provider in NAMED.values():
        for name in provider.key_variables:
            monkeypatch.setenv(name, f"{provider.name}-key")


@pytest.mark.parametrize(("text", "modality", "cls", "expected"), CASES, ids=[f"{case[1]} {case[0]}" for case in CASES])
async def test_model_string_becomes_the_vendors_own_class(
    text: str, modality: Modality, cls: type[Any], expected: dict[str, Any]
) -> None:
    resolved = resolve(text, modality)

    name = text.partition("/")[0]
    assert type(resolved.plugin) is cls
    assert isinstance(resolved.plugin, BASES[modality])
    assert {path: told(resolved.plugin, path) for path in expected} == expected
    assert str(resolved.model_id) == text
    assert (resolved.key_id, resolved.region) == (
        ("", "localhost:11434") if name == "ollama" else (fingerprint(f"{name}-key"), "")
    )
    # Had somebody else made it, `attach` would say the same of it.
    assert provider_of(resolved.plugin) == name
    assert key_id_of(resolved.plugin, name) == resolved.key_id
    await close(resolved.plugin)


def test_each_provider_with_a_plugin_is_here_with_each_of_its_classes() -> None:
    tried = {(text.partition("/")[0], modality) for text, modality, _, _ in CASES}

    ours = {"whisper", "kokoro", "piper"}
    assert tried == {(name, modality) for name in NAMED if name not in ours for modality in NAMED[name].modalities}
    assert set(NAMED) == {name for name, _ in tried} | ours


async def test_openais_other_language_model_is_asked_for_by_its_api() -> None:
    chat = resolve("openai/gpt-4.1", "llm").plugin
    responses = resolve("openai/gpt-4.1", "llm", api="responses", use_websocket=False).plugin

    assert (type(chat), type(responses)) == (openai.LLM, openai.responses.LLM)
    assert responses.model == "gpt-4.1"
    await close(chat)
    await close(responses)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("", "http://localhost:11434/v1/"),
        ("gpu-1", "http://gpu-1:11434/v1/"),
        ("gpu-1:8000", "http://gpu-1:8000/v1/"),
        ("0.0.0.0", "http://localhost:11434/v1/"),
        ("[::1]:11434", "http://[::1]:11434/v1/"),
        ("https://ollama.example.com", "https://ollama.example.com/v1/"),
        ("http://proxy.example.com:80/ollama/v1/", "http://proxy.example.com/ollama/v1/"),
    ],
)
async def test_ollama_is_where_its_own_variable_says(
    written: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", written)

    plugin = resolve("ollama/llama3.2", "llm").plugin

    assert str(plugin._client.base_url) == address
    await close(plugin)


async def test_ollama_is_where_the_argument_says_before_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "gpu-1")

    resolved = resolve("ollama/llama3.2", "llm", base_url="http://gpu-2:11434/v1")

    assert str(resolved.plugin._client.base_url) == "http://gpu-2:11434/v1/"
    assert resolved.region == "gpu-2:11434"
    await close(resolved.plugin)


class LocalModel:
    """Stands for an engine's class, which loads weights that nobody here has."""

    def __init__(self, *, model: str, language: str | None = None, voice: str | None = None) -> None:
        self.told = (model, language, voice)


@pytest.fixture
def local_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cls, engine in (
        ("whisper", "STT", "faster_whisper"),
        ("kokoro", "TTS", "kokoro_onnx"),
        ("piper", "TTS", "piper"),
    ):
        module = ModuleType(f"voicegateway.local.{name}")
        own = type(cls, (LocalModel,), {"__module__": module.__name__})
        setattr(module, cls, own)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(sys.modules, engine, ModuleType(engine))


@pytest.mark.usefixtures("local_models")
@pytest.mark.parametrize(
    ("text", "modality", "expected"),
    [
        ("whisper/base:de", "stt", ("base", "de", None)),
        ("whisper/large-v3", "stt", ("large-v3", None, None)),
        ("kokoro/v1.0:af_heart", "tts", ("v1.0", None, "af_heart")),
        ("piper/en_US-lessac-medium", "tts", ("en_US-lessac-medium", None, None)),
    ],
)
def test_local_engines_need_no_key_and_are_on_this_machine(text: str, modality: Modality, expected: object) -> None:
    resolved = resolve(text, modality)

    assert resolved.plugin.told == expected
    assert (resolved.key_id, resolved.region) == ("", "localhost")
    assert provider_of(resolved.plugin) == text.partition("/")[0]


def told(plugin: Any, path: str) -> Any:
    for name in path.split("."):
        plugin = getattr(plugin, name)
    return plugin


async def close(plugin: Any) -> None:
    await plugin.aclose()
