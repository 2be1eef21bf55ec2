"""Looking and listing: what can be said of models and providers without making or importing a plugin."""

import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from voicegateway.registry import look, parameters_of, providers
from voicegateway.registry.listing import ProviderStatus
from voicegateway.registry.livekit_plugins import LIVEKIT
from voicegateway.registry.named import NAMED
from voicegateway_shared.routing import Rejection
from voicegateway_shared.usage import Modality


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in NAMED.values():
        for name in provider.key_variables:
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "modality", "given", "reason", "detail"),
    [
        ("nova-3", "stt", {}, "unknown_model", "'nova-3' is no model: write provider/model"),
        ("acme/one", "llm", {}, "unknown_model", "acme/one: unknown provider 'acme'; known are anthropic, "),
        ("anthropic/claude", "tts", {}, "unknown_model", "anthropic/claude: anthropic has no tts; it does llm"),
        ("asyncai/x", "tts", {"api_key": "k"}, "missing_package",
         "asyncai: its plugin is not installed; pip install 'livekit-plugins-asyncai'"),
        ("groq/whisper", "stt", {}, "missing_key", "groq: no API key; set GROQ_API_KEY or pass api_key=…"),
        ("elevenlabs/eleven_v3", "tts", {"api_key": ""}, "missing_key",
         "elevenlabs: no API key; set ELEVEN_API_KEY or pass api_key=…"),
        ("openai/gpt-4.1", "llm", {"api": "responses"}, "missing_key",
         "openai: no API key; set OPENAI_API_KEY or pass api_key=…"),
    ],
)  # fmt: skip
def test_what_cannot_be_resolved_is_told_with_its_reason(
    text: str, modality: Modality, given: dict[str, Any], reason: str, detail: str
) -> None:
    rejection = look(text, modality, given)

    assert rejection is not None
    assert (rejection.model, rejection.reason) == (text, reason)
    assert rejection.detail.startswith(detail)


@pytest.mark.parametrize(
    ("text", "modality", "given"),
    [
        ("ollama/qwen3:8b", "llm", {}),
        ("groq/whisper", "stt", {"api_key": "k"}),
        ("groq/llama", "llm", {"client": object()}),
        ("azure/gpt-4.1", "llm", {}),
    ],
)
def test_what_needs_no_key_or_brings_it_passes(text: str, modality: Modality, given: dict[str, Any]) -> None:
    assert look(text, modality, given) is None


def test_without_its_engine_a_local_model_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voicegateway.local.whisper", ModuleType("voicegateway.local.whisper"))
    monkeypatch.setitem(sys.modules, "faster_whisper", None)

    assert look("whisper/base", "stt", {}) == Rejection(
        model="whisper/base",
        reason="missing_package",
        detail="whisper: its plugin is not installed; pip install 'voicegateway[whisper]'",
    )


def test_looking_and_listing_import_no_plugin() -> None:
    code = (
        "import json, sys\n"
        "from voicegateway.registry import look, providers\n"
        "look('openai/gpt-4.1', 'llm', {}), look('whisper/base', 'stt', {}), look('rime/arcana', 'tts', {})\n"
        "look('acme/one', 'tts', {}), providers()\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('livekit')]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert set(json.loads(ran.stdout)) <= {"livekit", "livekit.plugins"}


def test_every_provider_is_listed_those_we_name_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a-key")

    listed = providers()

    names = [each.name for each in listed]
    assert names[: len(NAMED)] == [*NAMED]
    assert set(names) >= {*NAMED, *LIVEKIT}
    assert listed[names.index("deepgram")] == ProviderStatus(
        name="deepgram",
        modalities=("stt", "tts"),
        installed=("stt", "tts"),
        has_key=True,
        key_variables=("DEEPGRAM_API_KEY",),
        install="voicegateway[deepgram]",
        source="voicegateway",
    )
    ollama = listed[names.index("ollama")]
    assert (ollama.installed, ollama.has_key) == (("llm",), None)


def run(*words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "voicegateway", "providers", *words],
        capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "DEEPGRAM_API_KEY": "a-key"},
    )  # fmt: skip
    assert ran.stderr == ""
    return ran.stdout


def test_command_prints_what_can_be_used_here_and_what_is_lacking() -> None:
    lines = run().splitlines()

    assert "deepgram      stt, tts" in lines
    assert "ollama        llm" in lines
    assert "groq          stt, llm, tts             set GROQ_API_KEY" in lines
    assert (
        "telnyx        stt, llm, tts             stt, tts: pip install 'livekit-plugins-telnyx'; set TELNYX_API_KEY"
        in lines
    )
    assert not [line for line in lines if line.startswith("asyncai")]


def test_command_prints_all_and_as_json() -> None:
    lacking = "tts: pip install 'livekit-plugins-asyncai'; set ASYNCAI_API_KEY"

    assert f"asyncai       tts                       {lacking}" in run("--all").splitlines()
    assert {each["name"] for each in json.loads(run("--json"))} >= {*NAMED, *LIVEKIT}


def test_parameters_of_a_model_are_those_of_the_class_that_it_gets() -> None:
    given = {"api_key": "k"}

    assert "language" in parameters_of("deepgram/nova-3", "stt", given)
    assert "language_hint" in parameters_of("deepgram/flux-general-en", "stt", given)
    assert "use_websocket" in parameters_of("openai/gpt-4.1", "llm", {"api": "responses", **given})
