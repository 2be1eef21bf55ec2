"""ElevenLabs: audio of `/speech-to-text/realtime` is base64 in JSON; one socket speaks for many contexts."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from voicegateway.instrument import echoes
from voicegateway.instrument.wire import owners
from voicegateway.instrument.wire.base64_audio import audio_in
from voicegateway.instrument.wire.dialect import Dialect, Said
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime

MULTI_STREAM: Final = "/multi-stream-input"
"""Ends the address of `text-to-speech/{voice}` and of `text-to-dialogue`."""
_AUDIO_KEY: Final = '"audio_base_64":'
_BEGINNING_CHARS_MAX: Final = 512
"""A session's first message is shorter than this; transcripts of long turns are longer."""


def _audio_chunk(message: str) -> Said:
    # elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime
    return audio_in(message, _AUDIO_KEY)


def _session_started(record: RequestRecord, message: str) -> None:
    if len(message) < _BEGINNING_CHARS_MAX and '"session_started"' in message:
        session_id = str(json.loads(message).get("session_id") or "")
        record.vendor_id(session_id)
        echoes.note(record, echoes.REQUEST_ID, session_id)


def _context_text(message: str) -> Said:
    # elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input carries `text`,
    # text-to-dialogue a list of inputs.
    packet = json.loads(message)
    texts = [packet.get("text"), *(spoken.get("text") for spoken in packet.get("inputs") or ())]
    characters = sum(len(text) for text in texts if isinstance(text, str))
    is_end = packet.get("close_context") is True
    return Said(characters=characters, context=str(packet.get("context_id") or ""), is_end=is_end)


def _claim_contexts(plugin: Any, stream: Any, record: RequestRecord) -> None:
    """Note which contexts are this request's: each attempt opens a new one, and tells its emitter first."""
    run: Callable[[Any], Awaitable[None]] = stream._run

    async def claiming_run(emitter: Any) -> None:
        try:
            _claim_what_is_initialized(emitter, record)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("wire", error)
        await run(emitter)

    stream._run = claiming_run


def _claim_what_is_initialized(emitter: Any, record: RequestRecord) -> None:
    initialize = emitter.initialize

    def claimed(*args: Any, **kwargs: Any) -> None:
        try:
            owners.claim(str(kwargs.get("request_id") or ""), record)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("wire", error)
        initialize(*args, **kwargs)

    emitter.initialize = claimed


STT = Dialect(read=_audio_chunk, hear=_session_started, posts=True)
TTS = Dialect(read=_context_text, follow=_claim_contexts, posts=True)
