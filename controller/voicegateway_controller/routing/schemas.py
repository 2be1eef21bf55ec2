"""The JSON of routing."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.declared.shown import Effective
from voicegateway_controller.routing.explaining import Explained, Explanation
from voicegateway_shared.money import format_nano_usd
from voicegateway_shared.routing.typical import TYPICAL_USAGE


class NewRouting(BaseModel):
    """A whole declaration; it replaces the one in force."""

    model_config = ConfigDict(extra="forbid")
    routing: dict[str, Any] = Field(
        description="Chains, stacks, defaults and projects as in a routing file.",
        examples=[{"chains": {"llm": {"fast": ["openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"]}}}],
    )


class RoutingApplied(BaseModel):
    """What came of declaring a set."""

    revision: int = Field(description="The revision in force; replicas follow within a second.")
    is_changed: bool = Field(description="False when this very set was in force already: no new revision was made.")
    chains: int
    stacks: int
    warnings: list[str] = Field(description="Providers that nobody here knows.")


class RoutingDeclared(BaseModel):
    """What is declared, as given."""

    revision: int
    created_at: datetime | None
    created_by: str = Field(description="The id of the token that declared it.")
    routing: dict[str, Any] = Field(
        description="What is managed, as a routing file says it: what PUT replaces; without sections of other projects."
    )
    effective: list[Effective] = Field(description="What holds, each resource with the layer that it is from.")


class Reason(BaseModel):
    """Why a candidate does not serve, or only when nobody else can."""

    reason: str = Field(
        description="`unknown_model`, `disabled` (never serves); `breaker`, `limit`, `budget` (asked after the others)."
    )
    detail: str


class ResolvedCandidate(BaseModel):
    """One model and how it stands."""

    position: int = Field(description="As declared, from 0.")
    model: str
    provider: str
    weight: int
    place: int | None = Field(description="1: asked first. Null: not asked at all.")
    passes: bool
    rejections: list[Reason]
    is_degraded: bool = Field(description="It answers far slower than it did: asked after those that do not.")
    price_usd: str | None = Field(description="Of a typical request; null where it has no price.")
    unpriced: str = Field(description="Why it has none.")
    ttfb_p50_ms: int | None = Field(description="Of the fleet, of late; null while too few are known.")


class ResolvedPart(BaseModel):
    """One place in an agent."""

    modality: str
    chain: str = Field(description="Empty for a model by itself.")
    project: str = Field(description="Whose chain it is; empty: everybody's.")
    strategy: str = Field(description="By which they were ordered: `cheapest` while a budget throttles.")
    hedge: bool
    attempt_timeout_ms: int
    typical: dict[str, int] = Field(description="The request that prices are compared by.")
    is_throttled: bool = Field(description="A budget says to make do with the cheapest.")
    is_last_resort: bool = Field(description="Nobody passes: the first is asked all the same.")
    serves: str | None = Field(description="Who would be asked first; null where nobody can serve.")
    candidates: list[ResolvedCandidate]


class Resolution(BaseModel):
    """Who would serve a request now, by what the fleet knows."""

    as_of: datetime
    project: str
    revision: int
    stack: str = Field(description="Where a stack was asked for.")
    is_live: bool = Field(description="False while Redis is away: then limits and budgets reject nobody here.")
    parts: list[ResolvedPart]
    notes: list[str]

    @classmethod
    def of(cls, explanation: Explanation, *, project: str, as_of: datetime) -> "Resolution":
        """Return an explanation as JSON has it."""
        return cls(
            as_of=as_of,
            project=project,
            revision=explanation.revision,
            stack=explanation.stack,
            is_live=explanation.is_live,
            parts=[_part(each) for each in explanation.parts],
            notes=list(explanation.notes),
        )


def _part(explained: Explained) -> ResolvedPart:
    part, decision = explained.part, explained.decision
    places = {index: place for place, index in enumerate(decision.order, start=1)}
    return ResolvedPart(
        modality=part.modality,
        chain=part.chain,
        project=part.project,
        strategy=decision.strategy,
        hedge=part.hedge,
        attempt_timeout_ms=part.attempt_timeout_ms,
        typical=dict(TYPICAL_USAGE[part.modality]),
        is_throttled=explained.is_throttled,
        is_last_resort=decision.is_last_resort,
        serves=explained.standings[decision.order[0]].model if decision.order else None,
        candidates=[
            ResolvedCandidate(
                position=index,
                model=standing.model,
                provider=standing.model.partition("/")[0],
                weight=standing.weight,
                place=places.get(index),
                passes=not standing.rejections,
                rejections=[Reason(reason=each.reason, detail=each.detail) for each in standing.rejections],
                is_degraded=standing.is_degraded,
                price_usd=None if standing.cost_nano_usd is None else format_nano_usd(standing.cost_nano_usd),
                unpriced=explained.unpriced[index],
                ttfb_p50_ms=standing.ttfb_p50_ms,
            )
            for index, standing in enumerate(explained.standings)
        ],
    )
