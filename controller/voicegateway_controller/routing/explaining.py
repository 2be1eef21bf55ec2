"""Explaining: who would serve a request now, going by what the fleet knows; and why not the others.

Workers choose by the same rules from what they were told. What only a worker knows is left out: which packages it has,
its keys, what it saw of a vendor in the last second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from voicegateway_controller.budgets import Budgets, Standings
from voicegateway_controller.declared import Allows
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.limits import Limits, Pools, PoolState
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.logs import get_logger
from voicegateway_controller.routing.naming import ModelName, Part, modality_of, parts_named, split_model
from voicegateway_controller.routing.service import Routings
from voicegateway_shared.limits import PoolSpec, Target
from voicegateway_shared.limits.pool import METERS_OF
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.pricing.rating import RatingRequest, rate_by
from voicegateway_shared.routing import ChainModel, Decision, Rejection, Standing, choose
from voicegateway_shared.routing.typical import TYPICAL_USAGE
from voicegateway_shared.wire import ModelHealth

MS_PER_S: Final = 1_000
_log = get_logger(__name__)


class Health(Protocol):
    """Who knows how vendors fare: `HealthBoard`."""

    def told(self, holder: str, version: int) -> tuple[int, tuple[ModelHealth, ...] | None]:
        """Return the version of what is known, and all of it unless that version is named. No I/O."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who would serve what."""

    asked: tuple[str, ...]
    """Model strings, or the name of one chain or stack; nothing: the project's defaults."""
    modality: str | None
    project: str
    session: str
    accounts: Mapping[str, str]
    """By provider: the fingerprint of the key that would be used, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One place in an agent: the candidates as they stand, and the decision."""

    part: Part
    standings: tuple[Standing, ...]
    unpriced: tuple[str, ...]
    """Of each candidate why it has no price, empty where it has one."""
    decision: Decision
    is_throttled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All places that were asked about."""

    revision: int
    stack: str
    is_live: bool
    """False while Redis is away: then nobody knows how limits are."""
    parts: tuple[Explained, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Now:
    """What is known at one instant, read once for all candidates."""

    health: Sequence[ModelHealth]
    pools: Mapping[str, PoolState]
    spent: frozenset[str]
    """Budgets of which nothing is left."""


class Explainer:
    """Lives as long as the process. Holds nothing that needs closing."""

    def __init__(
        self,
        routings: Routings,
        limits: Limits,
        pools: Pools,
        budgets: Budgets,
        standings: Standings,
        catalog: Callable[[], Catalog],
        health: Health | None = None,
    ) -> None:
        self._routings, self._limits, self._pools = routings, limits, pools
        self._budgets, self._standings, self._catalog = budgets, standings, catalog
        self._health = health

    async def explain(self, question: Question, *, allows: Allows, now: datetime) -> Explanation:
        """Return the decision as it would be taken now. Raises NotFound, BadRequest, DatabaseUnavailable."""
        definitions = self._routings.current()
        _, routing = definitions.part_for(allows)
        stack, parts = parts_named(question.asked, question.modality, question.project, routing)
        placed = [self._placed(part) for part in parts]
        targets = [
            Target(
                provider=name.provider,
                model=name.model,
                modality=part.modality,
                account=question.accounts.get(name.provider, ""),
                project=question.project,
            )
            for part in placed
            for name in (split_model(each.model, part.modality) for each in part.candidates)
        ]
        known, is_live = await self._known(targets, now)
        explained = tuple(self._explained(part, question, known, now) for part in placed)
        providers = {target.provider for target in targets}
        notes = tuple(
            f"provider {name!r} is not known here: a worker that has it by itself can use it"
            for name in sorted(providers - known_providers())
        )
        return Explanation(revision=definitions.revision, stack=stack, is_live=is_live, parts=explained, notes=notes)

    def _placed(self, part: Part) -> Part:
        """Say of a model by itself what it does, where the prices tell."""
        if part.modality:
            return part
        return part.of(modality_of(part.candidates, self._catalog()))

    def _explained(self, part: Part, question: Question, known: _Now, now: datetime) -> Explained:
        found = [self._standing(each, part.modality, question, known, now) for each in part.candidates]
        standings = tuple(standing for standing, _ in found)
        target = self._target(part.candidates[0], part.modality, question)
        is_throttled = any(
            spec.action == "throttle" and spec.id in known.spent and spec.selector.matches(target)
            for spec in self._budgets.current().budgets
        )
        lot = f"{question.session} {part.chain}"
        decision = choose(standings, part.strategy, lot=lot, is_throttled=is_throttled and len(standings) > 1)
        return Explained(
            part=part,
            standings=standings,
            unpriced=tuple(reason for _, reason in found),
            decision=decision,
            is_throttled=is_throttled,
        )

    def _standing(
        self, candidate: ChainModel, modality: str, question: Question, known: _Now, now: datetime
    ) -> tuple[Standing, str]:
        target = self._target(candidate, modality, question)
        health = [each for each in known.health if _concerns(each, target)]
        timed = max((each for each in health if each.target.model), key=lambda each: each.samples, default=None)
        cost, reason = self._cost(target, now)
        standing = Standing(
            model=candidate.model,
            weight=candidate.weight,
            rejections=(
                *_ill(candidate.model, health),
                *self._limited(candidate.model, target, known),
                *self._unpaid(candidate.model, target, known),
            ),
            is_degraded=any(each.is_degraded for each in health),
            cost_nano_usd=cost,
            ttfb_p50_ms=(timed.ttfb_p50_ms or None) if timed is not None else None,
        )
        return standing, reason

    def _target(self, candidate: ChainModel, modality: str, question: Question) -> Target:
        name: ModelName = split_model(candidate.model, modality)
        return Target(
            provider=name.provider,
            model=name.model,
            modality=modality,
            account=question.accounts.get(name.provider, ""),
            project=question.project,
        )

    def _cost(self, target: Target, now: datetime) -> tuple[int | None, str]:
        prices = self._catalog().model(
            provider=target.provider,
            model=target.model,
            modality=target.modality,
            project=target.project,
            account=target.account,
        )
        if isinstance(prices, str):
            return None, prices
        request = RatingRequest(
            provider=target.provider,
            model=target.model,
            modality=target.modality,
            at=now,
            usage=TYPICAL_USAGE[target.modality],
        )
        return rate_by(prices, request).amount_nano_usd, ""

    def _limited(self, name: str, target: Target, known: _Now) -> list[Rejection]:
        found = []
        for spec in self._pools_of(target):
            state = known.pools.get(spec.id)
            if state is None:
                continue
            if state.paused_ms > 0:
                detail = f"{spec.id} is paused by the vendor; again in {state.paused_ms / MS_PER_S:.1f} s"
            elif state.level <= 0 and not state.learning_ms:
                detail = f"{spec.id} is used up"
            else:
                continue
            found.append(Rejection(model=name, reason="limit", detail=detail))
        return found

    def _unpaid(self, name: str, target: Target, known: _Now) -> list[Rejection]:
        return [
            Rejection(model=name, reason="budget", detail=f"{spec.id} is used up")
            for spec in self._budgets.current().budgets
            if spec.is_stopping and spec.id in known.spent and spec.selector.matches(target)
        ]

    def _pools_of(self, target: Target) -> list[PoolSpec]:
        meters = METERS_OF.get(target.modality, frozenset())
        pools = self._limits.current().pools
        return [spec for spec in pools if spec.meter in meters and spec.selector.matches(target)]

    async def _known(self, targets: Sequence[Target], now: datetime) -> tuple[_Now, bool]:
        health = () if self._health is None else self._health.told("", -1)[1] or ()
        specs = {spec.id: spec for target in targets for spec in self._pools_of(target)}
        budgets = [
            spec for spec in self._budgets.current().budgets if any(spec.selector.matches(target) for target in targets)
        ]
        stood = await self._standings.of(budgets, now)
        spent = frozenset(
            name for name, each in stood.standings.items() if each.spent >= each.open.spec.amount_nano_usd
        )
        pools: dict[str, PoolState] = {}
        try:
            for spec in specs.values():
                if (state := await self._pools.look(spec)) is not None:
                    pools[spec.id] = state
        except RedisUnavailable as error:
            _log.warning("resolve.limits_unknown", error=str(error))
            return _Now(health, {}, spent), False
        return _Now(health, pools, spent), stood.is_live


def _concerns(health: ModelHealth, target: Target) -> bool:
    """Whether it is about this model, with this key where that is known, or about its account or vendor as a whole."""
    about = health.target
    return (
        about.provider == target.provider
        and about.model in ("", target.model)
        and about.modality in ("", target.modality)
        and (not target.account or about.account in ("", target.account))
    )


def _ill(name: str, health: Sequence[ModelHealth]) -> list[Rejection]:
    found = []
    for each in health:
        if each.state == "closed":
            continue
        where = " ".join(
            word
            for word in (
                "" if each.target.model else "the whole account",
                f"key {each.target.account}" if each.target.account else "",
                f"at {each.target.region}" if each.target.region else "",
            )
            if word
        )
        again = f"again in {-(-each.retry_ms // MS_PER_S)} s" if each.retry_ms else ""
        if each.cause == "disabled":
            found.append(
                Rejection(
                    model=name, reason="disabled", detail=", ".join(filter(None, ("switched off by hand", again)))
                )
            )
            continue
        what = f"{each.state}: {each.cause}" if each.cause else each.state
        found.append(Rejection(model=name, reason="breaker", detail=", ".join(filter(None, (what, where, again)))))
    return found
