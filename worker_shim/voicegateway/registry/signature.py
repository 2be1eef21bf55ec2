"""Signature: which keyword arguments a model's plugin takes. Imports its package, which must be on the main thread."""

import inspect
from collections.abc import Mapping
from typing import Any

from voicegateway.registry.arguments import LANGUAGE_NAMES, MODEL_NAMES, VOICE_NAMES
from voicegateway.registry.keys import CREDENTIAL_NAMES, KEY_NAMES
from voicegateway.registry.region import ADDRESS_NAMES, REGION_NAMES
from voicegateway.registry.resolving import parameters_of
from voicegateway_shared.usage import Modality

VENDORS_OWN = frozenset(
    (*MODEL_NAMES, *VOICE_NAMES, *KEY_NAMES, *CREDENTIAL_NAMES, *ADDRESS_NAMES, *REGION_NAMES, "api")
)
"""Arguments that mean one vendor: its keys, addresses, models and voices."""


def fitting(text: str, modality: Modality, given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some arguments that a model's plugin takes, a language by the name that it has there.

    `options` are the arguments that are meant for this model alone.

    Raises:
        ConfigurationError: the model cannot be resolved.
    """
    parameters = parameters_of(text, modality, options)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    taken = {name: value for name, value in given.items() if name in parameters or takes_any}
    language = given.get("language")
    if language is not None and "language" not in taken:
        name = next((each for each in LANGUAGE_NAMES if each in parameters), None)
        if name is not None:
            taken[name] = [language] if name.endswith("s") and isinstance(language, str) else language
    return taken
