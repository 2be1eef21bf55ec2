"""Resolving: from what the user asked for to the native plugin that is returned, the others standing behind it.

A candidate that cannot serve at all is left out, with its reason. Of the others one is the front, which the user gets;
who serves each request is decided anew when it is made.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from voicegateway.identity import Identity, current_identity
from voicegateway.instrument import instrument, stand_together
from voicegateway.instrument.lent_key import give
from voicegateway.record import PluginFacts
from voicegateway.registry import look, resolve
from voicegateway.routing.arguments import Arguments
from voicegateway.routing.asked import Asked, Model, UnknownName, asked_for
from voicegateway.routing.realtime import fall_back
from voicegateway.routing.route import Member, Route
from voicegateway.routing.stacks import parts_of
from voicegateway.routing.standing import Caller, cost_of, is_throttled, standing_of
from voicegateway.target import model_of
from voicegateway_shared.errors import ConfigurationError, MissingKey, MissingPackage, NoCandidate, UnknownModel
from voicegateway_shared.routing import ChainModel, Decision, Rejection, Routing, Standing, choose
from voicegateway_shared.routing.choice import Reason
from voicegateway_shared.usage import Modality

if TYPE_CHECKING:
    from voicegateway.runtime import Runtime

logger = logging.getLogger("voicegateway")

WORD_WITHIN_S: Final = 2.0
"""How long a name that nobody here knows is waited for, once in a process's life: a controller that is slower counts as
away. Only where no process of this host has heard the fleet's chains before."""
SAID_MAX: Final = 256

_said: set[tuple[str, ...]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """One that can be asked: built, and how it stands."""

    position: int
    asked: ChainModel
    plugin: Any
    facts: PluginFacts
    standing: Standing


def resolve_asked(
    given: Model | None,
    modality: Modality,
    *,
    project: str | None,
    strategy: str | None,
    hedge: bool | None,
    arguments: Mapping[str, Any],
    runtime: "Callable[[], Runtime]",
) -> Any:
    """Return the plugin to use: of one model by itself, of several the front of their route.

    Plugins' packages are imported here, on the caller's thread, and nothing is connected.

    Raises:
        ConfigurationError: unknown name, missing key or package, an argument refused; of one model that the code names.
        NoCandidate: nobody of several can serve at all; the message names each with its reason.
    """
    now = runtime()
    caller = _caller(project, now)

    def read(routing: Routing) -> Asked:
        return asked_for(given, modality, caller.project, routing, strategy=strategy, hedge=hedge)

    asked = _read(read, now)
    found, rejections = _candidates(asked, modality, project, arguments, caller, now)
    lot = _lot(asked, caller.identity)
    decision = _decide(asked, found, lot, caller, now)
    reasons = [*rejections, *decision.rejections]
    if not decision.order:
        raise _nobody(asked, modality, reasons)
    _say_once(asked, modality, found, reasons)
    front = decision.order[0]
    if len(found) == 1:
        return found[front].plugin
    if modality == "realtime":
        # Its own adapter stands for several; one that is switched off cannot come back there.
        return _fall_back([found[index].plugin for index in decision.order])
    _speak_soon(now)
    stand_together(
        Route(
            [
                Member(plugin=each.plugin, model=each.asked.model, weight=each.asked.weight, position=each.position)
                for each in found
            ],
            front=front,
            chain=asked.chain,
            strategy=asked.strategy,
            is_hedged=asked.is_hedged,
            attempt_timeout_ms=asked.attempt_timeout_ms,
            standings=[each.standing for each in found],
            rejected=rejections,
            lot=lot,
            runtime=runtime,
        )
    )
    return found[front].plugin


def _fall_back(plugins: Sequence[Any]) -> Any:
    if len(plugins) == 1:
        return plugins[0]
    try:
        return fall_back(plugins)
    except ValueError as error:
        raise ConfigurationError(f"realtime: {error}; name models that agree") from error


def stack_parts(name: str | None, *, project: str | None, runtime: "Callable[[], Runtime]") -> dict[Modality, str]:
    """Return the chains' names and model strings of a stack, or of the project's defaults. Raises UnknownName."""
    now = runtime()
    caller = _caller(project, now)
    return _read(lambda routing: parts_of(name, caller.project, routing), now)


T = TypeVar("T")


def _read(read: Callable[[Routing], T], runtime: "Runtime") -> T:
    """Read something out of what is declared; a name that is not known may be one that nobody here has heard yet."""
    runtime.directory.look()
    try:
        return read(runtime.directory.routing)
    except UnknownName:
        if not _is_told(runtime):
            raise
        return read(runtime.directory.routing)


def _caller(project: str | None, runtime: "Runtime") -> Caller:
    identity = current_identity()
    return Caller(identity=identity, project=project or identity.project or runtime.options.project)


def _candidates(
    asked: Asked,
    modality: Modality,
    project: str | None,
    arguments: Mapping[str, Any],
    caller: Caller,
    runtime: "Runtime",
) -> tuple[list[_Candidate], list[Rejection]]:
    """Build those that can serve; say of the others why not."""
    divided = Arguments(arguments, asked.candidates, modality)
    lend = runtime.lender(caller.project)
    found: list[_Candidate] = []
    rejections: list[Rejection] = []
    for position, candidate in enumerate(asked.candidates):
        rejection = (
            None if asked.is_single else look(candidate.model, modality, {**arguments, **candidate.options}, lend)
        )
        if rejection is None:
            try:
                found.append(_built(position, candidate, modality, project, divided.of(candidate), caller, runtime))
            except ConfigurationError as error:
                if asked.is_single:
                    raise
                rejection = Rejection(model=candidate.model, reason=_reason(error), detail=str(error))
        if rejection is not None:
            rejections.append(rejection)
    if not rejections:
        divided.refuse_what_nobody_takes()
    return found, rejections


def _built(
    position: int,
    candidate: ChainModel,
    modality: Modality,
    project: str | None,
    arguments: Mapping[str, Any],
    caller: Caller,
    runtime: "Runtime",
) -> _Candidate:
    resolved = resolve(candidate.model, modality, runtime.lender(caller.project), **arguments)
    facts = PluginFacts(
        provider=resolved.model_id.provider,
        modality=modality,
        project=project,
        key_id=resolved.key_id,
        variant=resolved.model_id.variant,
        region=resolved.region,
        model_string=candidate.model,
    )
    plugin = instrument(resolved.plugin, facts)
    give(plugin, resolved.loan)
    name = model_of(plugin)
    cost = cost_of(facts, name, caller=caller, runtime=runtime)
    standing = standing_of(candidate, facts, name, cost=cost, caller=caller, runtime=runtime)
    return _Candidate(position=position, asked=candidate, plugin=plugin, facts=facts, standing=standing)


def _decide(asked: Asked, found: Sequence[_Candidate], lot: str, caller: Caller, runtime: "Runtime") -> Decision:
    is_slowed = len(found) > 1 and is_throttled(
        found[0].facts, model_of(found[0].plugin), caller=caller, runtime=runtime
    )
    return choose([each.standing for each in found], asked.strategy, lot=lot, is_throttled=is_slowed)


def _lot(asked: Asked, identity: Identity) -> str:
    """Of a session for `sticky`, and so of everything that is resolved in it; else a new one each time."""
    return f"{identity.session_id} {asked.chain}" if asked.strategy == "sticky" else secrets.token_hex(8)


def _is_told(runtime: "Runtime") -> bool:
    """Have the fleet asked for its chains, and wait for its word; False where there is nobody to ask, or it was."""
    limits, directory = runtime.limits, runtime.directory
    if limits is None or directory.is_heard or directory.is_awaited:
        return False
    directory.is_awaited = True
    runtime.start()
    heard = threading.Event()
    limits.syncer.ask()
    limits.syncer.next_word.when_heard(heard.set)
    heard.wait(WORD_WITHIN_S)
    return directory.is_heard


def _speak_soon(runtime: "Runtime") -> None:
    """Let prices and vendors' health be known by the first request of a route that is made within a job."""
    limits = runtime.limits
    if limits is None or limits.syncer.first_word.is_heard:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # Perhaps a module that is imported, in a process that forks: threads wait for its first request.
        return
    runtime.start()
    limits.syncer.ask()


def _reason(error: ConfigurationError) -> Reason:
    if isinstance(error, UnknownModel):
        return "unknown_model"
    if isinstance(error, MissingPackage):
        return "missing_package"
    return "missing_key" if isinstance(error, MissingKey) else "refused_argument"


def _nobody(asked: Asked, modality: Modality, rejections: Sequence[Rejection]) -> NoCandidate:
    what = f"chain {asked.chain!r}" if asked.chain else ", ".join(each.model for each in asked.candidates)
    reasons = "; ".join(map(str, rejections))
    return NoCandidate(f"{modality}: nobody of {what} can serve: {reasons}", rejections)


def _say_once(asked: Asked, modality: Modality, found: Sequence[_Candidate], rejections: Sequence[Rejection]) -> None:
    """Say that a chain is shorter than it was declared: nobody would notice before the others fail."""
    out = [each for each in rejections if each.reason not in ("breaker", "limit", "budget")]
    key = (modality, asked.chain, *(f"{each.model} {each.reason}" for each in out))
    if not out or key in _said or len(_said) >= SAID_MAX:
        return
    _said.add(key)
    logger.warning(
        "voicegateway: %s %s goes without %s",
        modality,
        f"chain {asked.chain!r}" if asked.chain else " or ".join(each.asked.model for each in found),
        "; ".join(map(str, out)),
    )
