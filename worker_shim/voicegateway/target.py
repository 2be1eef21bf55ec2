"""Target: what limits, budgets and guards may ask of a request."""

from typing import Any, Final

from voicegateway.model_id import our_name
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway_shared.limits import Target

TARGETS_MAX: Final = 256
"""A job process has a handful; a thread-based worker some dozens."""

_targets: dict[tuple[object, ...], Target] = {}


def target_of(record: RequestRecord) -> Target:
    """What limits and budgets may ask of a request; the same object for requests of one kind."""
    return target_for(record.facts, record.model, project=record.project, agent=record.identity.agent)


def target_for(facts: PluginFacts, model: str, *, project: str, agent: str) -> Target:
    """Likewise, of a request that is still to be made."""
    key = (facts.provider, facts.modality, facts.key_id, model, project, agent)
    found = _targets.get(key)
    if found is None:
        if len(_targets) >= TARGETS_MAX:
            _targets.clear()
        found = _targets[key] = Target(
            provider=facts.provider,
            model=model,
            modality=facts.modality,
            account=facts.key_id,
            project=project,
            agent=agent,
        )
    return found


def model_of(plugin: Any) -> str:
    """The model's name, as the ledger has it: the plugin's own word, or the model string's where it has none."""
    return our_name(plugin) or str(getattr(plugin, "model", "") or "unknown")
