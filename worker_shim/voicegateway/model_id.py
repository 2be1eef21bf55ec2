"""Model strings as LiveKit writes them: `deepgram/nova-3:multi`, `cartesia/sonic-3:<voice>`."""

from dataclasses import dataclass
from typing import Any, Final

from voicegateway_shared.errors import UnknownModel
from voicegateway_shared.usage import Modality


@dataclass(frozen=True, slots=True)
class ModelId:
    """A parsed model string: provider, the vendor's own model name, and the variant after the last colon."""

    provider: str
    model: str
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}" + (f":{self.variant}" if self.variant else "")

    @classmethod
    def parse(cls, text: str, modality: Modality) -> "ModelId":
        """Split `provider/model[:variant]` at the first slash and the last colon.

        The variant is a language for stt and a voice for tts; an llm's colon belongs to its name (`qwen3:8b`).

        Raises:
            UnknownModel: there is no provider or no model in it.
        """
        provider, slash, rest = text.strip().partition("/")
        if not slash or not provider or not rest:
            raise UnknownModel(f"{text!r} is no model: write provider/model, for example 'deepgram/nova-3'")
        if modality == "llm" or ":" not in rest:
            return cls(provider=provider, model=rest)
        model, _, variant = rest.rpartition(":")
        if not model or not variant:
            raise UnknownModel(f"{text!r} is no model: nothing may be empty around ':'")
        return cls(provider=provider, model=model, variant=variant)


_OUR_NAME: Final = "_voicegateway_model"
"""On a plugin instance: the model's name where the plugin has none."""


def name_model(plugin: Any, model: str) -> None:
    """Remember what the model string called the model of a plugin that was not told, or does not say."""
    try:
        setattr(plugin, _OUR_NAME, model)
    except AttributeError:
        return  # It has slots: its model is "unknown".


def our_name(plugin: Any) -> str:
    """Return what was remembered of an instance; empty where nothing was."""
    return str(getattr(plugin, _OUR_NAME, ""))
