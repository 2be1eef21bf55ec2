"""Cartesia: audio of `/stt/…` is binary, text of `/tts/websocket` is JSON, by context."""

import json

from voicegateway.instrument.wire.dialect import Dialect, Said


def _generation(message: str) -> Said:
    # docs.cartesia.ai/api-reference/tts/websocket: text is the `transcript` of each generation request.
    generation = json.loads(message)
    transcript = generation.get("transcript")
    characters = len(transcript) if isinstance(transcript, str) else 0
    return Said(characters=characters, context=str(generation.get("context_id") or ""))


STT = Dialect()
TTS = Dialect(read=_generation, posts=True)
