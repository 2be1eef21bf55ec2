"""One simulated connection to `/v1/realtime`: a conversation by voice, or (`intent=transcription`) its hearing alone.

Each response is billed for the whole conversation before it and for all that the model made, also when it was
cancelled or nobody was there any more to hear it; each transcription for its audio and its text.
"""

import asyncio
import base64
import json
import re
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from aiohttp import WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_transcription import transcription_usage
from voicegateway.testing.vendors.openai_transcription import usage_body as heard_body
from voicegateway.testing.vendors.realtime_conversation import Conversation
from voicegateway.testing.vendors.realtime_response import SAMPLE_RATE, RealtimeResponse
from voicegateway.testing.vendors.server import abort
from voicegateway.testing.vendors.truth import OK
from voicegateway.testing.vendors.utterances import SAMPLE_BYTES, Heard, UtteranceDetector

if TYPE_CHECKING:
    from voicegateway.testing.vendors.openai import OpenAISimulator

SILENCE_MS: Final = 200
"""How long somebody must be silent until the turn is theirs who listen; sessions that say otherwise are heeded."""
_VERBATIM: Final = re.compile(r'word for word[^"]*"([^"]+)"')
"""It does as it is told."""
BYTES_PER_MS: Final = SAMPLE_RATE * SAMPLE_BYTES // 1000


class RealtimeConnection:
    """Lives as long as its websocket."""

    def __init__(
        self,
        sim: "OpenAISimulator",
        http: web.Request,
        socket: web.WebSocketResponse,
        *,
        model: str,
        is_transcription: bool,
    ) -> None:
        self._sim, self._http, self._socket, self._model = sim, http, socket, model
        self._is_transcription = is_transcription
        self._conversation = Conversation()
        self._transcription: Mapping[str, Any] = {}
        self._turns: Mapping[str, Any] | None = {"type": "server_vad"}
        self._has_audio = True
        self._heard_ms = 0
        self._buffer_ms = 0
        self._ear: UtteranceDetector | None = None
        self._turn_id = ""
        self._response: RealtimeResponse | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies = 0
        self._opened = time.monotonic_ns()
        self._rule: FaultRule | None = sim.faults.next("transcription_audio") if is_transcription else None

    async def run(self) -> None:
        """Serve until the connection closes; whatever is being said then is billed as far as it was made."""
        session_id = f"sess_{uuid4().hex}"
        accepted = self._sim.truth.accept(
            request_id=session_id, modality="stt" if self._is_transcription else "realtime", model=self._model
        )
        try:
            await self._tell("session.created", session={"id": session_id, "object": "realtime.session"})
            async for message in self._socket:
                if message.type != WSMsgType.TEXT:
                    break
                await self._hear(json.loads(message.data))
        except ConnectionError:
            # Writing failed: the client left.
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            if self._response is not None:
                self._response.end(self._sim.outcome_of_break)
            open_ms = (time.monotonic_ns() - self._opened) // 1_000_000
            usage = {"session_ms": open_ms, "socket_open_ms": open_ms, "audio_sent_ms": self._heard_ms}
            # No model that is simulated here is billed by the time of its session.
            accepted.end(outcome=self._sim.outcome_of_break, usage=usage, billed=False)

    async def _tell(self, kind: str, **facts: Any) -> None:
        if not self._socket.closed:
            await self._socket.send_str(json.dumps({"type": kind, "event_id": f"event_{uuid4().hex}", **facts}))

    async def _hear(self, event: Mapping[str, Any]) -> None:
        handler = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }.get(str(event.get("type")))
        if handler is None:
            await self._refuse(event, "invalid_value", f"unknown event {event.get('type')}")
            return
        await handler(event)

    async def _refuse(self, event: Mapping[str, Any], code: str, message: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        await self._tell("error", error={**error, "event_id": event.get("event_id")})

    async def _update(self, event: Mapping[str, Any]) -> None:
        session = event.get("session") or {}
        audio = (session.get("audio") or {}).get("input") or {}
        if "transcription" in audio:
            self._transcription = audio["transcription"] or {}
        if "turn_detection" in audio:
            self._turns = audio["turn_detection"]
        if "output_modalities" in session:
            self._has_audio = "audio" in session["output_modalities"]
        self._conversation.instructions = session.get("instructions") or self._conversation.instructions
        self._conversation.tools = session.get("tools") or self._conversation.tools
        silence_ms = (self._turns or {}).get("silence_duration_ms") or SILENCE_MS
        if self._ear is None:
            self._ear = UtteranceDetector(
                sample_rate=SAMPLE_RATE,
                channels=1,
                script=self._sim.options.heard,
                first=self._sim.seed,
                endpointing_ms=silence_ms,
                interim_every_ms=200,
            )
        await self._tell("session.updated", session=session)

    async def _append(self, event: Mapping[str, Any]) -> None:
        pcm = base64.b64decode(event["audio"])
        ms = len(pcm) // BYTES_PER_MS
        self._heard_ms += ms
        self._buffer_ms += ms
        if self._rule is not None and self._heard_ms >= self._rule.after_audio_ms:
            await self._strike(self._rule)
        if self._turns is None or self._ear is None:
            return
        for heard in self._ear.push(pcm):
            await self._notice(heard)

    async def _strike(self, rule: FaultRule) -> None:
        self._rule = None
        if rule.kind == "vendor_error":
            error = {"type": "server_error", "code": "server_error", "message": "simulated error", "param": None}
            await self._tell("error", error=error)
        elif rule.kind == "abort_mid_stream":
            abort(self._http)
        elif rule.kind == "stall":
            await asyncio.sleep(rule.stall_s)
        else:
            await self._socket.close()

    async def _notice(self, heard: Heard) -> None:
        """Take turns, as the server does when it was told to."""
        if heard.kind == "started":
            self._turn_id = f"item_{uuid4().hex}"
            started = {"item_id": self._turn_id, "audio_start_ms": heard.start_ms}
            await self._tell("input_audio_buffer.speech_started", **started)
            if (self._turns or {}).get("interrupt_response", True):
                self._interrupt("turn_detected")
        elif heard.kind == "final":
            stopped = {"item_id": self._turn_id, "audio_end_ms": heard.end_ms}
            await self._tell("input_audio_buffer.speech_stopped", **stopped)
            await self._take_turn(self._turn_id, heard.text, heard.end_ms - heard.start_ms)
            if not self._is_transcription and (self._turns or {}).get("create_response", True):
                self._start_response(None, None)

    async def _commit(self, event: Mapping[str, Any]) -> None:
        if not self._buffer_ms:
            await self._refuse(event, "input_audio_buffer_commit_empty", "the buffer is empty")
            return
        script = self._sim.options.heard
        await self._take_turn(f"item_{uuid4().hex}", script[self._replies % len(script)], self._buffer_ms)

    async def _take_turn(self, item_id: str, text: str, audio_ms: int) -> None:
        self._buffer_ms = 0
        previous = self._conversation.last_id
        self._conversation.add_heard(item_id, audio_ms)
        await self._tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "user", "status": "completed"}
        await self._tell("conversation.item.added", previous_item_id=previous, item={**item, "content": content})
        if self._transcription:
            self._spawn(self._transcribe(item_id, text, audio_ms))

    async def _transcribe(self, item_id: str, text: str, audio_ms: int) -> None:
        model = str(self._transcription.get("model") or "gpt-4o-mini-transcribe")
        prompt = str(self._transcription.get("prompt") or "")
        usage = transcription_usage(model, audio_ms=audio_ms, prompt=prompt, text=text)
        context = {"mode": "streaming" if self._is_transcription else "realtime"}
        accepted = self._sim.truth.accept(request_id=item_id, modality="stt", model=model, context=context)
        try:
            await asyncio.sleep(self._sim.options.transcript_ms / 1000)
        finally:
            accepted.end(outcome=OK, usage=usage)
        place = {"item_id": item_id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        await self._tell(f"{kind}.delta", **place, delta=text)
        await self._tell(f"{kind}.completed", **place, transcript=text, usage=heard_body(usage))

    async def _clear(self, event: Mapping[str, Any]) -> None:
        self._buffer_ms = 0
        await self._tell("input_audio_buffer.cleared")

    async def _create_item(self, event: Mapping[str, Any]) -> None:
        item = {**event["item"], "id": event["item"].get("id") or f"item_{uuid4().hex}"}
        previous = event.get("previous_item_id") or self._conversation.last_id
        self._conversation.add_given(item)
        await self._tell("conversation.item.added", previous_item_id=previous, item={**item, "status": "completed"})

    async def _delete_item(self, event: Mapping[str, Any]) -> None:
        if self._conversation.items.pop(event["item_id"], None) is None:
            await self._refuse(event, "item_delete_invalid_item_id", "no such item")
            return
        await self._tell("conversation.item.deleted", item_id=event["item_id"])

    async def _truncate_item(self, event: Mapping[str, Any]) -> None:
        facts = {name: event.get(name) for name in ("item_id", "content_index", "audio_end_ms")}
        await self._tell("conversation.item.truncated", **facts)

    async def _create_response(self, event: Mapping[str, Any]) -> None:
        asked = event.get("response") or {}
        if self._response is not None and not self._response.is_done:
            await self._refuse(event, "conversation_already_has_active_response", "a response is in progress")
            return
        if self._sim.options.created_ms:
            self._spawn(self._create_later(asked))
        else:
            self._start_response(asked.get("instructions"), asked.get("metadata"))

    async def _create_later(self, asked: Mapping[str, Any]) -> None:
        await asyncio.sleep(self._sim.options.created_ms / 1000)
        self._start_response(asked.get("instructions"), asked.get("metadata"))

    def _start_response(self, instructions: str | None, metadata: Any) -> None:
        options = self._sim.options
        key = f"{self._sim.seed}\0{self._replies}"
        reply = options.replies[zlib.crc32(key.encode()) % len(options.replies)]
        if instructions is not None and (told := _VERBATIM.search(instructions)):
            reply = told[1]
        self._replies += 1
        response = self._response = RealtimeResponse(
            conversation=self._conversation,
            reply=reply,
            instructions=instructions,
            metadata=metadata,
            has_audio=self._has_audio,
            options=options,
            rule=self._sim.faults.next("realtime_response"),
            tell=self._tell,
        )
        response.accepted = self._sim.truth.accept(request_id=response.id, modality="realtime", model=self._model)
        self._spawn(response.run(self._break_off))

    async def _break_off(self, is_abrupt: bool) -> None:
        if is_abrupt:
            abort(self._http)
        else:
            await self._socket.close()

    async def _cancel_response(self, event: Mapping[str, Any]) -> None:
        if not self._interrupt("client_cancelled"):
            await self._refuse(event, "response_cancel_not_active", "Cancellation failed: no active response found")

    def _interrupt(self, reason: str) -> bool:
        response = self._response
        if response is None or response.is_done:
            return False
        response.cancelled_by = reason
        response.is_cancelled.set()
        return True

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # It is a ConnectionError when the client left while it was told something; anything else is ours.
        if error is not None and not isinstance(error, ConnectionError):
            task.get_loop().call_exception_handler({"message": "a simulated response failed", "exception": error})
