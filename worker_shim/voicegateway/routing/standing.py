"""Standing: what a process knows of one candidate: its vendor's health, limits, budgets, its price and its speed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from voicegateway.identity import Identity
from voicegateway.record import PluginFacts
from voicegateway.target import target_for
from voicegateway_shared.limits import Target
from voicegateway_shared.routing import Rejection, Standing
from voicegateway_shared.routing.typical import TYPICAL_USAGE

if TYPE_CHECKING:
    from voicegateway.runtime import Runtime

MS_PER_S: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the call, and who pays for it."""

    identity: Identity
    project: str


class Candidate(Protocol):
    """What people wrote of a model: a chain's, or a route's member."""

    @property
    def model(self) -> str:
        """As people wrote it."""
        ...

    @property
    def weight(self) -> int:
        """Its lots."""
        ...


def standing_of(
    candidate: Candidate, facts: PluginFacts, model: str, *, cost: int | None, caller: Caller, runtime: "Runtime"
) -> Standing:
    """Return how a candidate stands now, from what this process holds already; never raises, does no I/O.

    `model` is its name in the ledger, `cost` what `cost_of` says. What is not known speaks for nobody, against nobody.
    """
    try:
        target = target_for(facts, model, project=caller.project, agent=caller.identity.agent)
        health = _health(runtime, facts, model)
        return Standing(
            model=candidate.model,
            weight=candidate.weight,
            rejections=(
                *(() if health is None else health.rejections(candidate.model)),
                *_limits(runtime, target, candidate.model, caller),
                *_budgets(runtime, target, candidate.model, caller),
            ),
            is_degraded=health is not None and health.is_degraded,
            cost_nano_usd=cost,
            ttfb_p50_ms=(health.ttfb_p50_ms or None) if health is not None else None,
        )
    except Exception as error:  # noqa: BLE001 - our bug must not keep a call from its model
        runtime.hook_failed("routing.standing", error)
        return Standing(model=candidate.model, weight=candidate.weight, cost_nano_usd=cost)


def cost_of(facts: PluginFacts, model: str, *, caller: Caller, runtime: "Runtime") -> int | None:
    """Return the price of a typical request in nano-dollars; None while it is not known. Never raises."""
    try:
        target = target_for(facts, model, project=caller.project, agent=caller.identity.agent)
        return runtime.cost_of(target, TYPICAL_USAGE[facts.modality], datetime.now(UTC))
    except Exception as error:  # noqa: BLE001 - likewise
        runtime.hook_failed("routing.cost", error)
        return None


def is_throttled(facts: PluginFacts, model: str, *, caller: Caller, runtime: "Runtime") -> bool:
    """Whether a budget says that such a call should make do with the cheapest; never raises."""
    try:
        target = target_for(facts, model, project=caller.project, agent=caller.identity.agent)
        return runtime.is_throttled(target, caller.identity.session_id)
    except Exception as error:  # noqa: BLE001 - likewise
        runtime.hook_failed("routing.throttled", error)
        return False


def _health(runtime: "Runtime", facts: PluginFacts, model: str) -> Any:
    find = getattr(runtime, "health_of", None)
    return None if find is None else find(facts, model)


def _limits(runtime: "Runtime", target: Target, name: str, caller: Caller) -> list[Rejection]:
    refusal = None if runtime.limits is None else runtime.limits.book.stopped(target, caller.identity.priority)
    if refusal is None:
        return []
    wait_s = refusal.retry_after_ms / MS_PER_S
    word = "paused by the vendor" if refusal.reason == "paused" else "used up"
    return [Rejection(model=name, reason="limit", detail=f"{refusal.pool} is {word}; again in {wait_s:.1f} s")]


def _budgets(runtime: "Runtime", target: Target, name: str, caller: Caller) -> list[Rejection]:
    budget = None if runtime.money is None else runtime.money.book.stopped(target, caller.identity.session_id)
    return [] if budget is None else [Rejection(model=name, reason="budget", detail=f"{budget} is used up")]
