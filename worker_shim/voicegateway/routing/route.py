"""Route: members that stand for one another behind the one plugin that its user holds."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from voicegateway.identity import Identity, current_identity
from voicegateway.record import PluginFacts
from voicegateway.routing.journey import MS_PER_S, Journey, Passage, is_relayed
from voicegateway.routing.standing import Caller, cost_of, is_throttled, standing_of
from voicegateway.target import model_of
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
PRICED_NS: Final = 60_000_000_000
"""Prices that are known are looked up again after this time: rating is the dear part of a decision."""


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
        rejected: Sequence[Rejection] = (),
        lot: str = "",
        runtime: "Callable[[], Runtime]",
    ) -> None:
        """Take instrumented plugins, and what was known of each when the first was chosen.

        `rejected` says of candidates that are no members why not; the first request's span tells it.
        `lot` decides `weighted` and `sticky` for as long as the route lives.
        """
        self.members = tuple(members)
        self.front = self.members[front]
        self.chain = chain
        self.strategy: Strategy = strategy
        self.is_hedged, self.attempt_timeout_ms = is_hedged, attempt_timeout_ms
        self._lot = lot
        self._rejected = tuple(rejected)
        usual = [msgspec.structs.replace(each, rejections=(), is_degraded=False) for each in standings]
        usual = usual or [Standing(model=member.model, weight=member.weight) for member in self.members]
        self._usual = choose(usual, strategy, lot=lot)
        self._costs = [each.cost_nano_usd for each in usual]
        self._priced_ns = 0
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
        """Close those that stand behind the front, each of them whatever becomes of the others."""
        for member in self.members:
            if member is not self.front:
                try:
                    await member.plugin.aclose()
                except Exception as error:  # noqa: BLE001 - a call ends, and nobody waits for this member
                    self._runtime().hook_failed("route.aclose", error)

    def _journey(self, identity: Identity) -> Journey:
        runtime = self._runtime()
        lead = self.members[0].facts
        caller = Caller(identity=identity, project=lead.project or identity.project or runtime.options.project)
        is_slowed = is_throttled(lead, model_of(self.members[0].plugin), caller=caller, runtime=runtime)
        if is_slowed or self.strategy == "cheapest":
            self._price(caller, runtime)
        standings = [
            standing_of(member, member.facts, model_of(member.plugin), cost=cost, caller=caller, runtime=runtime)
            for member, cost in zip(self.members, self._costs, strict=True)
        ]
        decision = choose(standings, self.strategy, lot=self._lot, is_throttled=is_slowed)
        order = [self.members[index] for index in decision.order] or [self.front]
        voice = self._voices.get(identity.session_id)
        if voice in order and not is_slowed and not _is_rejected(voice, decision):
            order.remove(voice)
            order.insert(0, voice)
        return Journey(route=self, members=tuple(order), decision=self._told(decision))

    def _price(self, caller: Caller, runtime: "Runtime") -> None:
        """Look up the prices: at each request while one is not known, which it may be with the next sync."""
        now_ns = time.monotonic_ns()
        if None in self._costs or now_ns - self._priced_ns > PRICED_NS:
            self._priced_ns = now_ns
            self._costs = [
                cost_of(member.facts, model_of(member.plugin), caller=caller, runtime=runtime)
                for member in self.members
            ]

    def _told(self, decision: Decision) -> Decision:
        """The first request tells of those who are no members as well."""
        rejected, self._rejected = self._rejected, ()
        if not rejected:
            return decision
        return msgspec.structs.replace(decision, rejections=(*rejected, *decision.rejections))

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


def _is_rejected(member: Member, decision: Decision) -> bool:
    rejections: tuple[Rejection, ...] = decision.rejections
    return any(rejection.model == member.model for rejection in rejections)
