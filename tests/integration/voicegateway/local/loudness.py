"""A VAD for callers who hum."""

from livekit import rtc
from livekit.agents import vad

LOUD = 1_000
SILENCE_S = 0.3


class LoudnessVAD(vad.VAD):
    """Takes what is loud for speech: enough for a caller who hums."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.02))

    def stream(self) -> vad.VADStream:
        """Listen."""
        return LoudnessStream(self)


class LoudnessStream(vad.VADStream):
    """One listener."""

    async def _main_task(self) -> None:
        speech: list[rtc.AudioFrame] = []
        silence_s = 0.0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                speech, silence_s = [], 0.0
                continue
            is_loud = max(frame.data, default=0) > LOUD
            if is_loud and not speech:
                self._tell(vad.VADEventType.START_OF_SPEECH, [frame], silence_s)
            silence_s = 0.0 if is_loud else silence_s + frame.duration
            if is_loud or speech:
                speech.append(frame)
            self._tell(vad.VADEventType.INFERENCE_DONE, [frame], silence_s, is_speaking=bool(speech))
            if speech and silence_s >= SILENCE_S:
                self._tell(vad.VADEventType.END_OF_SPEECH, speech, silence_s)
                speech = []

    def _tell(
        self, kind: vad.VADEventType, frames: list[rtc.AudioFrame], silence_s: float, *, is_speaking: bool = False
    ) -> None:
        speech_s = sum(frame.duration for frame in frames)
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=0,
                timestamp=0.0,
                speech_duration=speech_s,
                silence_duration=silence_s,
                frames=frames,
                speaking=is_speaking,
                probability=float(is_speaking),
                raw_accumulated_silence=silence_s,
                raw_accumulated_speech=speech_s if is_speaking else 0.0,
            )
        )
