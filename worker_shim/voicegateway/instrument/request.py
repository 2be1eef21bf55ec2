"""One request's life, the same for every modality: begin, attempts, first byte, end. Nothing here may raise."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import Token
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context

from voicegateway import tracing
from voicegateway.budgets.refusal import BudgetRefused
from voicegateway.health.observing import attempt_began, observe_attempt
from voicegateway.identity import current_identity
from voicegateway.instrument import admission, failure, farewell, lent_key, node, relay, wire
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.owner import live_session
from voicegateway.instrument.relay import Relay
from voicegateway.outbox import Intent
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.runtime import Runtime, current_runtime
from voicegateway.sessions import TARGETS_MAX
from voicegateway.target import model_of, target_of
from voicegateway_shared.usage import Outcome

INTENT_WAIT_S: Final = 0.05
"""The intent is committed in well under a millisecond; on a stuck disk the call goes on after this."""


def is_nested(plugin: Any) -> bool:
    """True inside a request of the same instance: `synthesize()` that uses its own `stream()` is one request."""
    current = CURRENT.get()
    return current is not None and current.owner is plugin and current.outcome is None


def open_record(plugin: Any, facts: PluginFacts, *, model: str = "", **fields: Any) -> RequestRecord:
    """Make the record of a starting request from the job around it; its model is the plugin's, unless it is named."""
    identity = current_identity()
    runtime = current_runtime()
    project = facts.project or identity.project or runtime.options.project
    record = RequestRecord(
        facts=lent_key.renewed_facts(plugin, facts, runtime, project),
        identity=identity,
        project=project,
        model=model or model_of(plugin),
        owner=plugin,
        speech_id=_speech_id(),
        loan=getattr(plugin, lent_key.LOAN, None),
        live=live_session(runtime, identity),
        **fields,
    )
    if record.live is not None and len(record.live.targets) < TARGETS_MAX:
        record.live.targets.add(target_of(record))
    runtime.guards.began(record)
    return record


class entered:  # noqa: N801 - reads as a word in a with statement
    """Context in which a plugin makes its stream: its tasks inherit our span and the current record."""

    __slots__ = ("_record", "_scope", "_token")

    def __init__(self, record: RequestRecord) -> None:
        self._record = record
        self._scope: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token: Token[RequestRecord | None] = CURRENT.set(self._record)
        span = self._record.span
        # Without tracing there is nothing to nest under, and a context less for every task of the stream.
        if span is not None and span.get_span_context().is_valid:
            self._scope = context.attach(trace.set_span_in_context(span))

    def __exit__(self, *exc: Any) -> None:
        if self._scope is not None:
            context.detach(self._scope)
        CURRENT.reset(self._token)


def is_made_by_another(stream: Any, record: RequestRecord) -> bool:
    """Whether a plugin had its stream made by another metered one: it is that one's request, and ours is let go."""
    if getattr(stream, relay.RECORD, None) is None:
        return False
    if record.span is not None:
        record.span.end()
    return True


def follow(
    stream: Any, task: asyncio.Task[Any], record: RequestRecord, runtime: Runtime, relayed: Relay | None = None
) -> None:
    """Hook a new stream: count its attempts, wait for the intent, settle when its task ends.

    With `relayed` the members of its route serve when its own vendor does not.
    """
    intent = runtime.begin(record)
    record.stream = stream
    setattr(stream, relay.RECORD, record)
    relay.note_decision(record)
    stream._run = _counted_run(stream._run, record, runtime, intent, relayed)
    task.add_done_callback(functools.partial(_ended, record, runtime))


def _counted_run(
    run: Callable[..., Awaitable[Any]], record: RequestRecord, runtime: Runtime, intent: Intent, relayed: Relay | None
) -> Callable[..., Awaitable[Any]]:
    async def counted_run(*args: Any) -> Any:
        if record.attempts == 0 and not intent.durable:
            await intent_durable(intent, runtime)
        relay.begin_round(record)
        try:
            return await attempt(*args)
        except farewell.SessionEnds as refused:
            farewell.note(record, refused)
            await farewell.turn_away(record, runtime, refused)
        except BudgetRefused as refused:
            farewell.note(record, refused)
            if not await relay.hand_over(record, runtime, relayed, refused):
                await farewell.turn_away(record, runtime, refused)
        except Exception as error:
            if not await relay.hand_over(record, runtime, relayed, error):
                raise
        return None

    async def attempt(*args: Any) -> Any:
        admitted = await admitted_by_all(record, runtime)
        record.begin_attempt()
        attempt_began(record, runtime)
        if args:
            _watch_audio(args[0], record, runtime)
        try:
            result = await relay.attempt(record, runtime, relayed, run, args)
            observe_attempt(record, runtime, None)
            if not record.passed_on:
                relay.note_served(record)
            return result
        except asyncio.CancelledError as cancelled:
            observe_attempt(record, runtime, cancelled)
            raise
        except Exception as error:
            if not record.passed_on:
                # Else it is the error of the one who overtook it.
                failure.attempt_failed(record, runtime, error)
            raise
        finally:
            if admitted is not None:
                admitted.settle()

    return counted_run


async def admitted_by_all(record: RequestRecord, runtime: Runtime) -> admission.Admission | None:
    """Ask guards, budgets and limits; None when none of them counts this attempt.

    Raises:
        SessionEnds: its session is ending.
        BudgetRefused: a guard has stopped it, or a budget has not enough.
        APIStatusError: 429, a limit is used up; 401, the key that was lent for it is gone.
    """
    lent_key.admit(record, runtime)
    if (refusal := farewell.refusal_of_our_own(record, runtime)) is not None:
        raise BudgetRefused(refusal)
    try:
        admitted = admission.ask(record, runtime)
        if isinstance(admitted, admission.Pending):
            admitted = await admitted.admitted()
    except BudgetRefused:
        if not farewell.is_goodbye(record):
            raise
        admitted = None
    if record.live is not None and record.modality == "llm":
        record.live.paid.append(record.speech_id)
    return admitted


def _watch_audio(emitter: Any, record: RequestRecord, runtime: Runtime) -> None:
    """Note an attempt's first audio where the plugin hands it over: what it emits later lags behind by a frame."""
    try:
        push = emitter.push
    except AttributeError as error:
        runtime.hook_failed("audio", error)
        return

    attempt = record.attempt
    journey = relay.journey_of(record)

    def first_push(data: bytes) -> None:
        attempt.is_answered = True
        emitter.push = push
        if journey is not None:
            journey.hear()
        push(data)

    emitter.push = first_push


async def intent_durable(intent: Intent, runtime: Runtime) -> None:
    """Wait until a kill -9 can no longer hide that this request started; bounded, and never an error."""
    try:
        await intent.wait_durable(asyncio.get_running_loop(), INTENT_WAIT_S)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        runtime.hook_failed("intent", error)


def _ended(record: RequestRecord, runtime: Runtime, task: asyncio.Task[Any]) -> None:
    record.ended_ns = record.started_ns + record.duration_ns
    # The plugin's own metrics of the same moment come from a task that ends by itself once this one has.
    metrics_task: asyncio.Task[Any] | None = getattr(record.stream, "_metrics_task", None)
    if metrics_task is None:
        task.get_loop().call_soon(finish, record, runtime, task)
    else:
        metrics_task.add_done_callback(lambda _: finish(record, runtime, task))


def finish(record: RequestRecord, runtime: Runtime, task: asyncio.Task[Any]) -> None:
    """Settle a request by how its task ended."""
    outcome: Outcome = "ok"
    if record.passed_on:
        # Its own vendor's part ended when another took over; the stream's end is the other's.
        outcome = "cancelled" if record.is_overtaken else "error"
        if not record.is_overtaken:
            record.end_failed_attempt()
        if not task.cancelled():
            task.exception()
    elif record.is_turned_away:
        outcome = "error"
        if not task.cancelled():
            task.exception()
    elif task.cancelled():
        # A streaming transcription is always ended by closing it.
        outcome = "ok" if record.modality == "stt" else "cancelled"
        record.end_unsent_attempt()
    elif (error := task.exception()) is not None:
        outcome = "error"
        record.end_failed_attempt()
        if not record.error_type:
            failure.note_error(record, error)
    settle(record, runtime, outcome)


def settle(record: RequestRecord, runtime: Runtime, outcome: Outcome) -> None:
    """Hand a finished request to the outbox and end its span, once nothing more of it is sent or works for it."""
    record.ended_ns = record.ended_ns or record.started_ns + record.duration_ns
    if outcome != "error":
        # What no task of ours made, such as a realtime response, is observed here; everything else was before.
        observe_attempt(record, runtime, None)
    settled = functools.partial(_settled, record, runtime, outcome)
    wire.once_sent(record, functools.partial(node.once_free, record, settled))


def _settled(record: RequestRecord, runtime: Runtime, outcome: Outcome) -> None:
    try:
        runtime.settle(record, outcome)
        tracing.end_span(record)
        runtime.guards.ended(record)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        runtime.hook_failed("settle", error)
    finally:
        record.stream = record.owner = record.live = record.passage = record.loan = None


def _speech_id() -> str:
    variable = farewell.speech_variable()
    handle = variable.get(None) if variable is not None else None
    return "" if handle is None else str(getattr(handle, "id", "") or "")
