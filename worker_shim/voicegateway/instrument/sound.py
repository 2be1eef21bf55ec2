"""Sound: audio of one stream, passed on into another that was promised at a rate of its own."""

from array import array
from typing import Any, Final

PCM: Final = "audio/pcm"


class Mouth:
    """Says what another stream brings, through an emitter of ours. Lives as long as that other stream."""

    def __init__(self, emitter: Any, promised: Any, *, is_streamed: bool, ids: tuple[str, str] | None = None) -> None:
        """Speak as the plugin `promised` would; `ids` are those of the request and segment that it goes on with."""
        self._emitter = emitter
        self._sample_rate, self._num_channels = promised.sample_rate, promised.num_channels
        self._is_streamed = is_streamed
        self._ids = ids
        self._converter = Converter(sample_rate=self._sample_rate, num_channels=self._num_channels)
        self.is_open = False

    def say(self, audio: Any) -> None:
        """Pass on one piece, with its timed words."""
        from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

        if not self.is_open:
            self._open(self._ids or (audio.request_id, audio.segment_id))
        words = audio.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT)
        if words:
            self._emitter.push_timed_transcript(words)
        for frame in self._converter.push(audio.frame):
            self._emitter.push_frame(frame)

    def hush(self) -> None:
        """Say 10 ms of silence."""
        from livekit import rtc

        if not self.is_open:
            self._open(self._ids or ("none", "none"))
        samples = self._sample_rate // 100
        silence = bytes(samples * self._num_channels * 2)
        self._emitter.push_frame(rtc.AudioFrame(silence, self._sample_rate, self._num_channels, samples))

    def close(self) -> None:
        """Pass on what the conversion has held back; the emitter is ended by its owner."""
        if not self.is_open:
            self._open(self._ids or ("none", "none"))
        for frame in self._converter.flush():
            self._emitter.push_frame(frame)

    def _open(self, ids: tuple[str, str]) -> None:
        request_id, segment_id = ids
        self.is_open = True
        self._emitter.initialize(
            request_id=request_id or segment_id,
            sample_rate=self._sample_rate,
            num_channels=self._num_channels,
            mime_type=PCM,
            stream=self._is_streamed,
        )
        if self._is_streamed:
            self._emitter.start_segment(segment_id=segment_id or request_id)


class Converter:
    """Brings frames to one rate and number of channels; those that have them pass as they are."""

    def __init__(self, *, sample_rate: int, num_channels: int) -> None:
        self._sample_rate, self._num_channels = sample_rate, num_channels
        self._resampler: Any = None
        self._rate = 0

    def push(self, frame: Any) -> list[Any]:
        """Return what can be passed on; the filter of a resampler holds some milliseconds back."""
        from livekit import rtc

        if frame.num_channels != self._num_channels:
            frame = _with_channels(frame, self._num_channels)
        if frame.sample_rate == self._sample_rate:
            return [*self.flush(), frame]
        before: list[Any] = []
        if self._resampler is None or self._rate != frame.sample_rate:
            before = self.flush()
            self._rate = frame.sample_rate
            self._resampler = rtc.AudioResampler(
                input_rate=self._rate, output_rate=self._sample_rate, num_channels=self._num_channels
            )
        return [*before, *self._resampler.push(frame)]

    def flush(self) -> list[Any]:
        """Return what was held back."""
        if self._resampler is None:
            return []
        resampler, self._resampler = self._resampler, None
        return list(resampler.flush())


def faded(frame: Any) -> Any:
    """Return the frame falling to silence: a voice that breaks off clicks."""
    samples = _samples(frame)
    length = frame.samples_per_channel
    for index in range(len(samples)):
        samples[index] = samples[index] * (length - 1 - index // frame.num_channels) // length
    return _frame(samples, frame, frame.num_channels)


def _with_channels(frame: Any, num_channels: int) -> Any:
    """Every channel of the result is the mean of those that came."""
    came, samples = frame.num_channels, _samples(frame)
    mixed = array("h")
    for index in range(0, len(samples), came):
        mixed.extend([sum(samples[index : index + came]) // came] * num_channels)
    return _frame(mixed, frame, num_channels)


def _samples(frame: Any) -> "array[int]":
    samples = array("h")
    samples.frombytes(bytes(frame.data.cast("B")))
    return samples


def _frame(samples: "array[int]", like: Any, num_channels: int) -> Any:
    from livekit import rtc

    return rtc.AudioFrame(
        samples.tobytes(), like.sample_rate, num_channels, len(samples) // num_channels, userdata=like.userdata
    )
