"""Arguments: LiveKit Inference's words for what a model is told, in the words of the vendor's own plugin."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from voicegateway.model_id import ModelId
from voicegateway.registry import parameters_of
from voicegateway.registry.arguments import LANGUAGE_NAMES, MODEL_NAMES
from voicegateway.registry.keys import KEY_NAMES
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.usage import Modality

ENCODING: Final = "pcm_s16le"
"""The only encoding LiveKit Inference has."""
RENAMED: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("deepgram", "stt"): {
        "endpointing": "endpointing_ms",
        "diarize": "enable_diarization",
        "tag": "tags",
    },
    ("assemblyai", "stt"): {"min_end_of_turn_silence_when_confident": "min_turn_silence"},
    ("openai", "stt"): {"languages": "language", "noise_reduction": "noise_reduction_type"},
    ("cartesia", "tts"): {"add_timestamps": "word_timestamps"},
    ("openai", "llm"): {"max_tokens": "max_completion_tokens"},
    ("groq", "llm"): {"max_tokens": "max_completion_tokens"},
    ("anthropic", "llm"): {"max_completion_tokens": "max_tokens"},
}
"""Where LiveKit's gateway and the plugin have different names for the same thing."""
_LISTS: Final = frozenset(("tags", "language_codes", "languages"))
_BODY: Final = "extra_body"
"""Where OpenAI's own plugin takes what it has no argument for."""


def plugin_arguments(
    model: str,
    modality: Modality,
    *,
    language: str | None = None,
    sample_rate: int | None = None,
    extra: Mapping[str, Any] | None = None,
    optional: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return keyword arguments for the plugin of a model.

    Args:
        model: As people write it; the name of a chain has no vendor, and gets its words as they are.
        modality: What it does.
        language: For its language argument, whatever the plugin calls it.
        sample_rate: For its argument of that name, if it has one.
        extra: What LiveKit calls `extra_kwargs`.
        optional: By the plugin's names; left out where it has no such argument.

    Raises:
        ConfigurationError: the plugin has no such argument, no such model, or is not installed.
    """
    wanted = {name: value for name, value in (extra or {}).items() if not _says_nothing(value)}
    if "/" not in model:
        given = {"language": language} if language else {}
        return {**given, **wanted}
    model_id = ModelId.parse(model, modality)
    # To read a signature no key is needed.
    parameters = parameters_of(str(model_id), modality, {"api_key": "-"})
    arguments = {name: value for name, value in (optional or {}).items() if name in parameters}
    if sample_rate is not None and "sample_rate" in parameters:
        arguments["sample_rate"] = sample_rate
    if language:
        name = _first(parameters, LANGUAGE_NAMES)
        if name is None:
            raise ConfigurationError(f"{model_id}: its plugin takes no language; leave it out")
        arguments[name] = [language] if name in _LISTS else language
    named, unknown = renamed(model_id.provider, modality, wanted, parameters)
    arguments.update(named)
    if unknown and _BODY in parameters:
        arguments[_BODY] = {**arguments.get(_BODY, {}), **unknown}
    elif unknown:
        raise ConfigurationError(
            f"{model_id}: its plugin takes no {', '.join(sorted(unknown))}; it takes {_listed(parameters)}"
        )
    return arguments


def renamed(
    provider: str, modality: Modality, wanted: Mapping[str, Any], known: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is wanted under the plugin's names, and what it has no name for."""
    names = RENAMED.get((provider, modality), {})
    known = frozenset(known)
    taken: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for name, value in wanted.items():
        theirs = name if name in known else names.get(name, "")
        if theirs not in known:
            unknown[name] = value
        else:
            taken[theirs] = [value] if theirs in _LISTS and isinstance(value, str) else value
    return taken, unknown


def with_variant(model: str, variant: str | None) -> str:
    """Return the model string with a language (stt) or a voice (tts) behind its colon, unless it has one."""
    if not variant or "/" not in model or ":" in model:
        return model
    return f"{model}:{variant}"


def _first(parameters: Iterable[str], names: tuple[str, ...]) -> str | None:
    known = frozenset(parameters)
    return next((name for name in names if name in known), None)


def _says_nothing(value: Any) -> bool:
    """LiveKit sends empty keyterms with every session."""
    return value is None or value == []


def _listed(parameters: Iterable[str]) -> str:
    ours = {"self", *KEY_NAMES, *MODEL_NAMES, "base_url", "http_session", "client"}
    return ", ".join(sorted(name for name in parameters if name not in ours and not name.startswith("_")))
