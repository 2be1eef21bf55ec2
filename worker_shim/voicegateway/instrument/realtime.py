"""Realtime models: one record per response, one per session for its time, and one per transcript that is billed apart.

LiveKit's engine of OpenAI's protocol shows each event as it comes: what the vendor tells there counts, of responses
that the plugin drops too. Of other vendors' sessions the plugin's own metrics are taken.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from voicegateway import tracing
from voicegateway.health.observing import observe_attempt
from voicegateway.identity import current_identity
from voicegateway.instrument import (
    failure,
    lent_key,
    realtime_admission,
    realtime_usage,
    request,
    vendor_signals,
    vendor_usage,
)
from voicegateway.realtime_count import ResponseCount, SessionCount
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.runtime import Runtime, current_runtime
from voicegateway.target import model_of
from voicegateway.turn_count import TurnCount
from voicegateway_shared.usage import Outcome

RESPONSES_MAX: Final = 64
"""Open at once in one session: there is one, and one that was asked for; more are lost ones."""
NS_PER_S: Final = 1_000_000_000
SERVER_EVENT: Final = "openai_server_event_received"
CLIENT_EVENT: Final = "openai_client_event_queued"
_SPOKEN: Final = frozenset(("response.output_audio.delta", "response.audio.delta"))
_WRITTEN: Final = frozenset(
    (
        "response.output_text.delta",
        "response.text.delta",
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
        "response.function_call_arguments.delta",
    )
)
_OUTCOMES: Final[Mapping[str, Outcome]] = {"completed": "ok", "incomplete": "ok", "cancelled": "cancelled"}


def methods(cls: Any) -> dict[str, Any]:
    """The methods that a dynamic subclass of an `llm.RealtimeModel` overrides."""

    def session(self: Any, *args: Any, **kwargs: Any) -> Any:
        _renew(self)
        made = cls.session(self, *args, **kwargs)
        try:
            SessionMeter(self, made, current_runtime()).watch()
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("realtime.session", error)
        return made

    return {"session": session}


def _renew(plugin: Any) -> None:
    """Bring a leased key up to date before a session takes it.

    Raises:
        APIStatusError: 401, it is gone and there is no other.
    """
    if getattr(plugin, lent_key.LOAN, None) is None:
        return
    runtime = current_runtime()
    facts: PluginFacts = plugin._voicegateway_facts
    try:
        project = facts.project or current_identity().project or runtime.options.project
        loan = lent_key.current_loan(plugin, runtime, project)
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("keys.realtime", error)
        return
    if loan is None:
        raise lent_key.refusal(plugin, model_of(plugin))


class SessionMeter:
    """Counts one realtime session. Lives as long as it, on its loop; ended with it, or with its process."""

    def __init__(self, plugin: Any, session: Any, runtime: Runtime) -> None:
        self.session, self.runtime = session, runtime
        self.loop = asyncio.get_running_loop()
        self._plugin = plugin
        self._facts: PluginFacts = plugin._voicegateway_facts
        self._has_events = hasattr(session, "_create_ws_conn") and hasattr(session, "send_event")
        self.record = self._open(SessionCount())
        self._asked: OrderedDict[str, RequestRecord] = OrderedDict()
        """Responses that were asked for and are not created yet, by the id of the event that asked."""
        self._asked_bare: deque[str] = deque(maxlen=RESPONSES_MAX)
        """Of them those whose asker does not have his id told back: events that were sent past `generate_reply`."""
        self._created: OrderedDict[str, RequestRecord] = OrderedDict()
        """Responses that are being made, by their ids."""
        self._done: dict[str, RequestRecord] = {}
        """Those that are done, until the plugin has told of them too: within the same step."""
        self._done_ids: deque[str] = deque(maxlen=RESPONSES_MAX)
        """The last of them: what is told twice was made once."""
        self._turns = TurnCount()
        """Of the user, that are transcribed."""
        self._context = {"input_tokens": 0, "input_audio_tokens": 0}
        """What the conversation came to with the last response that was told."""
        self._heard_ms = 0
        self._speech_started_ms = 0
        self._turn_ended_ns = 0
        self.is_ended = False

    def watch(self) -> None:
        """Hook the session."""
        session = self.session
        self.runtime.begin(self.record)
        session.on("metrics_collected", self._safely(self._on_metrics))
        session.on("error", self._safely(self._on_error))
        if self._has_events:
            session.on(SERVER_EVENT, self._safely(self._on_server_event))
            session.on(CLIENT_EVENT, self._safely(self._on_client_event))
            session.send_event = partial(self._sent, session.send_event)
            session._create_ws_conn = partial(self._connected, session._create_ws_conn)
            session._run_ws = partial(self._ran, session._run_ws)
        else:
            session.on("generation_created", self._safely(self._on_generation))
            self.record.begin_attempt()
            self.count.opened()
        session.generate_reply = realtime_admission.asked_first(session.generate_reply, self)
        session.aclose = partial(self._closed, session.aclose)
        main: asyncio.Task[None] | None = getattr(session, "_main_atask", None)
        if main is not None:
            main.add_done_callback(self._main_ended)

    @property
    def count(self) -> SessionCount:
        """The session's own."""
        counted: SessionCount = self.record.realtime
        return counted

    def response(self) -> RequestRecord:
        """Make the record of a response that is about to be asked for."""
        record = self._open(ResponseCount(**self._context, heard_ms=self._heard_ms))
        self.runtime.begin(record)
        if record.live is not None and self.record.live is None:
            self.record.live = record.live
        return record

    def asks(self, record: RequestRecord) -> None:
        """A reply is about to be asked for: where events are not seen, the next that is created is taken for it."""
        if not self._has_events:
            record.begin_attempt()
            self._keep(self._asked, record.request_id, record)
            self._asked_bare.append(record.request_id)

    def asked(self, record: RequestRecord, reply: "asyncio.Future[Any]") -> None:
        """It was asked for; where events are not seen, nothing else tells that there will be none."""
        if not self._has_events:
            reply.add_done_callback(partial(self._answered, record))

    def _answered(self, record: RequestRecord, reply: "asyncio.Future[Any]") -> None:
        error = None if reply.cancelled() else reply.exception()
        if (reply.cancelled() or error is not None) and self._asked.pop(record.request_id, None) is not None:
            if error is not None:
                failure.attempt_failed(record, self.runtime, error)
            self.settle(record, "cancelled" if error is None else "error")

    def settle(self, record: RequestRecord, outcome: Outcome) -> None:
        """End a record, once."""
        if record.outcome is not None:
            return
        if record.ticket is not None:
            record.ticket.settle()
        request.settle(record, self.runtime, outcome)

    def cancel(self, record: RequestRecord) -> None:
        """Have the vendor stop a response that it began by itself."""
        if self._has_events:
            self.session.send_event({"type": "response.cancel", "response_id": record.response_id})
        else:
            self.session.interrupt()

    def _open(self, count: Any, facts: PluginFacts | None = None, **fields: Any) -> RequestRecord:
        record = request.open_record(self._plugin, facts or self._facts, mode="realtime", realtime=count, **fields)
        tracing.start_span(record)
        return record

    def _safely(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        def handled(event: Any) -> None:
            try:
                handler(event)
            except Exception as error:  # noqa: BLE001 - TypeError from a handler reaches the audio pipeline
                self.runtime.hook_failed("realtime", error)

        return handled

    # --- what the client says -----------------------------------------------------------------------------------

    def _sent(self, send_event: Callable[[Any], None], event: Any) -> None:
        """Whoever asks for a response within `generate_reply` has its record; anybody else's is made here."""
        try:
            if _of(event, "type") == "response.create":
                asked = realtime_admission.ASKED.get()
                record = asked or self.response()
                key = str(_of(event, "event_id") or record.request_id)
                self._keep(self._asked, key, record)
                if asked is None:
                    self._asked_bare.append(key)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            self.runtime.hook_failed("realtime.send", error)
        send_event(event)

    def _on_client_event(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        if kind == "input_audio_buffer.append":
            # The length of base64 tells that of the audio.
            self.count.audio_bytes += len(event.get("audio") or "") * 3 // 4
        elif kind == "input_audio_buffer.commit":
            sent_ms = self.count.usage(self.record)["audio_sent_ms"]
            self._heard_ms += sent_ms - self._speech_started_ms
            self._speech_started_ms = sent_ms
            self._turn_ended_ns = time.monotonic_ns()
        elif kind == "response.create":
            record = self._asked.get(str(event.get("event_id")))
            if record is not None and not record.attempts:
                # It leaves now: it may have waited for the connection.
                record.begin_attempt()

    # --- what the vendor says -----------------------------------------------------------------------------------

    def _on_server_event(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("type"))
        if kind in _SPOKEN or kind in _WRITTEN:
            self._on_delta(event, is_audio=kind in _SPOKEN)
        elif kind == "response.created":
            self._on_created(_mapping(event.get("response")))
        elif kind == "response.done":
            self._on_done(_mapping(event.get("response")))
        elif kind == "error":
            self._on_refusal(_mapping(event.get("error")))
        elif kind == "input_audio_buffer.speech_started":
            self._speech_started_ms = int(event.get("audio_start_ms") or 0)
            self._turns.began(str(event.get("item_id")), self._speech_started_ms)
        elif kind == "input_audio_buffer.speech_stopped":
            self._turns.ended(str(event.get("item_id")), int(event.get("audio_end_ms") or 0))
            self._heard_ms += max(0, int(event.get("audio_end_ms") or 0) - self._speech_started_ms)
            self._turn_ended_ns = time.monotonic_ns()
        elif kind == "input_audio_buffer.committed" and self._transcriber:
            sent_ms = self.count.usage(self.record)["audio_sent_ms"]
            self._turns.taken(str(event.get("item_id")), sent_ms=sent_ms)
        elif kind == "conversation.item.input_audio_transcription.failed":
            self._turns.told(str(event.get("item_id")))
        elif kind == "conversation.item.input_audio_transcription.completed":
            self._turns.told(str(event.get("item_id")))
            self._on_transcript(event)

    def _on_created(self, response: Mapping[str, Any]) -> None:
        record = self._take_asked(_mapping(response.get("metadata")).get("client_event_id"))
        is_by_itself = record is None
        if record is None:
            record = self.response()
            if self._turn_ended_ns:
                # It answers to that.
                waited_ns, self._turn_ended_ns = record.started_ns - self._turn_ended_ns, 0
                record.started_ns -= waited_ns
                record.started_unix_ns -= waited_ns
        if not record.attempts:
            record.begin_attempt()
        record.vendor_id(str(response.get("id") or ""))
        self._keep(self._created, record.response_id, record)
        if is_by_itself:
            realtime_admission.ask_afterwards(record, self)

    def _on_delta(self, event: Mapping[str, Any], *, is_audio: bool) -> None:
        record = self._created.get(str(event.get("response_id")))
        if record is None:
            return
        delta = event.get("delta") or ""
        if is_audio:
            record.realtime.audio_bytes += len(delta) * 3 // 4
        else:
            record.realtime.text_characters += len(delta)
        # A transcript may run ahead of the voice that is waited for.
        if record.ttfb_ns < 0 and (is_audio or not str(event.get("type")).endswith("audio_transcript.delta")):
            record.first_byte(record.started_ns)
            record.attempt.is_answered = True

    def _on_done(self, response: Mapping[str, Any]) -> None:
        response_id = str(response.get("id") or "")
        if response_id and response_id in self._done_ids:
            return
        self._done_ids.append(response_id)
        record = self._created.pop(response_id, None)
        if record is None:
            # It was cancelled before it was created, as far as we heard.
            record = self._take_asked(_mapping(response.get("metadata")).get("client_event_id")) or self.response()
            record.begin_attempt()
            record.vendor_id(response_id)
        self._told(record, realtime_usage.of_event(response.get("usage")))
        status = str(response.get("status"))
        if status == "failed":
            record.realtime.is_refused = record.realtime.told is None
            error = _mapping(_mapping(response.get("status_details")).get("error"))
            self._failed(record, str(error.get("code") or error.get("type") or ""))
        else:
            observe_attempt(record, self.runtime, None)
        # What the plugin itself tells of it comes within the same step.
        outcome: Outcome = _OUTCOMES.get(status, "error")
        self._done[response_id] = record
        self.loop.call_soon(partial(self._finish, response_id, outcome))

    def _finish(self, response_id: str, outcome: Outcome) -> None:
        record = self._done.pop(response_id, None)
        if record is not None:
            self.settle(record, outcome)

    def _on_refusal(self, error: Mapping[str, Any]) -> None:
        """Of an error that answers a request for a response: there will be none."""
        record = self._asked.pop(str(error.get("event_id")), None)
        if record is not None:
            record.realtime.is_refused = True
            self._failed(record, str(error.get("code") or error.get("type") or ""))
            self.settle(record, "error")

    def _on_transcript(self, event: Mapping[str, Any]) -> None:
        """What hears the user for the transcript is another model, billed by itself."""
        usage = _mapping(event.get("usage"))
        if not usage or not self._transcriber:
            return
        record = self._transcript(str(event.get("item_id") or ""))
        seconds = usage.get("seconds")
        if isinstance(seconds, int | float):
            record.pushed = round(seconds * 1000)
        record.chunks = 1
        vendor_usage.note_transcription(record, usage)
        self.settle(record, "ok")

    @property
    def _transcriber(self) -> str:
        """The model that transcribes what the user says; nothing where none does."""
        options = getattr(getattr(self.session, "_opts", None), "input_audio_transcription", None)
        return str(getattr(options, "model", "") or "")

    def _transcript(self, turn: str) -> RequestRecord:
        """Make the record of a turn's transcript."""
        facts = replace(self._facts, modality="stt", model_string="", variant=None)
        record = self._open(None, facts, model=self._transcriber, pushed_rate=1000, is_push_whole=True)
        self.runtime.begin(record)
        record.begin_attempt()
        record.vendor_id(turn)
        return record

    def _lose_transcripts(self) -> None:
        """What was being transcribed is billed, and nobody is there any more to hear how much it was."""
        while self._turns.untold_ms:
            turn, turn_ms = self._turns.untold_ms.popitem()
            record = self._transcript(turn)
            record.pushed, record.turns = turn_ms, TurnCount()
            record.turns.taken(turn, sent_ms=turn_ms)
            self.settle(record, "cancelled")

    # --- what the plugin says -----------------------------------------------------------------------------------

    def _on_generation(self, event: Any) -> None:
        """Of a session whose events are not seen."""
        self._on_created({"id": getattr(event, "response_id", "") or ""})

    def _on_metrics(self, metrics: Any) -> None:
        if not hasattr(metrics, "input_token_details"):
            return
        told = realtime_usage.of_metrics(metrics)
        if self._has_events:
            record = self._done.get(metrics.request_id)
            if record is not None and told is not None:
                record.reported |= {meter: quantity for meter, quantity in told.items() if quantity}
            return
        record = self._created.pop(metrics.request_id, None)
        if record is None or told is None:
            return
        self._told(record, told)
        if metrics.ttft >= 0:
            record.ttfb_ns = round(metrics.ttft * NS_PER_S)
            record.attempt.is_answered = True
        observe_attempt(record, self.runtime, None)
        self.settle(record, "cancelled" if metrics.cancelled else "ok")

    def _on_error(self, event: Any) -> None:
        """Of a connection that broke: what was being made is lost, and billed as far as it was made."""
        error = getattr(event, "error", None)
        if type(error).__name__ == "APIConnectionError" and not self.is_ended:
            self._lose_responses(error)

    def _lose_responses(self, error: BaseException | None) -> None:
        for kept in (self._created, self._asked):
            while kept:
                _, record = kept.popitem()
                if error is not None and record.attempts:
                    failure.attempt_failed(record, self.runtime, error)
                self.settle(record, "cancelled" if error is None else "error")

    # --- the connection -----------------------------------------------------------------------------------------

    async def _connected(self, connect: Callable[[], Any]) -> Any:
        lent_key.admit(self.record, self.runtime)
        self.record.begin_attempt()
        try:
            return await connect()
        except Exception as error:
            failure.attempt_failed(self.record, self.runtime, error)
            raise

    async def _ran(self, run: Callable[[Any], Any], socket: Any) -> None:
        try:
            self.count.opened()
            headers = getattr(getattr(socket, "_response", None), "headers", None)
            if headers is not None:
                vendor_signals.note_headers(self.record, self.runtime, headers)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            self.runtime.hook_failed("realtime.socket", error)
        try:
            await run(socket)
        finally:
            self.count.closed()

    async def _closed(self, aclose: Callable[[], Any]) -> None:
        try:
            await aclose()
        finally:
            self._end("ok")

    def _main_ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.record.error_type:
            failure.note_error(self.record, error)
        self._end("ok" if error is None else "error")

    def _end(self, outcome: Outcome) -> None:
        if self.is_ended:
            return
        self.is_ended = True
        try:
            self._lose_responses(None)
            self._lose_transcripts()
            self.count.closed()
            self.settle(self.record, outcome)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            self.runtime.hook_failed("realtime.end", error)

    # --- bookkeeping --------------------------------------------------------------------------------------------

    def _told(self, record: RequestRecord, told: dict[str, int] | None) -> None:
        if told is None:
            return
        record.realtime.told = told
        self._heard_ms = 0
        # All that was taken and all that was made is taken again by the next.
        self._context = {
            "input_tokens": told["input_tokens"] + told["output_tokens"],
            "input_audio_tokens": told["input_audio_tokens"] + told["output_audio_tokens"],
        }

    def _failed(self, record: RequestRecord, code: str) -> None:
        failure.attempt_failed(record, self.runtime, _status_error(code))
        record.error_type = code or record.error_type

    def _take_asked(self, event_id: Any) -> RequestRecord | None:
        if event_id is not None:
            return self._asked.pop(str(event_id), None)
        while self._asked_bare:
            record = self._asked.pop(self._asked_bare.popleft(), None)
            if record is not None:
                return record
        return None

    def _keep(self, kept: "OrderedDict[str, RequestRecord]", key: str, record: RequestRecord) -> None:
        if self.is_ended:
            self.settle(record, "cancelled")
            return
        kept[key] = record
        if len(kept) > RESPONSES_MAX:
            _, lost = kept.popitem(last=False)
            self.settle(lost, "error")


def _status_error(code: str) -> Exception:
    from livekit.agents import APIStatusError

    status = vendor_usage.STATUS_OF_CODE.get(code, 400 if code.startswith("invalid") else 500)
    return APIStatusError(f"the response failed: {code}", status_code=status)


def _of(event: Any, name: str) -> Any:
    return event.get(name) if isinstance(event, Mapping) else getattr(event, name, None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
