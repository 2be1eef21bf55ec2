"""Target: what limits, budgets and guards may ask of a request."""

from typing import Final

from voicegateway.record import RequestRecord
from voicegateway_shared.limits import Target

TARGETS_MAX: Final = 256
"""A job process has a handful; a thread-based worker some dozens."""

_targets: dict[tuple[object, ...], Target] = {}


def target_of(record: RequestRecord) -> Target:
    """What limits and budgets may ask of a request; the same object for requests of one kind."""
    facts, agent = record.facts, record.identity.agent
    key = (facts.provider, facts.modality, facts.key_id, record.model, record.project, agent)
    found = _targets.get(key)
    if found is None:
        if len(_targets) >= TARGETS_MAX:
            _targets.clear()
        found = _targets[key] = Target(
            provider=facts.provider,
            model=record.model,
            modality=facts.modality,
            account=facts.key_id,
            project=record.project,
            agent=agent,
        )
    return found
