"""OpenAI: audio of a realtime transcription is base64 in JSON, and each of its transcripts tells what it costs."""

import json
from collections.abc import Mapping
from typing import Any, Final

from voicegateway.instrument import vendor_usage
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire.base64_audio import audio_in
from voicegateway.instrument.wire.dialect import NOTHING, Dialect, Said
from voicegateway.record import RequestRecord
from voicegateway.turn_count import TurnCount

SAMPLE_RATE: Final = 24_000
"""The only rate of its sessions."""
_APPEND: Final = '"input_audio_buffer.append"'
_AUDIO_KEY: Final = '"audio":'
_BUFFER: Final = "input_audio_buffer."
_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription."


def _appended(message: str) -> Said:
    # developers.openai.com/api/docs/api-reference/realtime-client-events
    return audio_in(message, _AUDIO_KEY) if _APPEND in message[:64] else NOTHING


def _transcribed(opened_by: RequestRecord, message: str) -> None:
    if _BUFFER not in message and _TRANSCRIPTION not in message:
        return
    told = json.loads(message)
    # Its plugin keeps sockets for later streams: what is heard belongs to the stream that reads it.
    record = CURRENT.get() or opened_by
    kind, turn = str(told.get("type")), str(told.get("item_id") or "")
    if kind.startswith(_BUFFER):
        _note_turn(record, kind.removeprefix(_BUFFER), turn, told)
    elif kind in (f"{_TRANSCRIPTION}completed", f"{_TRANSCRIPTION}failed"):
        vendor_usage.note_transcription(record, told.get("usage"))
        record.vendor_id(turn)
        if record.turns is not None:
            record.turns.told(turn)


def _note_turn(record: RequestRecord, what: str, turn: str, told: Mapping[str, Any]) -> None:
    # developers.openai.com/api/docs/api-reference/realtime-server-events
    if record.turns is None:
        record.turns = TurnCount()
    if what == "speech_started":
        record.turns.began(turn, int(told.get("audio_start_ms") or 0))
    elif what == "speech_stopped":
        record.turns.ended(turn, int(told.get("audio_end_ms") or 0))
    elif what == "committed" and record.wire is not None:
        record.turns.taken(turn, sent_ms=record.wire.audio_sent_ms())


STT: Final = Dialect(read=_appended, hear=_transcribed, sample_rate=SAMPLE_RATE)
