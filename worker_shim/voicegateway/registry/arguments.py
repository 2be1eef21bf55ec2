"""Arguments: where a constructor takes the model, the language and the voice, by the names in its signature."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from voicegateway.model_id import ModelId
from voicegateway.registry.provider import PluginClass
from voicegateway_shared.errors import UnknownModel
from voicegateway_shared.usage import Modality

# How plugins name the same parameter; found by reading every livekit-plugins-* constructor of 1.8.
MODEL_NAMES: Final = (
    "model", "model_id", "model_name", "model_version", "recognition_model", "phonic_model", "transcription_engine",
    "speech_engine",
)  # fmt: skip
VOICE_NAMES: Final = ("voice", "voice_id", "voice_name", "speaker", "voice_uuid", "reference_id")
LANGUAGE_NAMES: Final = ("language", "language_codes", "languages", "language_code", "lang_code")


def arguments_for(
    plugin_class: PluginClass,
    made_by: Any,
    parameters: Mapping[str, inspect.Parameter],
    model_id: ModelId,
    modality: Modality,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the constructor is called with; what the caller gave wins over what the model string says.

    Raises:
        UnknownModel: the model string has a language or voice, and the constructor takes none.
    """
    if plugin_class.adapt is not None:
        return {**plugin_class.adapt(model_id, given), **given}
    arguments = dict(given)
    model_name = _first(parameters, MODEL_NAMES)
    if model_name is not None:
        arguments.setdefault(model_name, model_id.model)
    if model_id.variant is not None:
        names = LANGUAGE_NAMES if modality == "stt" else VOICE_NAMES
        name = _first(parameters, names)
        if name is None:
            raise UnknownModel(f"{model_id}: {made_by.__module__} takes no {names[0]}; leave out ':…'")
        arguments.setdefault(name, [model_id.variant] if name.endswith("s") else model_id.variant)
    return arguments


def _first(parameters: Mapping[str, inspect.Parameter], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in parameters), None)
