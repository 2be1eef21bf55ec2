"""What the tests of metering do with plugins: ask, listen, speak, each as an agent would."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from livekit import rtc
from livekit.agents import APIConnectOptions, stt
from livekit.agents.llm import ChatContext
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, conversation, silence, speech

SAID = "Hi, I'd like to know when my order will arrive."
"""What the simulated vendor hears in every utterance."""
UTTERANCE_MS = 1700
TEXT = "Hello there, this is a test of speech."
AUDIO_MS = 2714
"""How long the simulated vendor takes to say it."""
QUESTION = conversation("When will my order arrive?")


async def ask(llm: Any, context: ChatContext = QUESTION, *, options: APIConnectOptions = NO_RETRY) -> str:
    """Return the whole reply."""
    async with llm.chat(chat_ctx=context, conn_options=options) as stream:
        return "".join([chunk.delta.content or "" async for chunk in stream if chunk.delta])


def utterance() -> Iterable[rtc.AudioFrame]:
    """Return silence, speech and silence: the simulator answers with a sentence."""
    return [*silence(ms=500), *speech(ms=900), *silence(ms=300)]


async def transcribe(stream: Any, frames: Iterable[rtc.AudioFrame]) -> str:
    """Say something and return the first final transcript."""
    for frame in frames:
        stream.push_frame(frame)
    async for event in stream:
        if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
            return str(event.alternatives[0].text)
    raise AssertionError("the stream ended without a transcript")


async def converse(plugin: Any, *, options: Any = RETRY) -> str:
    """Open a stream, say something, close it once it was understood."""
    async with plugin.stream(conn_options=options) as stream:
        return await transcribe(stream, utterance())


@asynccontextmanager
async def prerecorded(*statuses: int) -> AsyncIterator[str]:
    """Run Deepgram's endpoint for recordings; it answers with these statuses, then 200. Yields its URL."""
    pending = list(statuses)

    async def listen(http: web.Request) -> web.Response:
        await http.read()
        status = pending.pop(0) if pending else 200
        if status == 0:
            await asyncio.sleep(60)
        if status != 200:
            return web.json_response({"err_code": "SIMULATED"}, status=status)
        alternative = {"transcript": SAID, "confidence": 0.99, "words": [{"word": "hi", "start": 0.1, "end": 0.2}]}
        channels = [{"alternatives": [alternative]}]
        return web.json_response({"metadata": {"request_id": "dg-1"}, "results": {"channels": channels}})

    app = web.Application()
    app.router.add_post("/v1/listen", listen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/listen"
    finally:
        await runner.cleanup()


async def stream_speech(voice: Any, text: str = TEXT, *, options: APIConnectOptions = NO_RETRY) -> float:
    """Return the seconds of audio streamed for a text."""
    async with voice.stream(conn_options=options) as stream:
        stream.push_text(text)
        stream.end_input()
        return math.fsum([audio.frame.duration async for audio in stream])


async def synthesize(voice: Any, text: str = TEXT, *, options: APIConnectOptions = NO_RETRY) -> float:
    """Return the seconds of audio of one request."""
    async with voice.synthesize(text, conn_options=options) as stream:
        return math.fsum([audio.frame.duration async for audio in stream])
