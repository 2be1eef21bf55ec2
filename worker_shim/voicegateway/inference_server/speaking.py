"""Speaking: `/v1/tts`, one utterance after another over a websocket that the client keeps."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from livekit import rtc
from livekit.agents import APIConnectOptions, tts
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

from voicegateway.identity import on_behalf_of
from voicegateway.inference.arguments import plugin_arguments, with_variant
from voicegateway.inference.members import Member
from voicegateway.inference_server.caller import Caller
from voicegateway.inference_server.plugins import Plugins
from voicegateway.inference_server.problems import bad_request
from voicegateway.inference_server.socket import (
    Socket,
    extra_of,
    fallbacks_of,
    mapping_of,
    options_of,
    sample_rate_of,
    text_of,
)
from voicegateway_shared.ids import new_request_id

SAMPLE_RATE_DEFAULT: Final = 24_000
TEXT_CHARACTERS_MAX: Final = 100_000
"""Of one utterance: an hour and more of speech."""


class Speaking:
    """Serves one connection. Lives as long as it."""

    def __init__(self, socket: Socket, model: str, caller: Caller, plugins: Plugins) -> None:
        self._socket, self._model, self._caller, self._plugins = socket, model, caller, plugins
        self._told: Mapping[str, Any] = {}
        self._rate = SAMPLE_RATE_DEFAULT
        self._options = APIConnectOptions()
        self._utterance: Utterance | None = None

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is being spoken, and not just a socket kept."""
        return self._utterance is not None

    async def serve(self) -> None:
        """Speak until the client leaves; what is being spoken then is cancelled.

        Raises:
            Problem, ConfigurationError, APIError: why it ends.
        """
        self._told = await self._socket.created()
        self._rate = sample_rate_of(self._told, SAMPLE_RATE_DEFAULT)
        self._options = options_of(self._told)
        self._prewarm()
        await self._socket.send({"type": "session.created", "session_id": new_request_id()})
        try:
            await self._read()
        finally:
            if self._utterance is not None:
                await self._utterance.cancel()

    def _prewarm(self) -> None:
        """Let the vendor's connection be opened while the agent still thinks."""
        held = self._plugins.hold("tts", self._members({}), self._caller.identity)
        try:
            held.plugin.prewarm()
        finally:
            self._plugins.let_go(held)

    async def _read(self) -> None:
        messages = self._socket.messages()
        pending: asyncio.Task[Mapping[str, Any] | None] | None = None
        try:
            while True:
                pending = pending or asyncio.create_task(_next(messages))
                waiting = {pending} if self._utterance is None else {pending, self._utterance.task}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if self._utterance is not None and self._utterance.task.done():
                    utterance, self._utterance = self._utterance, None
                    utterance.task.result()
                    continue
                if not pending.done():
                    continue
                message, pending = pending.result(), None
                if message is None or not await self._heard(message):
                    return
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)

    async def _heard(self, message: Mapping[str, Any]) -> bool:
        """Act on a message; False when it was the last."""
        kind = message.get("type")
        if kind == "session.close":
            return False
        if kind not in ("input_transcript", "session.flush"):
            raise bad_request(f"a message of type {kind!r} is not known")
        if self._utterance is not None and self._utterance.is_whole:
            # One after the other: clients wait for `done` before they say more.
            utterance, self._utterance = self._utterance, None
            await utterance.task
        if kind == "input_transcript":
            if self._utterance is None:
                self._utterance = self._begun(message)
            self._utterance.push(text_of(message, "transcript"))
        elif self._utterance is None:
            await self._socket.send({"type": "done", "session_id": new_request_id()})
        else:
            self._utterance.end()
        return True

    def _begun(self, message: Mapping[str, Any]) -> "Utterance":
        if (refusal := self._caller.refusal()) is not None:
            raise refusal
        held = self._plugins.hold("tts", self._members(message), self._caller.identity)
        try:
            with on_behalf_of(self._caller.identity):
                stream = _stream_of(held.plugin, self._options)
        except BaseException:
            self._plugins.let_go(held)
            raise
        utterance = Utterance(self._socket, stream, self._rate, provider=held.plugin._voicegateway_facts.provider)
        utterance.task.add_done_callback(lambda _: self._plugins.let_go(held))
        utterance.task.add_done_callback(lambda _: self._voiced(utterance))
        return utterance

    def _voiced(self, utterance: "Utterance") -> None:
        if self._caller.session is not None and self._caller.sentence:
            self._caller.session.voiced(utterance.spoken_s)

    def _members(self, message: Mapping[str, Any]) -> list[Member]:
        """What is to speak: as this message says, or as the session began."""
        told, said = self._told, mapping_of(message, "generation_config")
        model = text_of(said, "model") or text_of(told, "model") or self._model
        if not model:
            raise bad_request("no model is named: write provider/model:voice, for example 'cartesia/sonic-3:…'")
        voice = text_of(said, "voice") or text_of(told, "voice")
        language = text_of(said, "language") or text_of(told, "language")
        extra = extra_of(message) or extra_of(told)
        members = [self._member(model, voice, language, extra)]
        for each in fallbacks_of(told):
            members.append(self._member(text_of(each, "model"), text_of(each, "voice"), "", extra_of(each)))
        return members

    def _member(self, model: str, voice: str, language: str, extra: Mapping[str, Any]) -> Member:
        options = plugin_arguments(model, "tts", language=language, sample_rate=self._rate, extra=extra)
        if voice and "/" not in model:
            options["voice"] = voice
        return Member(model=with_variant(model, voice), options=options)


class Utterance:
    """One text that is spoken as it comes. Lives until all of it was sent, or it was cancelled."""

    def __init__(self, socket: Socket, stream: Any, rate: int, *, provider: str) -> None:
        self._socket, self._stream, self._rate, self._provider = socket, stream, rate, provider
        self._id = new_request_id()
        self._characters = 0
        self._resampler: rtc.AudioResampler | None = None
        self.is_whole = False
        """Its text has ended."""
        self.spoken_s = 0.0
        self.task = asyncio.create_task(self._speak(), name="voicegateway-utterance")

    def push(self, text: str) -> None:
        """Speak this too.

        Raises:
            Problem: it becomes too long.
        """
        self._characters += len(text)
        if self._characters > TEXT_CHARACTERS_MAX:
            raise bad_request(f"an utterance has at most {TEXT_CHARACTERS_MAX} characters")
        if text:
            self._stream.push_text(text)

    def end(self) -> None:
        """Its text ends here."""
        self.is_whole = True
        self._stream.end_input()

    async def cancel(self) -> None:
        """Stop speaking; what the vendor was sent is metered."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _speak(self) -> None:
        try:
            async for audio in self._stream:
                await self._send(audio.frame)
            for frame in self._resampler.flush() if self._resampler is not None else ():
                await self._send_audio(frame)
            await self._socket.send({"type": "done", "session_id": self._id})
        finally:
            await self._stream.aclose()

    async def _send(self, frame: rtc.AudioFrame) -> None:
        if words := frame.userdata.get(USERDATA_TIMED_TRANSCRIPT):
            await self._socket.send(
                {"type": "output_alignment", "session_id": self._id, "words": [self._word(each) for each in words]}
            )
        if frame.sample_rate == self._rate:
            await self._send_audio(frame)
            return
        if self._resampler is None:
            self._resampler = rtc.AudioResampler(
                input_rate=frame.sample_rate, output_rate=self._rate, num_channels=frame.num_channels
            )
        for resampled in self._resampler.push(frame):
            await self._send_audio(resampled)

    async def _send_audio(self, frame: rtc.AudioFrame) -> None:
        self.spoken_s += frame.duration
        audio = base64.b64encode(frame.data).decode()
        await self._socket.send({"type": "output_audio", "session_id": self._id, "audio": audio})

    def _word(self, word: Any) -> dict[str, Any]:
        # LiveKit's client puts a blank behind each word of this one vendor.
        text = str(word).removesuffix(" ") if self._provider == "cartesia" else str(word)
        return {"word": text, "start": _number(word, "start_time"), "end": _number(word, "end_time")}


async def _next(messages: AsyncIterator[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return await anext(messages, None)


def _number(word: Any, name: str) -> float:
    value = getattr(word, name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _stream_of(plugin: Any, options: APIConnectOptions) -> Any:
    """Vendors that take a text only whole get it sentence by sentence."""
    if plugin.capabilities.streaming:
        return plugin.stream(conn_options=options)
    return tts.StreamAdapter(tts=plugin).stream(conn_options=options)
