"""Target: what a breaker is about, for one plugin and model."""

from typing import Final

from voicegateway.record import PluginFacts
from voicegateway_shared.wire import HealthTarget

TARGETS_MAX: Final = 256
"""A job process has a handful; a thread-based worker some dozens."""

_targets: dict[tuple[object, ...], HealthTarget] = {}


def target_of(facts: PluginFacts, model: str) -> HealthTarget:
    """What health is known of when a plugin asks a model; the same object for the same."""
    key = (facts.provider, model, facts.modality, facts.key_id, facts.region)
    found = _targets.get(key)
    if found is None:
        if len(_targets) >= TARGETS_MAX:
            _targets.clear()
        found = _targets[key] = HealthTarget(
            provider=facts.provider, model=model, modality=facts.modality, account=facts.key_id, region=facts.region
        )
    return found
