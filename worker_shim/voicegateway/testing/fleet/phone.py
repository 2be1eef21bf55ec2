"""The caller's phone: a microphone and a loudspeaker that run in real time without any audio device."""

import array
import asyncio
import math
import time
from typing import Final

from livekit import rtc
from livekit.agents.voice import io

SAMPLE_RATE: Final = 16_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = SAMPLE_RATE * FRAME_MS // 1000
VOICE_HZ: Final = 220
VOICE_PEAK: Final = 8_000
CATCH_UP_FRAMES_MAX: Final = 25
"""After a stall of the machine at most half a second is sent at once, as a jitter buffer would."""


class Microphone(io.AudioInput):
    """Frames of silence, or of a tone while the caller speaks. Lives as long as its call."""

    def __init__(self) -> None:
        super().__init__(label="ScriptedCaller")
        self._speaking_until_s = 0.0
        self._next_s: float | None = None
        self._phase = 0
        self._is_hung_up = False

    async def speak(self, duration_s: float) -> None:
        """Say something for a while; returns when it is said."""
        self._speaking_until_s = time.monotonic() + duration_s
        await asyncio.sleep(duration_s)

    def hang_up(self) -> None:
        """End the audio."""
        self._is_hung_up = True

    async def __anext__(self) -> rtc.AudioFrame:
        if self._is_hung_up:
            raise StopAsyncIteration
        now_s = time.monotonic()
        horizon_s = now_s - CATCH_UP_FRAMES_MAX * FRAME_MS / 1000
        due_s = max(self._next_s if self._next_s is not None else now_s, horizon_s)
        self._next_s = due_s + FRAME_MS / 1000
        if due_s > now_s:
            await asyncio.sleep(due_s - now_s)
        return self._frame(is_voice=due_s < self._speaking_until_s)

    def _frame(self, *, is_voice: bool) -> rtc.AudioFrame:
        data = bytes(FRAME_SAMPLES * 2)
        if is_voice:
            step = 2 * math.pi * VOICE_HZ / SAMPLE_RATE
            phase = self._phase
            samples = (round(VOICE_PEAK * math.sin(step * (phase + i))) for i in range(FRAME_SAMPLES))
            data = array.array("h", samples).tobytes()
            self._phase = phase + FRAME_SAMPLES
        return rtc.AudioFrame(data=data, sample_rate=SAMPLE_RATE, num_channels=1, samples_per_channel=FRAME_SAMPLES)


class Loudspeaker(io.AudioOutput):
    """Plays what it gets in real time into nothing, and says when it is done. Lives as long as its call."""

    def __init__(self) -> None:
        super().__init__(label="ScriptedCaller", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=None)
        self._started_s: float | None = None
        self._buffered_s = 0.0
        self._done: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Buffer a frame; the first of a segment starts its playback."""
        await super().capture_frame(frame)
        if self._started_s is None:
            self._started_s = time.monotonic()
            self.on_playback_started(created_at=time.time())
        self._buffered_s += frame.duration

    def flush(self) -> None:
        """End the segment; it is finished when it has been played."""
        super().flush()
        if self._started_s is None:
            return
        left_s = self._started_s + self._buffered_s - time.monotonic()
        loop = asyncio.get_running_loop()
        self._done = loop.call_later(max(0.0, left_s), self._finish, False)

    def clear_buffer(self) -> None:
        """Stop at once: the caller talks."""
        if self._done is not None:
            self._done.cancel()
        if self._started_s is not None:
            self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        played_s = self._buffered_s
        if interrupted and self._started_s is not None:
            played_s = min(played_s, time.monotonic() - self._started_s)
        self._started_s, self._buffered_s, self._done = None, 0.0, None
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)
