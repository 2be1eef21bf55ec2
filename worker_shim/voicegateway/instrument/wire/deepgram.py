"""Deepgram: recordings of `/v1/listen` and `/v2/listen` are binary, text of `/v1/speak` and `/v2/speak` is JSON."""

import json
from collections.abc import Mapping

from voicegateway.instrument.wire.dialect import NOTHING, Dialect, Said


def _speak(message: str) -> Said:
    # developers.deepgram.com/reference/text-to-speech/speak-streaming: Speak carries text; Flush and Close none.
    text = json.loads(message).get("text")
    return Said(characters=len(text)) if isinstance(text, str) else NOTHING


def _add_ons(query: Mapping[str, str]) -> tuple[str, ...]:
    # deepgram.com/pricing
    switched = (("diarize_ms", query.get("diarize") == "true"), ("keyterm_ms", "keyterm" in query))
    return tuple(meter for meter, is_on in switched if is_on)


STT = Dialect(add_ons=_add_ons)
TTS = Dialect(read=_speak)
