"""Members: a model and those that stand behind it, as LiveKit Inference's `model` and `fallback` name them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voicegateway import Gateway
from voicegateway_shared.routing import ChainModel
from voicegateway_shared.usage import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model, with keyword arguments for its plugin."""

    model: str
    options: dict[str, Any] = field(default_factory=dict)


def stand(gateway: Gateway, modality: Modality, members: Sequence[Member], *, project: str | None = None) -> Any:
    """Return the native plugin of the first member; the others stand behind it.

    Raises:
        ConfigurationError: unknown model or provider, missing key or package, an argument refused.
    """
    if len(members) == 1:
        # By itself it may be the name of a chain.
        [only] = members
        return gateway._resolve(only.model, modality, project=project, kwargs=only.options)
    several = [ChainModel(model=each.model, options=each.options) for each in members]
    return gateway._resolve(several, modality, project=project)
