"""The registry: native plugins from model strings, and for each mistake a line that says what to do."""

import asyncio
import sys

import pytest
from livekit.plugins import cartesia, deepgram, openai

from voicegateway import ConfigurationError, Gateway, MissingKey, MissingPackage, Options, UnknownModel
from voicegateway.model_id import ModelId
from voicegateway.registry import fingerprint, provider_of, resolve
from voicegateway_shared.usage import Modality


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPGRAM", "OPENAI", "CARTESIA"):
        monkeypatch.setenv(f"{name}_API_KEY", f"{name.lower()}-key")


async def test_model_string_becomes_the_vendors_own_plugin() -> None:
    stt, llm, tts = (
        resolve("deepgram/nova-2", "stt"),
        resolve("openai/gpt-4.1", "llm"),
        resolve("cartesia/sonic-2", "tts"),
    )

    assert (type(stt.plugin), stt.plugin.model) == (deepgram.STT, "nova-2")
    assert (type(llm.plugin), llm.plugin.model) == (openai.LLM, "gpt-4.1")
    assert (type(tts.plugin), tts.plugin.model) == (cartesia.TTS, "sonic-2")
    assert stt.model_id == ModelId("deepgram", "nova-2")


async def test_variant_is_a_language_or_a_voice() -> None:
    assert resolve("deepgram/nova-3:multi", "stt").plugin._opts.language == "multi"
    assert resolve("cartesia/ink-whisper:de", "stt").plugin._language == "de"
    assert resolve("cartesia/sonic-3:my-voice", "tts").plugin._opts.voice == "my-voice"
    assert resolve("openai/gpt-4o-mini-tts:ash", "tts").plugin._opts.voice == "ash"


async def test_keyword_arguments_go_to_the_plugin_and_win() -> None:
    stt = resolve("deepgram/nova-3:multi", "stt", language="de", endpointing_ms=77, sample_rate=8000).plugin

    assert (stt._opts.language, stt._opts.endpointing_ms, stt._opts.sample_rate) == ("de", 77, 8000)


async def test_resolving_does_not_open_a_connection_and_needs_no_loop_of_its_own() -> None:
    tts = resolve("cartesia/sonic-3", "tts").plugin

    assert tts._session is None
    assert not tts._pool._connections


@pytest.mark.parametrize(
    ("text", "modality", "message"),
    [
        ("nova-3", "stt", "'nova-3' is no model: write provider/model, for example 'deepgram/nova-3'"),
        (
            "acme/one",
            "llm",
            "acme/one: unknown provider 'acme'; known are anthropic, assemblyai, cartesia, deepgram, elevenlabs, groq, "
            "kokoro, ollama, openai, piper, whisper, and any other whose livekit-plugins-* package is installed",
        ),
        ("cartesia/sonic-3", "llm", "cartesia/sonic-3: cartesia has no llm; it does stt, tts"),
    ],
)
def test_unknown_model_is_one_line_that_names_what_is_known(text: str, modality: Modality, message: str) -> None:
    with pytest.raises(UnknownModel) as raised:
        resolve(text, modality)

    assert str(raised.value) == message


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit.plugins.cartesia", None)

    with pytest.raises(MissingPackage) as raised:
        resolve("cartesia/sonic-3", "tts")

    assert str(raised.value) == ("cartesia: its plugin is not installed; pip install 'voicegateway[cartesia]'")


async def test_plugin_first_imported_off_the_main_thread_says_where_to_import_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("livekit.plugins.cartesia")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(ConfigurationError) as raised:
        await asyncio.to_thread(resolve, "cartesia/sonic-3", "tts")

    assert str(raised.value) == (
        "cartesia: Plugins must be registered on the main thread; "
        "write `import livekit.plugins.cartesia` at the top of the agent's module"
    )


@pytest.mark.parametrize(
    ("text", "modality", "variable"),
    [
        ("deepgram/nova-3", "stt", "DEEPGRAM_API_KEY"),
        ("openai/gpt-4.1", "llm", "OPENAI_API_KEY"),
        ("cartesia/sonic-3", "tts", "CARTESIA_API_KEY"),
    ],
)
def test_missing_key_names_the_variable(
    text: str, modality: Modality, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)

    with pytest.raises(MissingKey) as raised:
        resolve(text, modality)

    assert str(raised.value) == f"{text.partition('/')[0]}: no API key; set {variable} or pass api_key=…"


def test_argument_that_the_plugin_refuses_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^deepgram/nova-3: livekit\.plugins\.deepgram\.stt\.STT refused: .*colour"
    ):
        resolve("deepgram/nova-3", "stt", colour="red")


async def test_fingerprint_tells_keys_apart_and_nothing_else() -> None:
    given = resolve("openai/gpt-4.1", "llm", api_key="sk-secret").key_id
    from_environment = resolve("openai/gpt-4.1", "llm").key_id

    # Stable for good: the ledger holds it.
    assert given == fingerprint("sk-secret") == "bda67e9c6e82"
    assert from_environment == fingerprint("openai-key") != given
    assert fingerprint(None) == fingerprint("") == ""
    assert "secret" not in given


async def test_provider_is_the_plugins_package_not_its_host() -> None:
    llm = openai.LLM(model="gpt-4.1", base_url="http://127.0.0.1:1/v1")

    assert (llm.provider, provider_of(llm)) == ("127.0.0.1:1", "openai")
    assert provider_of(openai.LLM.with_ollama(model="llama3.2")) == "ollama"
    assert provider_of(openai.LLM.with_deepseek(api_key="k")) == "deepseek"
    azure = openai.LLM.with_azure(api_key="k", azure_endpoint="https://mine.openai.azure.com", api_version="preview")
    assert provider_of(azure) == "azure"
    assert provider_of(cartesia.TTS()) == "cartesia"
    assert provider_of(object()) == "unknown"


async def test_gateway_raises_the_same_and_is_none_the_worse(tmp_path: object) -> None:
    gateway = Gateway(Options())

    for wrong in ("acme/one", "one"):
        with pytest.raises(UnknownModel):
            gateway.llm(wrong)
