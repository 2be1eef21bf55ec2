"""Simulated Deepgram connections that hear: `/v1/listen`, and `/v2/listen` of Flux, which finds turns itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from voicegateway.testing.vendors.hearing import CONFIDENCE, Hearing, PcmFormat, timed_words
from voicegateway.testing.vendors.utterances import Heard

if TYPE_CHECKING:
    from multidict import MultiMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenFormat(PcmFormat):
    """What the query string says about the audio and the answers wanted."""

    interim_results: bool
    vad_events: bool
    utterance_end_ms: int | None
    has_diarize: bool
    has_keyterm: bool

    @classmethod
    def parse(cls, query: "MultiMapping[str]") -> Self | None:
        """Return the format, or None if it is one the simulator cannot hear."""
        rate, channels = query.get("sample_rate", ""), query.get("channels", "1")
        end_ms = query.get("utterance_end_ms", "")
        if query.get("encoding") != "linear16" or not rate.isdecimal() or not channels.isdecimal():
            return None
        if int(rate) == 0 or int(channels) == 0:
            return None
        return cls(
            sample_rate=int(rate),
            channels=int(channels),
            interim_results=query.get("interim_results") == "true",
            vad_events=query.get("vad_events") == "true",
            utterance_end_ms=int(end_ms) if end_ms.isdecimal() else None,
            has_diarize=query.get("diarize") == "true",
            has_keyterm="keyterm" in query,
        )


class DeepgramHearing(Hearing):
    """What both have in common: the bill."""

    def __init__(self, *, audio: ListenFormat, **kwargs: Any) -> None:
        super().__init__(audio=audio, **kwargs)
        self._wanted = audio

    def usage(self) -> Mapping[str, int]:
        """Return what this connection is billed for, add-ons included."""
        usage = {"audio_sent_ms": self.audio_ms}
        if self._wanted.has_diarize:
            usage["diarize_ms"] = self.audio_ms
        if self._wanted.has_keyterm:
            usage["keyterm_ms"] = self.audio_ms
        return usage


class ListenConnection(DeepgramHearing):
    """A connection to `/v1/listen`."""

    _end_reported_ms = 0

    async def obey(self, message: str) -> bool:
        """Follow a control message; return True when the conversation is over."""
        kind = json.loads(message).get("type")
        if kind not in ("Finalize", "CloseStream"):
            return False
        for heard in self.detector.flush():
            await self.tell(heard, from_finalize=kind == "Finalize")
        if kind == "Finalize" or self.is_mute:
            return False
        await self.send(self._metadata())
        await self.socket.close()
        return True

    async def tell(self, heard: Heard, *, from_finalize: bool = False) -> None:
        """Say what was heard, as far as it is wanted."""
        if heard.kind == "started":
            self._end_reported_ms = 0
            if self._wanted.vad_events:
                await self.send({"type": "SpeechStarted", "channel": [0], "timestamp": heard.start_ms / 1000})
        elif heard.kind == "silence":
            await self._tell_utterance_end(heard)
        elif heard.kind == "final" or self._wanted.interim_results:
            await self.send(self._results(heard, from_finalize=from_finalize))

    async def _tell_utterance_end(self, heard: Heard) -> None:
        wanted = self._wanted.utterance_end_ms
        if wanted is None or self._end_reported_ms or heard.end_ms - heard.start_ms < wanted:
            return
        self._end_reported_ms = heard.end_ms
        await self.send({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": heard.start_ms / 1000})

    def _results(self, heard: Heard, *, from_finalize: bool) -> dict[str, Any]:
        is_final = heard.kind == "final"
        alternative = {
            "transcript": heard.text,
            "confidence": CONFIDENCE if heard.text else 0.0,
            "words": _words(heard),
        }
        return {
            "type": "Results",
            "channel_index": [0, self.audio.channels],
            "duration": (heard.end_ms - heard.start_ms) / 1000,
            "start": heard.start_ms / 1000,
            "is_final": is_final,
            "speech_final": is_final,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": self.request_id,
                "model_info": {"name": "simulated", "version": "1", "arch": "simulated"},
                "model_uuid": "00000000-0000-0000-0000-000000000000",
            },
            "from_finalize": from_finalize,
        }

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "sha256": "",
            "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": self.audio_ms / 1000,
            "channels": self.audio.channels,
        }


class FluxConnection(DeepgramHearing):
    """A connection to `/v2/listen`."""

    _sequence = 0
    _turn = 0

    async def greet(self) -> None:
        """Say which request it is."""
        await self._say({"type": "Connected"})

    async def obey(self, message: str) -> bool:
        """Follow a control message; return True when the conversation is over."""
        control = json.loads(message)
        if control.get("type") == "Configure":
            told = {key: value for key, value in control.items() if key != "type"}
            await self._say({"type": "ConfigureSuccess", **told})
        if control.get("type") != "CloseStream":
            return False
        for heard in self.detector.flush():
            await self.tell(heard)
        if self.is_mute:
            return False
        await self.socket.close()
        return True

    async def tell(self, heard: Heard) -> None:
        """Say how the turn goes."""
        events = {"started": "StartOfTurn", "interim": "Update", "final": "EndOfTurn"}
        if heard.kind == "silence":
            return
        await self._say(
            {
                "type": "TurnInfo",
                "event": events[heard.kind],
                "turn_index": self._turn,
                "audio_window_start": heard.start_ms / 1000,
                "audio_window_end": heard.end_ms / 1000,
                "transcript": heard.text,
                "words": [{"word": word, "confidence": CONFIDENCE} for word in heard.text.split()],
                "end_of_turn_confidence": CONFIDENCE if heard.kind == "final" else 0.1,
            }
        )
        self._turn += heard.kind == "final"

    async def fail(self) -> None:
        """Say that the vendor has failed."""
        await self._say({"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "simulated failure"})

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send({**message, "request_id": self.request_id, "sequence_id": self._sequence})
        self._sequence += 1


def recorded_answer(text: str, *, request_id: str, audio_ms: int) -> dict[str, Any]:
    """Return what is answered to a recording."""
    words = _words(Heard(kind="final", text=text, start_ms=0, end_ms=audio_ms))
    alternative = {"transcript": text, "confidence": CONFIDENCE, "words": words}
    metadata = {"request_id": request_id, "duration": audio_ms / 1000, "channels": 1}
    return {"metadata": metadata, "results": {"channels": [{"alternatives": [alternative]}]}}


def _words(heard: Heard) -> list[dict[str, Any]]:
    return [
        {
            "word": word.text.strip(".,?!").lower(),
            "punctuated_word": word.text,
            "start": word.start_ms / 1000,
            "end": word.end_ms / 1000,
            "confidence": CONFIDENCE,
        }
        for word in timed_words(heard)
    ]
