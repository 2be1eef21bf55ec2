"""The simulated voice: a tone as long as its text would take to say, as raw samples or in a container."""

import io
import math
from array import array
from functools import lru_cache
from typing import Final

CHARACTERS_PER_S: Final = 14
"""How fast the simulated voice speaks; an unhurried reader of English."""
TONE_HZ: Final = 220
TONE_PEAK: Final = 8000
"""A quarter of full scale: loud enough for any voice detector."""
ENCODED_CACHE_MAX: Final = 64
"""Encoded clips kept; a test says the same few sentences again and again."""

_CONTAINERS: Final[dict[str, tuple[str, str]]] = {
    "mp3": ("mp3", "libmp3lame"),
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "aac": ("adts", "aac"),
    "opus": ("ogg", "libopus"),
}

# Clips of a voice follow one another in one stream: nothing but frames, each of which stands for itself.
_BARE: Final[dict[str, dict[str, str]]] = {"mp3": {"write_xing": "0", "id3v2_version": "0"}}

MIME: Final[dict[str, str]] = {
    "pcm": "audio/pcm",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "opus": "audio/opus",
}


def spoken_ms(text: str) -> int:
    """Return how long it takes to say a text; blanks at its ends take no time."""
    return len(text.strip()) * 1000 // CHARACTERS_PER_S


def tone_pcm(*, start_ms: int, end_ms: int, sample_rate: int) -> bytes:
    """Return 16-bit mono samples of the tone between two instants; neighbouring pieces join seamlessly."""
    second = _one_second(sample_rate)
    start = start_ms * sample_rate // 1000
    end = end_ms * sample_rate // 1000
    offset = start % sample_rate
    repeats = (offset + end - start) // sample_rate + 1
    return (second * repeats)[offset * 2 : (offset + end - start) * 2]


@lru_cache(maxsize=ENCODED_CACHE_MAX)
def encoded_tone(*, duration_ms: int, sample_rate: int, response_format: str) -> bytes:
    """Return the tone in a container that `MIME` names. Blocks for some milliseconds: call it in a thread."""
    pcm = tone_pcm(start_ms=0, end_ms=duration_ms, sample_rate=sample_rate)
    if response_format == "pcm":
        return pcm
    import av  # comes with livekit-agents; raw samples need no encoder

    container_name, codec = _CONTAINERS[response_format]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name, options=_BARE.get(response_format, {})) as container:
        stream = container.add_stream(codec, rate=sample_rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=sample_rate)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.sample_rate = sample_rate
        frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
        for resampled in [*resampler.resample(frame), None]:
            container.mux(stream.encode(resampled))
    return buffer.getvalue()


@lru_cache(maxsize=8)
def _one_second(sample_rate: int) -> bytes:
    step = 2 * math.pi * TONE_HZ / sample_rate
    samples = array("h", (round(TONE_PEAK * math.sin(step * n)) for n in range(sample_rate)))
    return samples.tobytes()
