"""Deepgram: recordings of `/v1/listen` and `/v2/listen` are binary, text of `/v1/speak` and `/v2/speak` is JSON."""

import json
from collections.abc import Mapping
from decimal import Decimal

from voicegateway.instrument.wire.dialect import NOTHING, Dialect, Said
from voicegateway.record import RequestRecord

_METADATA_CHARS_MAX = 4_096
"""It is a few hundred; transcripts of long turns need not be searched."""


def _speak(message: str) -> Said:
    # developers.deepgram.com/reference/text-to-speech/speak-streaming: Speak carries text; Flush and Close none.
    text = json.loads(message).get("text")
    return Said(characters=len(text)) if isinstance(text, str) else NOTHING


def _add_ons(query: Mapping[str, str]) -> tuple[str, ...]:
    # deepgram.com/pricing
    switched = (("diarize_ms", query.get("diarize") == "true"), ("keyterm_ms", "keyterm" in query))
    return tuple(meter for meter, is_on in switched if is_on)


def _metadata(record: RequestRecord, message: str) -> None:
    # developers.deepgram.com/docs/metadata: the last message of a connection, with the seconds of audio it took.
    if len(message) > _METADATA_CHARS_MAX or '"Metadata"' not in message:
        return
    told = json.loads(message, parse_float=Decimal)
    duration_s = told.get("duration")
    if told.get("type") == "Metadata" and isinstance(duration_s, int | Decimal):
        record.tell_count("audio_sent_ms", round(duration_s * 1000))


STT = Dialect(add_ons=_add_ons, hear=_metadata, posts=True)
TTS = Dialect(read=_speak, posts=True)
