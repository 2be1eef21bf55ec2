"""The dialects that are known."""

from typing import Final

from voicegateway.instrument.wire import assemblyai, cartesia, deepgram, elevenlabs, openai
from voicegateway.instrument.wire.dialect import Dialect

DIALECTS: Final[dict[tuple[str, str], Dialect]] = {
    ("assemblyai", "stt"): assemblyai.STT,
    ("assemblyai", "tts"): assemblyai.TTS,
    ("cartesia", "stt"): cartesia.STT,
    ("cartesia", "tts"): cartesia.TTS,
    ("deepgram", "stt"): deepgram.STT,
    ("deepgram", "tts"): deepgram.TTS,
    ("elevenlabs", "stt"): elevenlabs.STT,
    ("elevenlabs", "tts"): elevenlabs.TTS,
    ("openai", "stt"): openai.STT,
}
"""By provider and modality."""


def shared_dialect(path: str) -> Dialect | None:
    """That of a socket whose messages name the context they belong to, by its address; None for all others.

    Nobody can tell by the task that writes to such a socket: it writes for all.
    """
    return elevenlabs.TTS if path.endswith(elevenlabs.MULTI_STREAM) else None
