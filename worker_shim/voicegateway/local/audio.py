"""Audio between LiveKit's frames and engines' arrays. For slots' threads: none of it is done on an event loop."""

from typing import Any, Final

HEARD_RATE: Final = 16_000
"""What Whisper was trained on."""
PAUSE_MS: Final = 50
"""Spoken in the place of text that has no sound, such as a dash: LiveKit takes silence of a voice for a failure."""


def heard(buffer: Any) -> Any:
    """One channel of 32-bit floats at 16 kHz of what was recorded: one frame, or several of one rate."""
    import numpy
    from livekit import rtc

    frame = rtc.combine_audio_frames(buffer)
    samples = numpy.frombuffer(frame.data, dtype=numpy.int16)
    if frame.num_channels > 1:
        samples = samples.reshape(-1, frame.num_channels).mean(axis=1).astype(numpy.int16)
    if frame.sample_rate != HEARD_RATE and samples.size:
        resampler = rtc.AudioResampler(frame.sample_rate, HEARD_RATE, num_channels=1)
        resampled = [*resampler.push(bytearray(samples.tobytes())), *resampler.flush()]
        samples = numpy.frombuffer(b"".join(bytes(part.data) for part in resampled), dtype=numpy.int16)
    return samples.astype(numpy.float32) / 32768.0


def pcm16(samples: Any) -> bytes:
    """Floats from -1 to 1 as 16-bit samples; what is louder is cut."""
    import numpy

    cut: bytes = (numpy.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return cut


def pause(sample_rate: int) -> bytes:
    """A little silence."""
    return bytes(sample_rate * PAUSE_MS // 1000 * 2)
