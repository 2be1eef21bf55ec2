"""Hears utterances in PCM by their energy and answers from a script: the Deepgram simulator's pure core."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

WINDOW_MS: Final = 50
"""Energy is judged per window; LiveKit's plugin sends frames of just this length."""
SPEECH_PEAK: Final = 328
"""A window with a sample at least this far from zero is speech: one percent of full scale, -40 dBFS."""
_PEAK_STRIDE: Final = 4
"""Every fourth sample is looked at: a tone or a voice shows there too, at a quarter of the cost."""
SAMPLE_BYTES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something to tell the client, in audio time."""

    kind: Literal["started", "interim", "final", "silence"]
    text: str = ""
    start_ms: int = 0
    end_ms: int = 0


class UtteranceDetector:
    """Follows one audio stream. Lives as long as its connection; holds less than one window of audio."""

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int,
        script: Sequence[str],
        first: int,
        endpointing_ms: int,
        interim_every_ms: int,
    ) -> None:
        self._window_bytes = sample_rate * channels * SAMPLE_BYTES * WINDOW_MS // 1000
        self._window_bytes -= self._window_bytes % (channels * SAMPLE_BYTES)
        self._script = script
        self._turn = first
        self._endpointing_ms = endpointing_ms
        self._interim_every_ms = interim_every_ms
        self._rest = bytearray()
        self._now_ms = 0
        self._start_ms: int | None = None
        self._voice_end_ms = 0
        self._interim_due_ms = 0

    @property
    def now_ms(self) -> int:
        """Audio heard so far, in whole windows."""
        return self._now_ms

    def push(self, pcm: bytes) -> list[Heard]:
        """Hear more 16-bit samples; return what there is to say."""
        self._rest += pcm
        heard: list[Heard] = []
        while len(self._rest) >= self._window_bytes:
            window = bytes(self._rest[: self._window_bytes])
            del self._rest[: self._window_bytes]
            self._now_ms += WINDOW_MS
            heard += self._hear(_is_speech(window))
        return heard

    def flush(self) -> list[Heard]:
        """End a running utterance now; return its final, if there is one."""
        return [] if self._start_ms is None else [self._end(self._start_ms)]

    def _hear(self, is_speech: bool) -> list[Heard]:
        if self._start_ms is None:
            return self._begin() if is_speech else self._keep_silent()
        if is_speech:
            self._voice_end_ms = self._now_ms
        elif self._now_ms - self._voice_end_ms >= self._endpointing_ms:
            return [self._end(self._start_ms)]
        if self._now_ms >= self._interim_due_ms:
            self._interim_due_ms += self._interim_every_ms
            return [self._interim(self._start_ms)]
        return []

    def _begin(self) -> list[Heard]:
        start_ms = self._start_ms = self._now_ms - WINDOW_MS
        self._voice_end_ms = self._now_ms
        self._interim_due_ms = start_ms + self._interim_every_ms
        return [Heard(kind="started", start_ms=start_ms, end_ms=self._now_ms)]

    def _keep_silent(self) -> list[Heard]:
        # Since the last voice ended; nothing to report before the first voice.
        if self._voice_end_ms == 0:
            return []
        return [Heard(kind="silence", start_ms=self._voice_end_ms, end_ms=self._now_ms)]

    def _interim(self, start_ms: int) -> Heard:
        words = self._script[self._turn % len(self._script)].split()
        known = min(len(words), (self._now_ms - start_ms) // self._interim_every_ms)
        return Heard(kind="interim", text=" ".join(words[:known]), start_ms=start_ms, end_ms=self._now_ms)

    def _end(self, start_ms: int) -> Heard:
        text = self._script[self._turn % len(self._script)]
        self._turn += 1
        self._start_ms = None
        return Heard(kind="final", text=text, start_ms=start_ms, end_ms=self._voice_end_ms)


def _is_speech(window: bytes) -> bool:
    samples = memoryview(window).cast("h")[::_PEAK_STRIDE]
    return max(samples) >= SPEECH_PEAK or min(samples) <= -SPEECH_PEAK
