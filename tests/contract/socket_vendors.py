"""Provider classes that speak over websockets, with what the same classes do over plain HTTP."""

import math
from collections.abc import Mapping
from typing import Any

from livekit.agents import APIConnectOptions
from livekit.plugins import assemblyai, cartesia, deepgram, elevenlabs
from tests.contract.provider_class import ProviderClass
from tests.integration.testing_vendors.bench import silence, speech
from tests.integration.voicegateway.plugin_use import transcribe

from voicegateway.testing.vendors import FaultKind
from voicegateway.testing.vendors.faults import Endpoint

TEXT = "Hello there, this is a test. And a second sentence, somewhat longer than the first!"
TALK_MS = 800
"""Whole chunks of every plugin, of 50 or 160 ms: what a vendor has not read when it aborts is lost."""
VOICE_STATUSES: Mapping[FaultKind, int] = {"rate_limited": 3009, "server_error": 503, "unauthorized": 1008}
"""AssemblyAI refuses in the open socket, with codes of its own."""


def utterance() -> list[Any]:
    """Silence, speech, and silence for as long as it takes plugins that send 160 ms at a time."""
    return [*silence(ms=500), *speech(ms=900), *silence(ms=500)]


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


async def listens_and_leaves(plugin: Any, options: APIConnectOptions) -> str:
    """Say something and leave once it is understood."""
    async with plugin.stream(conn_options=options) as stream:
        return await transcribe(stream, utterance())


async def listens_and_commits(plugin: Any, options: APIConnectOptions) -> str:
    """Say something and tell the vendor that it was all."""
    async with plugin.stream(conn_options=options) as stream:
        for frame in utterance():
            stream.push_frame(frame)
        stream.flush()
        return await transcribe(stream, ())


async def recognizes(plugin: Any, options: APIConnectOptions) -> str:
    """Have a recording transcribed."""
    event = await plugin.recognize(utterance(), conn_options=options)
    return str(event.alternatives[0].text)


HEARS = {"modality": "stt", "use_until_broken": keeps_talking, "meters": ("audio_sent_ms",)}
SPEAKS = {"modality": "tts", "use": speaks, "breaks": ("close_mid_stream", "abort_mid_stream", "vendor_error")}
SYNTHESIZES = {"modality": "tts", "use": synthesizes, "way": "synthesize", "breaks": ("abort_mid_stream",)}
CHARACTERS = ("characters_sent",)
CHARACTERS_OF_SUCCESS = ("characters_sent", "characters_failed")
ALL_BREAKS = ("close_mid_stream", "abort_mid_stream", "vendor_error")


def row(model: str, native: type[Any], endpoints: tuple[Endpoint, Endpoint], **fields: Any) -> ProviderClass:
    """A row whose constructor takes the model by its usual name."""
    refused_at, breaks_at = endpoints
    arguments = {"model": model.partition("/")[2], **fields.pop("arguments", {})}
    return ProviderClass(
        model=model,
        native=native,
        arguments=arguments,
        refused_at=refused_at,
        breaks_at=breaks_at,
        **fields,
    )


DEEPGRAM = (
    # Its plugin takes five seconds to see that its stream has ended.
    row("deepgram/nova-3", deepgram.STT, ("listen", "listen"), use=listens_and_leaves, **HEARS),
    row(
        "deepgram/nova-3",
        deepgram.STT,
        ("listen_recording", "listen_recording"),
        way="recognize",
        use=recognizes,
        breaks=(),
        errors_tell_status=False,
        **HEARS,
    ),
    row(
        "deepgram/flux-general-en",
        deepgram.STTv2,
        ("flux", "flux"),
        use=listens,
        breaks=ALL_BREAKS,
        simulator_arguments=("STTv2",),
        **HEARS,
    ),
    row(
        "deepgram/aura-2-andromeda-en",
        deepgram.TTS,
        ("speak_socket", "speak_turn"),
        meters=CHARACTERS,
        simulator_arguments=("TTS",),
        **SPEAKS,
    ),
    row(
        "deepgram/aura-2-andromeda-en",
        deepgram.TTS,
        ("speak_bytes", "speak_bytes"),
        meters=CHARACTERS,
        simulator_arguments=("TTS",),
        **SYNTHESIZES,
    ),
    row(
        "deepgram/flux-alexis-en",
        deepgram.TTSv2,
        ("speak_socket", "speak_turn"),
        is_priced=False,
        meters=CHARACTERS,
        simulator_arguments=("TTSv2",),
        **SPEAKS,
    ),
    row(
        "deepgram/flux-alexis-en",
        deepgram.TTSv2,
        ("speak_bytes", "speak_bytes"),
        is_priced=False,
        meters=CHARACTERS,
        simulator_arguments=("TTSv2",),
        **SYNTHESIZES,
    ),
)
CARTESIA = (
    row("cartesia/ink-2", cartesia.STT, ("turns_socket", "turns_socket"), use=listens, breaks=ALL_BREAKS, **HEARS),
    row("cartesia/ink-whisper", cartesia.STT, ("turns_socket", "turns_socket"), use=listens, **HEARS),
    row("cartesia/sonic-3", cartesia.TTS, ("tts_socket", "tts_context"), meters=CHARACTERS_OF_SUCCESS, **SPEAKS),
    row("cartesia/sonic-3", cartesia.TTS, ("tts_bytes", "tts_bytes"), meters=CHARACTERS_OF_SUCCESS, **SYNTHESIZES),
)
ELEVENLABS = (
    row(
        "elevenlabs/eleven_flash_v2_5",
        elevenlabs.TTS,
        ("multi_stream_socket", "multi_stream_context"),
        meters=CHARACTERS,
        **SPEAKS,
    ),
    row(
        "elevenlabs/eleven_flash_v2_5",
        elevenlabs.TTS,
        ("speech_bytes", "speech_bytes"),
        meters=CHARACTERS,
        **SYNTHESIZES,
    ),
    row(
        "elevenlabs/eleven_v3",
        elevenlabs.TTS,
        ("multi_stream_socket", "multi_stream_context"),
        arguments={"encoding": "pcm_24000"},
        meters=CHARACTERS,
        **SPEAKS,
    ),
    row(
        "elevenlabs/eleven_v3",
        elevenlabs.TTS,
        ("speech_bytes", "speech_bytes"),
        arguments={"encoding": "pcm_24000"},
        meters=CHARACTERS,
        **SYNTHESIZES,
    ),
    row(
        "elevenlabs/scribe_v2_realtime",
        elevenlabs.STT,
        ("scribe_socket", "scribe_socket"),
        arguments={"server_vad": {}},
        use=listens_and_leaves,
        breaks=ALL_BREAKS,
        **HEARS,
    ),
    row(
        "elevenlabs/scribe_v2_realtime",
        elevenlabs.STT,
        ("scribe_socket", "scribe_socket"),
        way="commit",
        use=listens_and_commits,
        breaks=(),
        **HEARS,
    ),
    row(
        "elevenlabs/scribe_v2",
        elevenlabs.STT,
        ("scribe_recording", "scribe_recording"),
        way="recognize",
        use=recognizes,
        breaks=(),
        **HEARS,
    ),
)
ASSEMBLYAI = (
    row(
        "assemblyai/universal-streaming-english",
        assemblyai.STT,
        ("universal", "universal"),
        use=listens,
        clocks=("socket_open_ms", "session_ms"),
        has_plain_errors=False,
        **{**HEARS, "meters": ()},
    ),
    row(
        "assemblyai/assemblyai-tts-1",
        assemblyai.TTS,
        ("voice_socket", "voice_text"),
        is_priced=False,
        meters=CHARACTERS,
        statuses=VOICE_STATUSES,
        **SPEAKS,
    ),
    row(
        "assemblyai/assemblyai-tts-1",
        assemblyai.TTS,
        ("voice_socket", "voice_text"),
        is_priced=False,
        meters=CHARACTERS,
        statuses=VOICE_STATUSES,
        **{**SYNTHESIZES, "breaks": ALL_BREAKS},
    ),
)
SOCKET_VENDORS = (*DEEPGRAM, *CARTESIA, *ELEVENLABS, *ASSEMBLYAI)
