"""Members: a model and those that stand behind it, as LiveKit Inference's `model` and `fallback` name them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voicegateway import Gateway
from voicegateway.instrument import stand_together
from voicegateway.routing import route
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
        [only] = members
        method = getattr(gateway, modality)
        return method(only.model, project=project, **only.options)
    standing = [
        route.Member(
            plugin=gateway._resolve_one(each.model, modality, project, each.options),
            model=each.model,
            position=position,
        )
        for position, each in enumerate(members)
    ]
    stand_together(route.Route(standing, runtime=gateway._runtime))
    return standing[0].plugin
