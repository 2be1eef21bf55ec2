"""Native: classes whose construction returns a plugin of the vendor, and what such a plugin has of LiveKit's class."""

import inspect
from abc import ABCMeta
from collections.abc import Callable, Mapping
from typing import Any, Final

from voicegateway.inference.arguments import renamed
from voicegateway.model_id import ModelId
from voicegateway.registry.arguments import LANGUAGE_NAMES, MODEL_NAMES, VOICE_NAMES
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.usage import Modality

_MADE_BY: Final = "_voicegateway_inference"


class NativeMade(ABCMeta):
    """Of classes that make other classes' instances: these are theirs too, for `isinstance`."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return getattr(instance, _MADE_BY, None) is cls or super().__instancecheck__(instance)


def made(by: type, plugin: Any, update_options: Callable[..., None]) -> Any:
    """Mark a plugin as made by one of our classes, and give it that class's `update_options`."""
    setattr(plugin, _MADE_BY, by)
    plugin.update_options = update_options
    return plugin


def refuse_subclass(cls: type) -> None:
    """Our classes make the vendors' instances: a subclass's methods would never run.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"{cls.__name__}: voicegateway.inference's classes make the vendors' own plugins and cannot be subclassed; "
        "subclass the vendor's class and give it to voicegateway.attach(session)"
    )


def update(plugin: Any, modality: Modality, names: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Tell a plugin new options by its own `update_options`, under its own names; all or none.

    Args:
        plugin: The native plugin.
        modality: What it does.
        names: Options that are the plugin's own names already, or LiveKit's common ones (`voice`, `language`).
        extra: What LiveKit calls `extra` or `extra_kwargs`.

    Raises:
        ConfigurationError: the plugin cannot change one of them after it was made.
    """
    native = type(plugin).update_options
    known = [name for name in inspect.signature(native).parameters if name != "self"]
    provider = plugin._voicegateway_facts.provider
    aliased = {_alias(name, known): value for name, value in names.items()}
    taken, unknown = renamed(provider, modality, {**aliased, **extra}, known)
    if unknown:
        raise ConfigurationError(
            f"{provider}: {type(plugin).__name__}.update_options takes no {', '.join(sorted(unknown))}; "
            f"it takes {', '.join(known)}; make a new {modality.upper()} for the rest"
        )
    native(plugin, **taken)


def model_of_same_vendor(plugin: Any, model: str, modality: Modality) -> ModelId:
    """Read a model string of the vendor that a plugin is of.

    Raises:
        ConfigurationError: it is another vendor's: a plugin cannot become one of another class.
    """
    model_id = ModelId.parse(model, modality)
    provider = plugin._voicegateway_facts.provider
    if model_id.provider != provider:
        raise ConfigurationError(
            f"{model_id}: this {modality.upper()} is {provider}'s; make a new one, and give it to "
            f"agent.update_options({modality}=…)"
        )
    return model_id


def _alias(name: str, known: list[str]) -> str:
    for names in (MODEL_NAMES, VOICE_NAMES, LANGUAGE_NAMES):
        if name in names and name not in known:
            return next((each for each in names if each in known), name)
    return name
