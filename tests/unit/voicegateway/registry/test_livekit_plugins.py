"""LiveKit's other plugins: what the registry calls them with, against what the real ones were seen to take.

`tests/fixtures/livekit_plugins.json` was written with the real packages, each plugin made; here stand-ins with the
same signatures take their place.
"""

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from tests.fixtures.livekit_plugins import EXAMPLES, KEY, SNAPSHOT, key_variables, plain

from voicegateway.registry import fingerprint, look, provider_of, resolve
from voicegateway.registry.livekit_plugins import ALIASES, LIVEKIT, NOT_MODELS, guessed
from voicegateway.registry.named import NAMED
from voicegateway.target import model_of
from voicegateway_shared.errors import ConfigurationError, MissingKey, UnknownModel
from voicegateway_shared.usage import Modality

RECORDED = json.loads(SNAPSHOT.read_text())
CALLS: list[dict[str, Any]] = RECORDED["calls"]
UNVERIFIED = {
    # They need Python 3.12.
    ("aws", "stt"), ("aws", "realtime"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in key_variables():
        monkeypatch.setenv(name, KEY)
    for name in ("AZURE_OPENAI_ENDPOINT", "BASETEN_MODEL_ENDPOINT", "GRADIUM_MODEL_ENDPOINT", "MINIMAX_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put stand-ins for all plugins in place; return what they are called with."""
    called: list[dict[str, Any]] = []
    for path in SIGNATURES:
        module_name, _, attributes = path.partition(":")
        holder: Any = sys.modules.get(module_name)
        if holder is None or getattr(holder, "__file__", None):
            holder = ModuleType(module_name)
            monkeypatch.setitem(sys.modules, module_name, holder)
        *around, last = attributes.split(".")
        for name in around:
            if not hasattr(holder, name):
                setattr(holder, name, ModuleType(f"{module_name}.{name}"))
            holder = getattr(holder, name)
        setattr(holder, last, stand_in(path, called))
    sys.modules["livekit.plugins.soniox"].STTOptions = STTOptions  # type: ignore[attr-defined]  # as the real one has
    return called


@dataclass(frozen=True)
class STTOptions:
    """As Soniox's plugin takes its options."""

    model: str
    language_hints: list[str] | None


def signature(described: dict[str, Any]) -> inspect.Signature:
    """Return the signature of a real constructor, as it was written down."""
    return inspect.Signature(
        [
            inspect.Parameter(name.lstrip("*"), inspect.Parameter.VAR_KEYWORD)
            if name.startswith("**")
            else inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if name in described["required"]
                else described["addresses"].get(name, "its default"),
            )
            for name in described["names"]
        ]
    )


SIGNATURES = {path: signature(described) for path, described in RECORDED["classes"].items()}


def stand_in(path: str, called: list[dict[str, Any]]) -> Callable[..., Any]:
    """Return something callable that takes what the real constructor takes, and nothing else."""
    module, _, attributes = path.partition(":")

    def make(**arguments: Any) -> Any:
        SIGNATURES[path].bind(**arguments)
        called.append(plain(arguments))
        return type(attributes.rpartition(".")[2], (), {"__module__": module})()

    make.__signature__ = SIGNATURES[path]  # type: ignore[attr-defined]  # what inspect reads
    make.__module__ = module
    return make


@pytest.mark.parametrize("call", CALLS, ids=[f"{call['modality']} {call['text']} {call['path']}" for call in CALLS])
def test_each_class_is_called_as_the_real_one_was(call: dict[str, Any], plugins: list[dict[str, Any]]) -> None:
    resolved = resolve(call["text"], call["modality"], **call["given"])

    assert plugins == [call["arguments"]]
    assert resolved.region == call["region"]
    assert look(call["text"], call["modality"], call["given"]) is None
    name = ALIASES.get(call["text"].partition("/")[0], call["text"].partition("/")[0])
    assert resolved.model_id.provider == name
    needs_no_key = "credentials_info" in call["given"]
    assert resolved.key_id == ("" if needs_no_key else fingerprint(KEY))
    assert call["path"].startswith("livekit.plugins.openai:") or provider_of(resolved.plugin) == name


def test_each_provider_and_modality_was_tried_with_the_real_plugin() -> None:
    tried = {(ALIASES.get(name, name), call["modality"]) for call in CALLS for name in [call["text"].split("/")[0]]}

    assert tried | UNVERIFIED == {(name, modality) for name in LIVEKIT for modality in LIVEKIT[name].modalities}
    assert [(call["modality"], call["text"], call["given"]) for call in CALLS] == [*EXAMPLES]
    assert RECORDED["version"].startswith("1.8.")


def test_nobody_is_named_twice() -> None:
    names = [*NAMED, *LIVEKIT, *ALIASES]

    assert len(names) == len(set(names))
    assert not NOT_MODELS & {name.replace("-", "_") for name in names}
    assert [*LIVEKIT] == sorted(LIVEKIT)


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("name", [name for name, provider in LIVEKIT.items() if provider.is_key_needed])
def test_missing_key_names_the_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = LIVEKIT[name]
    for variable in provider.key_variables:
        monkeypatch.delenv(variable)

    with pytest.raises(MissingKey) as raised:
        resolve(f"{name}/a-model", provider.modalities[0])

    assert str(raised.value) == f"{name}: no API key; set {' or '.join(provider.key_variables)} or pass api_key=…"


INSTALLED = ("gladia", "hume", "soniox", "xai")


@pytest.mark.parametrize(
    "call",
    [call for call in CALLS if call["text"].partition("/")[0] in INSTALLED],
    ids=lambda call: f"{call['modality']} {call['text']}",
)
async def test_real_plugins_are_made_of_the_same_words(call: dict[str, Any]) -> None:
    provider, _, model = call["text"].partition("/")

    resolved = resolve(call["text"], call["modality"], **call["given"])

    plugin = resolved.plugin
    assert (provider_of(plugin), type(plugin).__name__) == (provider, call["type"])
    assert resolved.key_id == fingerprint(KEY)
    if "model" in call["arguments"]:
        assert plugin.model == model.partition(":")[0]
    await plugin.aclose()


@pytest.mark.parametrize(
    ("text", "modality", "name"),
    [
        # These plugins take no model: its name is ours alone.
        ("xai/stt-1:de", "stt", "stt-1"),
        ("xai/tts-1:ara", "tts", "tts-1"),
        ("gladia/solaria-1", "stt", "solaria-1"),
        ("xai/grok-voice-latest", "realtime", "grok-voice-latest"),
    ],
)
async def test_model_has_a_name_in_the_ledger_also_where_its_plugin_has_none(
    text: str, modality: Modality, name: str
) -> None:
    plugin = resolve(text, modality).plugin

    assert model_of(plugin) == name
    await plugin.aclose()


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("text", "modality"),
    [("gladia/solaria-1", "stt"), ("hume/2", "tts"), ("soniox/tts-rt-v1", "tts"), ("xai/tts-1", "tts")],
)
async def test_what_real_plugins_say_without_their_key_is_understood(
    text: str, modality: Modality, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if nobody had told us of them.
    monkeypatch.setattr("voicegateway.registry.resolving.find_provider", guessed)

    with pytest.raises(MissingKey) as raised:
        resolve(text, modality)

    assert str(raised.value).startswith(f"{text.partition('/')[0]}: ")
    assert raised.value.__cause__ is not None


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, keys: None) -> None:
    for name in key_variables():
        monkeypatch.delenv(name)


def a_plugin_nobody_told_us_of(monkeypatch: pytest.MonkeyPatch, **classes: Any) -> None:
    module = ModuleType("livekit.plugins.brand_new")
    for name, cls in classes.items():
        cls.__module__ = module.__name__
        setattr(module, name, cls)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_plugin_that_nobody_told_us_of_is_found_by_its_name_and_its_usual_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class TTS:
        def __init__(self, *, model: str = "x", speaker: str = "y", api_key: str = "from somewhere") -> None:
            self.told, self._api_key = (model, speaker), api_key

    a_plugin_nobody_told_us_of(monkeypatch, TTS=TTS)

    for text in ("brand-new/one:anna", "brand_new/one:anna"):
        resolved = resolve(text, "tts")

        assert resolved.plugin.told == ("one", "anna")
        assert resolved.model_id.provider == provider_of(resolved.plugin) == "brand-new"
        assert resolved.key_id == fingerprint("from somewhere")
    with pytest.raises(UnknownModel, match=r"^brand-new/one: livekit\.plugins\.brand_new has no STT$"):
        resolve("brand-new/one", "stt")


@pytest.mark.parametrize(
    "said",
    [
        "Rime API key is required, either as argument or set RIME_API_KEY environmental variable",
        "fal AI API key is required. It should be set with env FAL_KEY",
        "CLOVA_STT_SECRET_KEY is not set",
        "Set MICROSOFT_AI_STT_API_KEY or pass its constructor argument",
        "Your default credentials were not found.",
    ],
)
def test_missing_key_of_a_plugin_that_nobody_told_us_of_is_told_in_its_own_words(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LLM:
        def __init__(self, *, model: str) -> None:
            raise LookupError(said)

    a_plugin_nobody_told_us_of(monkeypatch, LLM=LLM)

    with pytest.raises(MissingKey) as raised:
        resolve("brand-new/one", "llm")

    assert said in str(raised.value)
    assert str(raised.value).startswith("brand-new: ")


def test_whatever_else_a_constructor_raises_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class STT:
        def __init__(self, *, model: str) -> None:
            raise LookupError("no microphone on the moon")

    a_plugin_nobody_told_us_of(monkeypatch, STT=STT)

    with pytest.raises(ConfigurationError, match=r"STT refused: no microphone on the moon$") as raised:
        resolve("brand-new/one", "stt")

    assert not isinstance(raised.value, MissingKey)


@pytest.mark.parametrize("text", ["langchain/graph", "silero/vad", "tavus/avatar", "a b/c", "../x/y", "os.path/x"])
def test_what_has_no_models_is_unknown(text: str) -> None:
    with pytest.raises(UnknownModel, match="unknown provider"):
        resolve(text, "llm")
