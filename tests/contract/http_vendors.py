"""Provider classes that speak over plain HTTP, with the websockets that OpenAI offers beside it."""

from typing import Any, Final

from livekit.agents import APIConnectOptions
from livekit.plugins import anthropic, groq, openai
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import TALK_MS, synthesizes
from tests.integration.testing_vendors.bench import conversation, silence, speech
from tests.integration.voicegateway.plugin_use import ask

from voicegateway.testing.vendors import FaultKind

LONG: Final = conversation("And then?", system="Remember this. " * 600)
CHAT_METERS: Final = ("input_tokens", "cache_read_tokens", "output_tokens")
HEARD_METERS: Final = ("input_tokens", "input_audio_tokens", "output_tokens")
BILLED_TO_THE_TOKEN: Final[tuple[FaultKind, ...]] = ("vendor_error",)
"""Of a chat that breaks once it has begun OpenAI's protocol tells no tokens: those are estimated, and flagged."""


async def asks(plugin: Any, options: APIConnectOptions) -> str:
    """Have a long conversation gone on with; return the reply."""
    return await ask(plugin, LONG, options=options)


async def recognizes(plugin: Any, options: APIConnectOptions) -> str:
    """Have a recording transcribed; return what was said."""
    try:
        event = await plugin.recognize(list(speech(ms=1_000)), conn_options=options)
    finally:
        # The plugin never closes it.
        await plugin._client.close()
    return str(event.alternatives[0].text)


async def converses(plugin: Any, options: APIConnectOptions) -> None:
    """Say something over a realtime transcription, and wait until it was transcribed."""
    async with plugin.stream(conn_options=options) as stream:
        for frame in (*silence(ms=300), *speech(ms=900), *silence(ms=1_000)):
            stream.push_frame(frame)
        async for event in stream:
            if event.recognition_usage is not None and event.recognition_usage.input_tokens:
                return


async def talks_on(plugin: Any, options: APIConnectOptions) -> None:
    """Say more than is heard until the vendor breaks off: what the plugin resamples comes a little later."""
    async with plugin.stream(conn_options=options) as stream:
        for frame in speech(ms=2 * TALK_MS):
            stream.push_frame(frame)
        async for _ in stream:
            continue


HTTP_VENDORS = (
    ProviderClass(
        model="openai/gpt-4.1-mini",
        modality="llm",
        native=openai.LLM,
        arguments={"model": "gpt-4.1-mini"},
        use=asks,
        meters=CHAT_METERS,
        refused_at="chat",
        breaks_at="chat",
        breaks=BILLED_TO_THE_TOKEN,
    ),
    ProviderClass(
        model="openai/gpt-4.1-mini",
        modality="llm",
        native=openai.responses.LLM,
        way="responses",
        arguments={"model": "gpt-4.1-mini"},
        simulator_arguments=("responses",),
        use=asks,
        meters=CHAT_METERS,
        refused_at="responses",
        breaks_at="responses",
        breaks=BILLED_TO_THE_TOKEN,
        # It says of every error that a retry is in vain.
        has_plain_errors=False,
    ),
    ProviderClass(
        model="openai/gpt-4.1-mini",
        modality="llm",
        native=openai.responses.LLM,
        way="responses over HTTP",
        arguments={"model": "gpt-4.1-mini", "use_websocket": False},
        use=asks,
        meters=CHAT_METERS,
        refused_at="responses",
        refusals=("unauthorized",),
        breaks_at="responses",
        breaks=BILLED_TO_THE_TOKEN,
    ),
    ProviderClass(
        model="openai/gpt-4o-mini-transcribe",
        modality="stt",
        native=openai.STT,
        arguments={"model": "gpt-4o-mini-transcribe"},
        use=recognizes,
        meters=("audio_sent_ms", *HEARD_METERS),
        refused_at="transcriptions",
        breaks_at="transcriptions",
        breaks=(),
    ),
    ProviderClass(
        model="openai/whisper-1",
        modality="stt",
        native=openai.STT,
        arguments={"model": "whisper-1"},
        use=recognizes,
        meters=("audio_sent_ms", "input_tokens"),
        refused_at="transcriptions",
        refusals=("rate_limited",),
        breaks_at="transcriptions",
        breaks=(),
    ),
    ProviderClass(
        model="openai/gpt-4o-mini-transcribe",
        modality="stt",
        native=openai.STT,
        way="realtime",
        arguments={"model": "gpt-4o-mini-transcribe", "use_realtime": True},
        use=converses,
        use_until_broken=talks_on,
        meters=HEARD_METERS,
        refused_at="transcription_socket",
        breaks_at="transcription_audio",
        breaks=("close_mid_stream", "abort_mid_stream", "vendor_error"),
        has_plain_errors=False,
    ),
    ProviderClass(
        model="openai/gpt-4o-mini-tts",
        modality="tts",
        native=openai.TTS,
        arguments={"model": "gpt-4o-mini-tts"},
        use=synthesizes,
        meters=("input_tokens", "output_tokens", "output_audio_tokens"),
        refused_at="speech",
        refusals=("server_error",),
        breaks_at="speech",
        breaks=(),
    ),
    ProviderClass(
        model="anthropic/claude-haiku-4-5",
        modality="llm",
        native=anthropic.LLM,
        arguments={"model": "claude-haiku-4-5", "caching": "ephemeral"},
        use=asks,
        meters=(*CHAT_METERS, "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
        refused_at="messages",
        breaks_at="messages",
        breaks=("abort_mid_stream", "vendor_error"),
    ),
    ProviderClass(
        model="groq/llama-3.3-70b-versatile",
        modality="llm",
        native=groq.LLM,
        arguments={"model": "llama-3.3-70b-versatile"},
        use=asks,
        meters=CHAT_METERS,
        refused_at="groq_chat",
        refusals=("rate_limited",),
        breaks_at="groq_chat",
        breaks=BILLED_TO_THE_TOKEN,
    ),
    ProviderClass(
        model="groq/whisper-large-v3-turbo",
        modality="stt",
        native=groq.STT,
        arguments={"model": "whisper-large-v3-turbo"},
        use=recognizes,
        meters=("audio_sent_ms",),
        refused_at="groq_transcriptions",
        refusals=("rate_limited",),
        breaks_at="groq_transcriptions",
        breaks=(),
    ),
    ProviderClass(
        model="groq/canopylabs/orpheus-v1-english",
        modality="tts",
        native=groq.TTS,
        arguments={"model": "canopylabs/orpheus-v1-english"},
        use=synthesizes,
        meters=("characters_sent", "characters_failed"),
        refused_at="groq_speech",
        refusals=("rate_limited",),
        breaks_at="groq_speech",
        breaks=(),
    ),
    ProviderClass(
        model="ollama/llama3.2",
        modality="llm",
        native=openai.LLM,
        way="Ollama",
        arguments={"model": "llama3.2"},
        use=asks,
        meters=CHAT_METERS,
        refused_at="ollama_chat",
        refusals=("server_error",),
        breaks_at="ollama_chat",
        breaks=BILLED_TO_THE_TOKEN,
    ),
)
