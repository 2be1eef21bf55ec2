"""Relay: a request whose vendor fails, or is silent for too long, is handed to the next member of its route.

The stream that a session holds stays the same. The next member makes a stream of its own, which is a request of its own
to limits, budgets and the ledger, and what it brings goes into the one that is held. So nobody waits for a retry of the
framework, no error is told that somebody mended, and each vendor's part of the bill has its own line.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeGuard

from voicegateway.instrument import failure
from voicegateway.record import Place, RequestRecord
from voicegateway.routing.journey import PASSAGE, Journey, Passage, passing
from voicegateway.runtime import Runtime, current_runtime
from voicegateway_shared.telemetry import attributes as names

CANCEL_S_MAX: Final = 1.0
"""How long one that lost a race may take to stop; what it still sends reaches nobody."""

RECORD: Final = "_voicegateway_record"
"""Where a stream that we observe keeps its record."""

TakeFloor = Callable[[], bool]
"""Called with the first of an answer: whether it may be passed on, for no other member was heard before."""


class Relay(Protocol):
    """What differs between modalities."""

    def is_open(self, record: RequestRecord) -> bool:
        """Whether another member may still serve in the place of this one."""
        ...

    async def serve(self, record: RequestRecord, passage: Passage, take_floor: TakeFloor) -> None:
        """Have a member serve, into the record's stream; return when it has, or when it was not given the floor.

        Raises whatever its stream raises; APITimeoutError when it is silent for too long and another one is left.
        """
        ...

    def mute(self, record: RequestRecord) -> None:
        """Let nothing of the record's own vendor reach its stream any more."""
        ...

    def times_silence(self, record: RequestRecord) -> bool:
        """Whether a member that says nothing can be told from one that has nothing to say yet."""
        ...

    def watch(self, record: RequestRecord) -> None:
        """Have `journey.ask()` called as soon as the record's own vendor has something to answer to."""
        ...


def passage_of(plugin: Any) -> Passage | None:
    """Whose turn it is when a request is made with a plugin; None for one that stands alone."""
    given = PASSAGE.get()
    if given is not None and given.member.plugin is plugin:
        return given
    route = plugin._voicegateway_route
    return None if route is None else route.begin()


def is_anothers(passage: Passage | None, plugin: Any) -> TypeGuard[Passage]:
    """Whether it is the turn of another member than this one."""
    return passage is not None and passage.member.plugin is not plugin


def stand_in(passage: Passage, method: str, args: Any, kwargs: Any) -> Any:
    """Have the member whose turn it is make the stream that the session will hold; the front where it cannot."""
    front = passage.journey.route.front
    if passage.member is not front:
        try:
            with passing(passage):
                return getattr(passage.member.plugin, method)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a plugin's own bug is not the session's while others can serve
            current_runtime().hook_failed(f"route.{method}", error)
    with passing(dataclasses.replace(passage, member=front)):
        return getattr(front.plugin, method)(*args, **kwargs)


def begin(record: RequestRecord, passage: Passage | None, args: Any, kwargs: Any) -> None:
    """Note a request's turn, and what it was asked with."""
    if passage is None:
        return
    journey, origin = passage.journey, passage.origin
    record.passage = passage
    record.place = Place(
        chain=journey.route.chain,
        position=passage.member.position,
        origin="" if origin is None else origin.request_id,
        cause=passage.cause,
        rejected=journey.decision.rejections if origin is None else (),
    )
    if origin is None:
        journey.begins(args, kwargs)


def note_decision(record: RequestRecord) -> None:
    """Put the decision on the first request's span."""
    passage: Passage | None = record.passage
    span = record.span
    if passage is None or passage.origin is not None or span is None or not span.is_recording():
        return
    decision = passage.journey.decision
    span.add_event(
        "voicegateway.route.decision",
        {
            "strategy": decision.strategy,
            "order": [member.model for member in passage.journey.members],
            "rejected": [str(rejection) for rejection in decision.rejections],
            "is_last_resort": decision.is_last_resort,
        },
    )


def journey_of(record: RequestRecord) -> Journey | None:
    """The journey that a request leads; None for one that serves in another's place, or stands alone."""
    passage: Passage | None = record.passage
    return passage.journey if passage is not None and passage.origin is None else None


def note_served(record: RequestRecord) -> None:
    """Note that a request was served by the member whose turn it was from the start: a session keeps its voice."""
    passage: Passage | None = record.passage
    if passage is not None and passage.origin is None and passage.member is not passage.journey.route.front:
        passage.journey.route.served(passage.member)


def begin_round(record: RequestRecord) -> None:
    """Note that the framework tries, once more if it did before."""
    journey = journey_of(record)
    if journey is not None:
        journey.begin_round(record.passage.member)


async def attempt(
    record: RequestRecord, runtime: Runtime, relay: Relay | None, run: Callable[..., Awaitable[Any]], args: Any
) -> Any:
    """Run the own vendor's attempt; raise APITimeoutError when it is silent for too long and another one is left."""
    journey = journey_of(record)
    if journey is None or relay is None or not journey.left() or not relay.times_silence(record):
        return await run(*args)
    return await _Watched(record, runtime, relay, journey).run(run, args)


async def hand_over(record: RequestRecord, runtime: Runtime, relay: Relay | None, error: Exception) -> bool:
    """Let those that are left serve, one after the other; say whether one did.

    When none did, or none may any more because something was heard already, the error is prepared for being raised.
    Raises what a member raised that had been heard: the answer cannot be begun again.
    """
    journey = journey_of(record)
    if journey is None or relay is None:
        return False
    if not relay.is_open(record):
        _forbid_retry(error)
        return False
    failures = [error]
    for member in (left := journey.left()):
        journey.tried.add(member)
        passage = Passage(journey=journey, member=member, origin=record, cause="failover", is_last=member is left[-1])
        _pass_on(record, passage, error)
        try:
            await relay.serve(record, passage, lambda: _take(journey))
        except Exception as failed:
            if not relay.is_open(record):
                _forbid_retry(failed)
                raise
            _tell_what_is_no_vendors(failed, runtime)
            failures.append(failed)
            continue
        journey.route.served(member)
        return True
    record.passed_on, record.ended_ns = "", 0
    told: Any = error
    if hasattr(told, "retryable"):
        # Another round may be worth it where any of them says so.
        told.retryable = any(getattr(each, "retryable", False) for each in failures)
    return False


class _Watched:
    """One attempt of the own vendor while others stand ready: given up when silent, raced when hedged."""

    def __init__(self, record: RequestRecord, runtime: Runtime, relay: Relay, journey: Journey) -> None:
        loop = asyncio.get_running_loop()
        self._record, self._runtime, self._relay, self._journey = record, runtime, relay, journey
        self._heard: asyncio.Future[None] = loop.create_future()
        journey.heard, journey.asked = self._heard, loop.create_future()
        self._overtaker: asyncio.Task[None] | None = None

    async def run(self, run: Callable[..., Awaitable[Any]], args: Any) -> Any:
        journey = self._journey
        assert journey.asked is not None
        self._relay.watch(self._record)
        own: asyncio.Task[Any] = asyncio.ensure_future(run(*args))
        try:
            await _first_of(own, journey.asked)
            silence_s = journey.silence_s
            hedge_s = self._hedge_after_s()
            if hedge_s is not None and hedge_s < silence_s:
                await _first_of(own, self._heard, timeout_s=hedge_s)
                if not own.done() and not journey.is_heard:
                    return await self._race(own, silence_s - hedge_s)
            else:
                await _first_of(own, self._heard, timeout_s=silence_s)
            if own.done() or journey.is_heard:
                return await own
            raise _silent(self._record.model, silence_s)
        finally:
            await stop(own)
            if self._overtaker is not None:
                await stop(self._overtaker)

    def _hedge_after_s(self) -> float | None:
        """After which silence the next is asked too: what 95 of 100 requests of the fleet do not need."""
        journey = self._journey
        if not journey.route.is_hedged or journey.is_rejected(journey.left()[0]):
            # Who is asked only where nobody else may serve is no help in a hurry.
            return None
        return journey.route.usual_ttfb_s(self._record.passage.member)

    async def _race(self, own: "asyncio.Task[Any]", left_s: float) -> Any:
        record, journey = self._record, self._journey
        left = journey.left()
        member = left[0]
        journey.tried.add(member)
        passage = Passage(journey=journey, member=member, origin=record, cause="hedge", is_last=len(left) == 1)
        has_floor = False
        lost: BaseException | None = None

        def take_floor() -> bool:
            nonlocal has_floor
            if journey.is_heard:
                return False
            has_floor = True
            self._relay.mute(record)
            record.is_overtaken = lost is None and not own.done()
            _pass_on(record, passage, None)
            own.cancel()
            return _take(journey)

        other = self._overtaker = asyncio.ensure_future(self._relay.serve(record, passage, take_floor))
        running: set[asyncio.Task[Any]] = {own, other}
        clock = asyncio.get_running_loop().time
        until_s = clock() + left_s
        while True:
            timeout_s = max(0.0, until_s - clock()) if own in running else None
            is_news = await _first_of(*running, self._heard, timeout_s=timeout_s)
            if has_floor:
                await other
                journey.route.served(member)
                return None
            if journey.is_heard or (own in running and own.done() and own.exception() is None):
                return await own
            if own in running and (own.done() or not is_news):
                # The other one goes on for as long as it would have, had it been asked only now.
                lost = own.exception() if own.done() else _silent(record.model, journey.silence_s)
                failure.attempt_failed(record, self._runtime, lost)
                own.cancel()
                running.discard(own)
            if other.done():
                running.discard(other)
            if not running:
                assert lost is not None
                raise lost


def _take(journey: Journey) -> bool:
    journey.hear()
    return True


def _pass_on(record: RequestRecord, passage: Passage, error: Exception | None) -> None:
    """Note that a member takes over."""
    record.passed_on = passage.member.model
    record.ended_ns = record.ended_ns or record.started_ns + record.duration_ns
    span = record.span
    if span is not None and span.is_recording():
        span.add_event(
            f"voicegateway.{passage.cause}",
            {
                names.REQUEST_MODEL: passage.member.model,
                names.ERROR_TYPE: "" if error is None else type(error).__name__,
            },
        )


def _tell_what_is_no_vendors(error: Exception, runtime: Runtime) -> None:
    """An error of a plugin's code or of ours, not of a vendor: another member mends it, and nobody else would tell."""
    from livekit.agents import APIError

    if not isinstance(error, APIError):
        runtime.hook_failed("relay", error)


def _forbid_retry(error: Any) -> None:
    """What was heard would be heard again."""
    if hasattr(error, "retryable"):
        error.retryable = False


def silent(inner: Any, passage: Passage, runtime: Runtime) -> Exception:
    """The error of a member that serves in another's place and says nothing; noted on its own record."""
    error = _silent(passage.member.model, passage.journey.silence_s)
    record: RequestRecord | None = getattr(inner, RECORD, None)
    if record is not None:
        failure.attempt_failed(record, runtime, error)
    return error


def _silent(model: str, silence_s: float) -> Exception:
    from livekit.agents import APITimeoutError

    return APITimeoutError(f"voicegateway: {model} was silent for {silence_s:.1f} s, and another model is left")


async def _first_of(*futures: "asyncio.Future[Any]", timeout_s: float | None = None) -> bool:
    """Wait for the first of them; say whether it came in time."""
    done, _ = await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def stop(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has stopped; its error, if it has one, has been told or belongs to nobody."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=CANCEL_S_MAX)
    if task.done() and not task.cancelled():
        task.exception()


def once(options: Any) -> Any:
    """The connection options of a member that serves in another's place: it is tried once."""
    from livekit.agents import APIConnectOptions

    return APIConnectOptions(max_retry=0, retry_interval=options.retry_interval, timeout=options.timeout)


def sooner(options: Any, timeout_s: float) -> Any:
    """The same connection options with a timeout that is no longer than this."""
    return dataclasses.replace(options, timeout=min(options.timeout, timeout_s))
