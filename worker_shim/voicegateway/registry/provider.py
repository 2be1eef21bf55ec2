"""Provider: what is known of a vendor before its plugin is imported. Third parties make these too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from voicegateway.model_id import ModelId
from voicegateway_shared.usage import Modality

MODALITIES: Final[tuple[Modality, ...]] = ("stt", "llm", "tts", "realtime")
Adapt = Callable[[ModelId, Mapping[str, Any]], Mapping[str, Any]]
"""From a model string and the caller's keyword arguments to what the plugin's constructor is told of both."""
Source = Literal["voicegateway", "livekit", "entry point", "guess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginClass:
    """What makes a provider's plugins of one modality: a class, or a factory of one."""

    path: str
    """`module:Class`, or `module:Class.factory`; imported on first use, not before."""
    models: tuple[str, ...] = ("*",)
    """The models it is for, as patterns: `flux-*`. The first class of a modality that fits is taken."""
    api: str = ""
    """Taken only when the caller says `api="…"`; the keyword does not reach the plugin then."""
    adapt: Adapt | None = None
    """For constructors whose signature does not say where model, language and voice go."""
    key_variables: tuple[str, ...] | None = None
    """Instead of the provider's."""
    address_variable: str | None = None
    """Instead of the provider's."""
    install: str = ""
    """Instead of the provider's."""
    has_colons: bool = False
    """Its models' own names have a colon, `bulbul:v2`: a language or voice comes after a second one."""
    needs: tuple[str, ...] = ()
    """Modules that it imports only when it is used: without them it counts as not installed."""

    @property
    def module(self) -> str:
        """What is imported."""
        return self.path.partition(":")[0]

    def serves(self, model: str, api: str) -> bool:
        """Whether it is for this model."""
        return self.api == api and any(fnmatchcase(model, pattern) for pattern in self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One vendor, or one engine on the worker's own machine."""

    name: str
    """Its id: what stands before the first slash of a model string, and in limits, prices and the ledger."""
    classes: Mapping[Modality, tuple[PluginClass, ...]]
    install: str
    """What to `pip install` for it."""
    key_variables: tuple[str, ...] = ()
    """Environment variables of its key, the first that is set is taken; none: it has no key."""
    is_key_needed: bool = True
    """False: its SDK finds other credentials as well, so that a missing key is not refused before it is asked."""
    hosts: tuple[str, ...] = ()
    """Its usual hosts; another address is another region. Defaults in a constructor's signature count as well."""
    address_variable: str = ""
    """Environment variable from which its plugin or SDK takes another address."""
    is_local: bool = False
    """It runs on the worker's own machine: what one worker sees of it says nothing to another."""
    source: Source = field(default="entry point")
    """Who says all this."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What it does."""
        return tuple(modality for modality in MODALITIES if modality in self.classes)
