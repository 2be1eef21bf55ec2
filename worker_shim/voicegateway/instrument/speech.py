"""Speech: what a stream that a session holds has said, whoever said it, and the seams between its voices."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from voicegateway.instrument import script
from voicegateway.instrument.pushed_text import PushedText
from voicegateway.instrument.script import Pace, Place, TimedWord
from voicegateway.instrument.sound import Mouth, faded
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime

DRAIN_S_MAX: Final = 1.0
"""What a voice has brought is framed within milliseconds; a decoder that needs longer is stuck."""

AHEAD_S: Final = 0.5
"""So long before all that was heard is played another voice is asked: it needs about as long to be heard."""

_paces: WeakKeyDictionary[Any, Pace] = WeakKeyDictionary()


class Speech:
    """Lives as long as its stream; used on the event loop. LiveKit may try in rounds: each begins anew."""

    def __init__(self, stream: Any, record: RequestRecord, *, is_streamed: bool) -> None:
        self.stream, self.record, self.is_streamed = stream, record, is_streamed
        self.promised = record.owner
        """As whose speech the session takes it."""
        self.pushed = PushedText(stream, is_streamed=is_streamed)
        self.is_over = False
        """Nobody may say anything more."""
        self.told = 0
        """Until where the session was told what is said, with times."""
        self.is_told = False
        self.outlet: Any = None
        """Of the voice that has the floor; none before the first round."""
        self._outlets: list[Outlet] = []
        self._emitter: Any = None

    @property
    def heard_s(self) -> float:
        """Of all voices."""
        return sum(outlet.heard_s for outlet in self._outlets)

    @property
    def is_aligned(self) -> bool:
        """Whether the session counts on timed words."""
        return bool(getattr(self.promised.capabilities, "aligned_transcript", False))

    def begin_round(self, emitter: Any) -> Any:
        """Begin anew; return the emitter for the stream's own voice, in the place of LiveKit's."""
        self._emitter, self._outlets = emitter, []
        self.is_over, self.told, self.is_told = False, 0, False
        self._take_turn(Outlet(self, self.record.owner, send=self._send_own))
        return self.outlet.emitter

    async def end_round(self) -> None:
        """Let LiveKit's emitter be the one of whoever spoke last: it is that one's audio that LiveKit looks at."""
        last, framework = self.outlet, self._emitter
        vars(framework).update(vars(last.emitter))
        if self.heard_s and not framework.pushed_duration():
            # What was heard must not be said again by another round.
            framework._audio_durations = [self.heard_s]
        for outlet in self._outlets:
            if outlet is not last:
                await outlet.emitter.aclose()

    async def seam(self) -> int | None:
        """End the voice that failed; return where in the text the next one begins, None when all is said."""
        outlet = self.outlet
        last = await outlet.ended()
        if not self.heard_s:
            return 0
        position: int = outlet.said_until()
        text = self.pushed.text
        is_done = self.pushed.is_ended and not script.is_speakable(text[position:])
        if last is not None:
            if not is_done:
                last.is_final, last.frame = False, faded(last.frame)
            outlet.send(last)
        if is_done:
            return None
        outlet.note_told()
        return position

    def open(self, plugin: Any, position: int, *, tells_words: bool) -> "Outlet":
        """Give another voice the floor, from a position of the text on."""
        outlet = Outlet(self, plugin, send=self._send_others, position=position, tells_words=tells_words)
        if self.heard_s:
            outlet.go_on(self.outlet)
        return self._take_turn(outlet)

    def _take_turn(self, outlet: "Outlet") -> "Outlet":
        self._outlets.append(outlet)
        self.outlet = outlet
        return outlet

    def _send_own(self, audio: Any) -> None:
        # Through our hook, which is on the instance and counts what its own vendor brings.
        self.stream._event_ch.send_nowait(audio)

    def _send_others(self, audio: Any) -> None:
        channel = self.stream._event_ch
        type(channel).send_nowait(channel, audio)


class Outlet:
    """One voice's way into the stream: what its emitter sends to, in the place of the stream's channel."""

    def __init__(
        self,
        speech: Speech,
        plugin: Any,
        *,
        send: Callable[[Any], None],
        position: int = 0,
        tells_words: bool = True,
    ) -> None:
        from livekit.agents import tts
        from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

        self._words_key = USERDATA_TIMED_TRANSCRIPT
        self._speech, self._plugin, self.send = speech, plugin, send
        self._position, self._place = position, Place(position=position)
        self._tells_words = tells_words
        self._is_continuing, self._began_s = False, 0.0
        self._words: list[TimedWord] = []
        self._is_ending, self._is_mute = False, False
        self._last: Any = None
        self._now_s = asyncio.get_running_loop().time
        self._came_s = self._played_s = 0.0
        self.heard_s = 0.0
        self.ids: tuple[str, str] | None = None
        """Of the request and the segment, as the session knows them."""
        destination: Any = self
        self.emitter = tts.AudioEmitter(label=speech.promised.label, dst_ch=destination)

    def go_on(self, before: "Outlet") -> None:
        """Go on where another voice broke off: for the session it is the same segment."""
        self._is_continuing, self._began_s, self.ids = True, self._speech.heard_s, before.ids

    def mouth(self) -> Mouth:
        """Return what says through it what another stream brings."""
        return Mouth(self.emitter, self._speech.promised, is_streamed=self._speech.is_streamed, ids=self.ids)

    @property
    def closed(self) -> bool:
        """Whether the session has closed the stream."""
        return bool(self._speech.stream._event_ch.closed)

    def send_nowait(self, audio: Any) -> None:
        """Take a piece from the emitter. Runs per frame."""
        if self._is_mute:
            return
        length_s: float = audio.frame.duration
        self.heard_s += length_s
        self._came_s = self._now_s()
        self._played_s = max(self._played_s, self._came_s) + length_s
        self.ids = (audio.request_id, audio.segment_id)
        userdata = audio.frame.userdata
        try:
            userdata[self._words_key] = self._told(userdata.get(self._words_key) or [])
        except Exception as error:  # noqa: BLE001 - what is heard matters more than what is told of it
            current_runtime().hook_failed("tts.words", error)
        if self._is_ending and audio.is_final:
            self._last = audio
            return
        self.send(audio)

    def mute(self) -> None:
        """Another voice was faster."""
        self._is_mute = True

    async def ended(self) -> Any:
        """Let everything out that the voice has brought, and return the last piece of it, which is kept."""
        self._is_ending = True
        emitter = self.emitter
        if emitter._started:
            # Whatever is wrong with its last bytes: what could be framed was.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(DRAIN_S_MAX):
                    emitter.end_input()
                    await emitter.join()
        return self._last

    def is_stalled(self, silence_s: float) -> bool:
        """Whether this voice broke off without a word: it has all of the text, not said it, and been silent so long.

        A voice that is paced waits too, but never until all that it has brought is played.
        """
        if not self.heard_s or not self._speech.pushed.is_ended:
            return False
        if self._now_s() < max(self._came_s + silence_s, self._played_s - AHEAD_S):
            return False
        return script.is_speakable(self._speech.pushed.text[self.said_until() :])

    def said_until(self) -> int:
        """Where in the text the first word begins that this voice has not said."""
        pace = _paces.get(self._plugin) or Pace()
        return script.said_until(
            self._speech.pushed.text,
            self._position,
            self._words,
            heard_s=self.heard_s,
            units_per_s=pace.units_per_s,
        )

    def note_told(self) -> None:
        """Note until where the session was told; a continuing voice notes it word for word."""
        if self._is_continuing:
            return
        text, place = self._speech.pushed.text, Place(position=self._position)
        for word in self._words:
            place.go_past(text, word.text)
        self._speech.told = place.reached(text)

    def learn_pace(self) -> None:
        """Note how fast this voice has spoken: it has said all there was."""
        _paces.setdefault(self._plugin, Pace()).learn(self._speech.pushed.text[self._position :], self.heard_s)

    def _told(self, words: list[Any]) -> list[Any]:
        """What the session is told with a frame. After a seam times count on; no word is told twice or left out."""
        self._words.extend([_timed(word) for word in words])
        speech = self._speech
        if not self._is_continuing:
            speech.is_told = speech.is_told or bool(words)
            return words
        is_plain = speech.is_told and not self._tells_words
        if not speech.is_aligned or not (words or is_plain):
            return []
        text = speech.pushed.text
        told: list[Any] = []
        if speech.told < self._position:
            told.append(self._timed_string(text[speech.told : self._position], 0.0))
            speech.told, speech.is_told = self._position, True
        for word in words:
            self._place.go_past(text, word)
            if (reached := self._place.reached(text)) > speech.told:
                speech.told = reached
                told.append(_shifted(word, self._began_s))
        if is_plain and not words and speech.told < len(text):
            told.append(self._timed_string(text[speech.told :], self.heard_s))
            speech.told = len(text)
        return told

    def _timed_string(self, text: str, since_s: float) -> Any:
        from livekit.agents.types import TimedString

        return TimedString(text=text, start_time=self._began_s + since_s)


def _timed(word: Any) -> TimedWord:
    return TimedWord(text=str(word), start_s=_seconds(word.start_time), end_s=_seconds(word.end_time))


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _shifted(word: Any, by_s: float) -> Any:
    from livekit.agents.types import TimedString

    start_s, end_s = _seconds(word.start_time), _seconds(word.end_time)
    times: dict[str, Any] = {}
    if start_s is not None:
        times["start_time"] = start_s + by_s
    if end_s is not None:
        times["end_time"] = end_s + by_s
    return TimedString(text=str(word), **times)
