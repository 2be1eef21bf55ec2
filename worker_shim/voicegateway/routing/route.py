"""Route: members that stand for one another behind the one plugin that its user holds."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from voicegateway.identity import Identity, current_identity
from voicegateway.record import PluginFacts
from voicegateway.routing.journey import MS_PER_S, Journey, Passage, is_relayed
from voicegateway.routing.typical import TYPICAL_USAGE
from voicegateway.target import model_of, target_for
from voicegateway_shared.limits import Target
from voicegateway_shared.routing import Decision, Rejection, Standing, Strategy, choose
from voicegateway_shared.routing.chain import ATTEMPT_TIMEOUT_MS_DEFAULT

if TYPE_CHECKING:
    from voicegateway.runtime import Runtime

FORWARDED: Final = ("metrics_collected", "error")
"""What a session listens to."""
VOICES_MAX: Final = 1_024
"""Sessions whose voice is remembered; a job process has one, a thread-based worker some dozens."""
_SAME_SOUND: Final = ("sample_rate", "num_channels")
"""Of a voice: what a session is told once and goes by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One model of a route. Lives as long as the route."""

    plugin: Any
    model: str
    """As people wrote it."""
    weight: int = 1
    position: int = 0
    """As declared, from 0."""

    @property
    def facts(self) -> PluginFacts:
        facts: PluginFacts = self.plugin._voicegateway_facts
        return facts


class Route:
    """Lives as long as the plugin that its user holds, `members[front]`. Used on the event loop."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        front: int = 0,
        chain: str = "",
        strategy: Strategy = "order",
        is_hedged: bool = False,
        attempt_timeout_ms: int = ATTEMPT_TIMEOUT_MS_DEFAULT,
        standings: Sequence[Standing] = (),
        lot: str = "",
        runtime: "Callable[[], Runtime]",
    ) -> None:
        """Take instrumented plugins, and what was known of each when the first was chosen.

        `lot` decides `weighted` and `sticky` for as long as the route lives.
        """
        self.members = tuple(members)
        self.front = self.members[front]
        self.chain, self.strategy = chain, strategy
        self.is_hedged, self.attempt_timeout_ms = is_hedged, attempt_timeout_ms
        self._lot = lot
        self._standings = tuple(
            msgspec.structs.replace(each, rejections=(), is_degraded=False) for each in standings
        ) or tuple(Standing(model=member.model, weight=member.weight) for member in self.members)
        self._usual = choose(self._standings, strategy, lot=lot)
        self._runtime = runtime
        self._voices: OrderedDict[str, Member] = OrderedDict()
        for member in self.members:
            if member is not self.front:
                self._hear(member)

    def begin(self) -> Passage:
        """Return whose turn a new request is; never raises."""
        try:
            journey = self._journey(current_identity())
        except Exception as error:  # noqa: BLE001 - our bug must not fail a call
            self._runtime().hook_failed("route", error)
            journey = Journey(route=self, members=(self.front,), decision=self._usual)
        return Passage(journey=journey, member=journey.members[0], is_last=len(journey.members) == 1)

    def served(self, member: Member) -> None:
        """Note whose voice a session has heard: it keeps it while that may serve."""
        if member.facts.modality == "tts":
            self._voices[current_identity().session_id] = member
            if len(self._voices) > VOICES_MAX:
                self._voices.popitem(last=False)

    def usual_ttfb_s(self, member: Member) -> float | None:
        """Within which time 95 of 100 requests of the fleet bring something; None while that is not known."""
        health = _health_of(self._runtime(), member)
        return health.ttfb_p95_ms / MS_PER_S if health is not None and health.ttfb_p95_ms else None

    async def aclose(self) -> None:
        """Close those that stand behind the front."""
        for member in self.members:
            if member is not self.front:
                await member.plugin.aclose()

    def _journey(self, identity: Identity) -> Journey:
        runtime = self._runtime()
        targets = [self._target(member, identity, runtime) for member in self.members]
        is_throttled = runtime.is_throttled(targets[0], identity.session_id)
        decision = self._usual
        health = getattr(runtime, "health", None)
        if is_throttled or not (health is None or health.is_all_well):
            standings = [
                self._standing(runtime, index, targets[index], with_cost=is_throttled)
                for index in range(len(self.members))
            ]
            decision = choose(standings, self.strategy, lot=self._lot, is_throttled=is_throttled)
        order = [self.members[index] for index in decision.order] or [self.front]
        voice = self._voices.get(identity.session_id)
        if voice in order and not is_throttled and not _is_rejected(voice, decision):
            order.remove(voice)
            order.insert(0, voice)
        return Journey(route=self, members=tuple(order), decision=decision)

    def _standing(self, runtime: "Runtime", index: int, target: Target, *, with_cost: bool) -> Standing:
        """What is known of one member now: its vendor's health, and its price where that matters."""
        member = self.members[index]
        health = _health_of(runtime, member)
        cost = self._standings[index].cost_nano_usd
        if with_cost:
            cost = runtime.cost_of(target, TYPICAL_USAGE[target.modality], datetime.now(UTC))
        return msgspec.structs.replace(
            self._standings[index],
            rejections=_rejections(member, health),
            is_degraded=health is not None and health.is_degraded,
            cost_nano_usd=cost,
            ttfb_p50_ms=(health.ttfb_p50_ms or None) if health is not None else None,
        )

    def _target(self, member: Member, identity: Identity, runtime: "Runtime") -> Target:
        facts = member.facts
        project = facts.project or identity.project or runtime.options.project
        return target_for(facts, model_of(member.plugin), project=project, agent=identity.agent)

    def _hear(self, member: Member) -> None:
        """What a session hears of the front it hears of the others, save what another member mends."""

        def on_metrics(metrics: Any) -> None:
            self.front.plugin.emit("metrics_collected", metrics)

        def on_error(error: Any) -> None:
            if not is_relayed():
                self.front.plugin.emit("error", error)

        member.plugin.on("metrics_collected", on_metrics)
        member.plugin.on("error", on_error)


def stands_in(member: Member, front: Member) -> bool:
    """Whether a member's own stream may be what a session holds that was promised the front's."""
    streaming = [getattr(getattr(each.plugin, "capabilities", None), "streaming", None) for each in (member, front)]
    return streaming[0] == streaming[1] and all(
        getattr(member.plugin, name, None) == getattr(front.plugin, name, None) for name in _SAME_SOUND
    )


def _health_of(runtime: "Runtime", member: Member) -> Any:
    find = getattr(runtime, "health_of", None)
    return None if find is None else find(member.facts, model_of(member.plugin))


def _rejections(member: Member, health: Any) -> tuple[Rejection, ...]:
    return () if health is None else health.rejections(member.model)


def _is_rejected(member: Member, decision: Decision) -> bool:
    rejections: tuple[Rejection, ...] = decision.rejections
    return any(rejection.model == member.model for rejection in rejections)
