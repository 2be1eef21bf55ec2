"""Provider classes that speak over websockets, with what the same classes do over plain HTTP."""

import math
from typing import Any

from livekit.agents import APIConnectOptions
from livekit.plugins import cartesia, deepgram
from tests.contract.provider_class import ProviderClass
from tests.integration.testing_vendors.bench import speech
from tests.integration.voicegateway.plugin_use import transcribe, utterance

TEXT = "Hello there, this is a test. And a second sentence, somewhat longer than the first!"
TALK_MS = 800
"""Whole chunks of every plugin, of 50 or 160 ms: what a vendor has not read when it aborts is lost."""


async def listens(plugin: Any, options: APIConnectOptions) -> str:
    """Say something, end the input, and hear the stream to its end."""
    async with plugin.stream(conn_options=options) as stream:
        said = await transcribe(stream, utterance())
        stream.end_input()
        async for _ in stream:
            continue
        return said


async def keeps_talking(plugin: Any, options: APIConnectOptions) -> None:
    """Say `TALK_MS` and wait for whatever comes: the vendor breaks off when it has heard all of it."""
    async with plugin.stream(conn_options=options) as stream:
        for frame in speech(ms=TALK_MS):
            stream.push_frame(frame)
        async for _ in stream:
            continue


async def speaks(plugin: Any, options: APIConnectOptions) -> float:
    """Stream a text word by word; return the seconds of audio."""
    async with plugin.stream(conn_options=options) as stream:
        for word in TEXT.split(" "):
            stream.push_text(f"{word} ")
        stream.end_input()
        return math.fsum([audio.frame.duration async for audio in stream])


async def synthesizes(plugin: Any, options: APIConnectOptions) -> float:
    """Have a whole text spoken; return the seconds of audio."""
    async with plugin.synthesize(TEXT, conn_options=options) as stream:
        return math.fsum([audio.frame.duration async for audio in stream])


SOCKET_VENDORS = (
    ProviderClass(
        model="deepgram/nova-3",
        modality="stt",
        native=deepgram.STT,
        arguments={"model": "nova-3"},
        use=listens,
        use_until_broken=keeps_talking,
        meters=("audio_sent_ms",),
        refused_at="listen",
        breaks_at="listen",
    ),
    ProviderClass(
        model="cartesia/sonic-3",
        modality="tts",
        native=cartesia.TTS,
        arguments={"model": "sonic-3"},
        use=speaks,
        meters=("characters_sent", "characters_failed"),
        refused_at="tts_socket",
        breaks_at="tts_context",
        breaks=("close_mid_stream", "abort_mid_stream", "vendor_error"),
    ),
    ProviderClass(
        model="cartesia/sonic-3",
        modality="tts",
        native=cartesia.TTS,
        way="synthesize",
        arguments={"model": "sonic-3"},
        use=synthesizes,
        meters=("characters_sent", "characters_failed"),
        refused_at="tts_bytes",
        breaks_at="tts_bytes",
        breaks=("abort_mid_stream",),
    ),
)
