"""OpenAI: audio of a realtime transcription is base64 in JSON, and each of its transcripts tells what it costs."""

import json
from typing import Final

from voicegateway.instrument import vendor_usage
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire.base64_audio import audio_in
from voicegateway.instrument.wire.dialect import NOTHING, Dialect, Said
from voicegateway.record import RequestRecord

SAMPLE_RATE: Final = 24_000
"""The only rate of its sessions."""
_APPEND: Final = '"input_audio_buffer.append"'
_AUDIO_KEY: Final = '"audio":'
_COMPLETED: Final = '"conversation.item.input_audio_transcription.completed"'


def _appended(message: str) -> Said:
    # developers.openai.com/api/docs/api-reference/realtime-client-events
    return audio_in(message, _AUDIO_KEY) if _APPEND in message[:64] else NOTHING


def _transcribed(opened_by: RequestRecord, message: str) -> None:
    if _COMPLETED not in message:
        return
    # Its plugin keeps sockets for later streams: what is heard belongs to the stream that reads it.
    record = CURRENT.get() or opened_by
    told = json.loads(message)
    vendor_usage.note_transcription(record, told.get("usage"))
    record.vendor_id(str(told.get("item_id") or ""))


STT: Final = Dialect(read=_appended, hear=_transcribed, sample_rate=SAMPLE_RATE)
