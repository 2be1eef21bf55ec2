"""What simulated voices have in common: texts are spoken in order, as audio in chunks, and fail to order."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import abort
from voicegateway.testing.vendors.tone import encoded_tone, spoken_ms, tone_pcm
from voicegateway.testing.vendors.truth import OK

logger = logging.getLogger("voicegateway.testing.vendors")

TEXTS_MAX: Final = 1_024
"""Waiting to be spoken; a reply has some hundred words. A fuller queue holds the socket back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceOptions:
    """How a simulated voice behaves: it makes chunks of `chunk_ms`, one each `chunk_every_ms`."""

    first_chunk_ms: int = 80
    chunk_ms: int = 200
    chunk_every_ms: int = 100
    """Twice as fast as real time: slow enough that a caller can interrupt a voice that is still coming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """What a voice is written as."""

    container: Literal["pcm", "mp3"]
    """`pcm` is raw 16-bit samples."""
    sample_rate: int


async def chunks_of(text: str, *, audio: AudioFormat, start_ms: int, chunk_ms: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yield a text's audio piece by piece, each with the instant at which it ends; the tone goes on from `start_ms`."""
    end_ms = start_ms + spoken_ms(text)
    encoded = b""
    if audio.container != "pcm" and end_ms > start_ms:
        encoded = await asyncio.to_thread(
            encoded_tone,
            duration_ms=end_ms - start_ms,
            sample_rate=audio.sample_rate,
            response_format=audio.container,
        )
    now_ms = start_ms
    while now_ms < end_ms:
        until_ms = min(end_ms, now_ms + chunk_ms)
        if audio.container == "pcm":
            yield until_ms, tone_pcm(start_ms=now_ms, end_ms=until_ms, sample_rate=audio.sample_rate)
        else:
            first, last = (len(encoded) * (at - start_ms) // (end_ms - start_ms) for at in (now_ms, until_ms))
            yield until_ms, encoded[first:last]
        now_ms = until_ms


class Voice:
    """One voice that speaks. Lives as long as its context or connection, which closes it."""

    def __init__(
        self,
        *,
        options: VoiceOptions,
        audio: AudioFormat,
        send: Callable[[bytes], Awaitable[None]],
        strike: Callable[[FaultRule], Awaitable[None]],
    ) -> None:
        """`send` takes each chunk; `strike` breaks what a fault breaks, and nothing is spoken after it."""
        self.audio_ms = 0
        """Written so far."""
        self.rule: FaultRule | None = None
        """Of what is being spoken."""
        self.fault_outcome: str | None = None
        self._options = options
        self._audio = audio
        self._send = send
        self._strike = strike
        self._chunks = 0
        self._is_warm = False
        self._is_stopped = False
        self._waiting: asyncio.Queue[str | Callable[[], Awaitable[None]]] = asyncio.Queue(TEXTS_MAX)
        self._speaking: asyncio.Task[None] | None = None

    async def say(self, text: str) -> None:
        """Speak a text after those before it."""
        await self._queue(text)

    async def then(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something once everything before it is spoken."""
        await self._queue(act)

    def begin(self, rule: FaultRule | None) -> None:
        """Begin something new, that fails by a rule of its own."""
        self.rule, self._chunks, self._is_warm = rule, 0, False
        if rule is not None and rule.kind == "stall":
            self.fault_outcome = rule.outcome

    def stop(self) -> None:
        """Say no more, and do no more, after what is being done: for an act that ends it all."""
        self._is_stopped = True

    async def aclose(self) -> None:
        """Say no more."""
        if self._speaking is None:
            return
        self._speaking.cancel()
        (result,) = await asyncio.gather(self._speaking, return_exceptions=True)
        self._speaking = None
        while not self._waiting.empty():
            self._waiting.get_nowait()
        if isinstance(result, Exception):
            logger.error("a voice broke in the simulator", exc_info=result)

    async def _queue(self, item: str | Callable[[], Awaitable[None]]) -> None:
        await self._waiting.put(item)
        if self._speaking is None:
            self._speaking = asyncio.create_task(self._speak(), name="simulated voice")

    async def _speak(self) -> None:
        while not self._is_stopped:
            item = await self._waiting.get()
            if not isinstance(item, str):
                await item()
            elif not await self._speak_one(item):
                return

    async def _speak_one(self, text: str) -> bool:
        """Speak one text; return False if a fault broke it."""
        if not self._is_warm:
            self._is_warm = True
            if self.rule is not None and self.rule.kind == "stall":
                await asyncio.sleep(self.rule.stall_s)
            await asyncio.sleep(self._options.first_chunk_ms / 1000)
        chunks = chunks_of(text, audio=self._audio, start_ms=self.audio_ms, chunk_ms=self._options.chunk_ms)
        async for end_ms, chunk in chunks:
            if await self._is_struck():
                return False
            await self._send(chunk)
            self.audio_ms = end_ms
            self._chunks += 1
            await asyncio.sleep(self._options.chunk_every_ms / 1000)
        return not await self._is_struck()

    async def _is_struck(self) -> bool:
        rule = self.rule
        if rule is None or rule.kind == "stall" or self._chunks < rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        await self._strike(rule)
        return True


class SpokenAnswer:
    """The answer to one POST: a text as audio, as fast as a voice on a socket."""

    def __init__(
        self,
        *,
        request: web.Request,
        headers: dict[str, str],
        text: str,
        audio: AudioFormat,
        options: VoiceOptions,
        rule: FaultRule | None,
    ) -> None:
        self.audio_ms_written = 0
        self.fault_outcome: str | None = None
        self.response = web.StreamResponse(headers=headers)
        self._request = request
        self._text = text
        self._audio = audio
        self._options = options
        self._rule = rule
        self._chunks = 0

    @property
    def has_failed_silently(self) -> bool:
        """The vendor failed before any audio."""
        return self.audio_ms_written == 0 and self.fault_outcome is not None

    async def run(self) -> str | None:
        """Answer. Return the outcome, or None if a fault or the client ended it."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.first_chunk_ms / 1000)
        try:
            await self.response.prepare(self._request)
            chunks = chunks_of(self._text, audio=self._audio, start_ms=0, chunk_ms=self._options.chunk_ms)
            async for end_ms, chunk in chunks:
                if await self._is_struck():
                    return None
                await self.response.write(chunk)
                self.audio_ms_written = end_ms
                self._chunks += 1
                await asyncio.sleep(self._options.chunk_every_ms / 1000)
            if await self._is_struck():
                return None
            await self.response.write_eof()
        except ConnectionError:
            # Writing failed: the client left.
            return None
        return self.fault_outcome or OK

    async def _is_struck(self) -> bool:
        """Let the fault happen if it is time; return True if it broke the stream."""
        rule = self._rule
        if rule is None or rule.kind == "stall" or self._chunks != rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await self.response.write_eof()
        return True
