"""Request record: what is counted of one request, from its start to its settlement."""

import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from voicegateway import estimate
from voicegateway.identity import Identity
from voicegateway.node_count import NodeCount
from voicegateway.turn_count import TurnCount
from voicegateway.wire_count import WireCount
from voicegateway_shared.ids import RequestId, new_request_id
from voicegateway_shared.usage import Modality, Outcome

VENDOR_IDS_MAX: Final = 16
"""A request that was tried more often than this is broken in a way that ids do not explain."""

TOKENS_MAX: Final = 1_000_000_000
"""Of one request; a hundred times what any model takes."""

LIMIT_USED_UP: Final = "limit_used_up"
"""The error type of a request that we refused."""
BUDGET_USED_UP: Final = "budget_used_up"
"""Likewise, because of a budget, or of a guard of one."""
SESSION_ENDED: Final = "session_ended"
"""Likewise, because we are ending its session."""
KEY_GONE: Final = "key_gone"
"""Likewise, because the vendor's key that the fleet lent was revoked or has expired, and there is no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFacts:
    """What is known of an instrumented plugin instance; lives as long as the instance."""

    provider: str
    modality: Modality
    project: str | None
    key_id: str
    variant: str | None = None
    region: str = ""
    """Host of an address that is not the vendor's usual one."""
    model_string: str = ""
    """As people wrote it; empty for a plugin that was built without the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a route a request stood."""

    chain: str
    position: int
    """As declared, from 0."""
    origin: str
    """The request in whose place it was made; empty for the first."""
    cause: str
    rejected: tuple[object, ...]
    """Why others were not asked, or asked later."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What is known of the running attempt, until the next one begins."""

    chunks_before: int = 0
    samples_before: int = 0
    is_answered: bool = False
    """It brought audio; a language model's chunks are looked at when it has failed."""
    is_sent: bool = False
    """It was written to a connection of a session that is metered."""
    is_refused: bool = False
    is_timed_out: bool = False
    is_over: bool = False
    """It has failed, and is counted as that; none has followed."""
    observed: str = ""
    """What was noted of its vendor's health."""
    is_signalled: bool = False
    """The vendor's refusal was noted where its headers were seen."""


@dataclass(slots=True, kw_only=True, eq=False)
class RequestRecord:
    """One request. Written by hooks on the event loop; read by the outbox's writer thread.

    Created when `chat()`, `stream()`, `synthesize()` or `recognize()` is called, settled once when its task ends.
    """

    facts: PluginFacts
    identity: Identity
    project: str
    model: str
    language: str = ""
    voice: str = ""
    mode: Literal["streaming", "batch", "realtime"] = "streaming"
    speech_id: str = ""
    trace_id: bytes = b""
    span_id: bytes = b""
    span: Any = None
    owner: Any = None
    stream: Any = None
    chat_ctx: Any = None
    tools: int = 0
    """That a language model was told of; the stream, which has them, is let go before the request is priced."""

    request_id: RequestId = field(default_factory=new_request_id)
    started_unix_ns: int = field(default_factory=time.time_ns)
    started_ns: int = field(default_factory=time.monotonic_ns)
    ended_ns: int = 0
    ttfb_ns: int = -1
    attempts: int = 0
    attempt: Attempt = field(default_factory=Attempt)
    refused: int = 0
    """Failed attempts that the vendor did not even take."""
    silent: int = 0
    """Failed attempts that were taken and brought nothing."""
    untold: int = 0
    """Failed attempts that the vendor may bill without ever telling how much: they brought something, or timed out."""
    limited: int = 0
    """Attempts that we refused, because a limit of the fleet was used up; the vendor never heard of them."""
    admission_wait_ns: int = 0
    """Time spent waiting for a limit, over all attempts."""
    ticket: Any = None
    """The running attempt's part of the limits."""
    money: Any = None
    """What it holds of budgets, until it has settled."""
    loan: Any = None
    """The leased key that its stream was made with, where its plugin has one."""
    live: Any = None
    """The handle of the agent session it belongs to, where that is known."""
    is_turned_away: bool = False
    """We refused it for good: its stream ends as if all were well, and it has failed."""
    budget_id: str = ""
    """The budget that refused it."""
    passage: Any = None
    """Its turn in a journey, where several models stand for one another."""
    place: "Place | None" = None
    """What of that is told."""
    passed_on: str = ""
    """The model that took over: this one has failed, or was slower."""
    is_overtaken: bool = False
    """It was slower."""
    outcome: Outcome | None = None
    error_type: str = ""
    status_code: int = 0
    response_id: str = ""

    chunks: int = 0
    pushed: int = 0
    """Samples (stt) or characters (tts) pushed by the agent."""
    pushed_rate: int = 0
    is_push_whole: bool = False
    """True when what was pushed is sent as it is, in one request body: no socket needs to be watched."""
    is_post_seen: bool = False
    """Of such a request it is known whether it was sent."""
    received_samples: int = 0
    received_rate: int = 0
    llm_chunks: list[Any] = field(default_factory=list)
    """The vendor's chunks, a few thousand at the most, counted when the request is encoded."""
    llm_usage: Any = None
    """The vendor's last word on it."""
    failed_usages: list[Any] = field(default_factory=list)
    """What attempts were told to have used that failed after that."""
    untold_chunks: int = 0
    untold_samples: int = 0
    tts_tokens: tuple[int, int] = (0, 0)
    vendor_ids: list[str] = field(default_factory=list)
    reported: dict[str, int] = field(default_factory=dict)
    echoes: dict[str, str] = field(default_factory=dict)
    """What the vendor told in its answer, by our names of `instrument.echoes`: bounded there."""
    vendor_usage: dict[str, int] = field(default_factory=dict)
    """What the vendor itself told, by our meters, where its plugin loses or miscounts that: `instrument.vendor_usage`.
    Of a language model that of the running attempt."""
    is_vendor_usage_whole: bool = False
    """It told all of it."""
    told_counts: dict[str, int] = field(default_factory=dict)
    """What the vendor said that it counted, by our meters, beside its token usage; for comparison, never rated."""
    realtime: Any = None
    """What counts a realtime session, or one of its responses: `realtime_count`."""
    is_settled: bool = False
    """It is handed over: nothing of it changes any more, though a socket may still be open."""
    told: dict[str, dict[str, int]] = field(default_factory=dict)

    wire: WireCount | None = None
    turns: TurnCount | None = None
    """What the vendor of a transcription by the token has taken and not told."""
    node: NodeCount | None = None
    """What slots of a local model did for it; None of what a vendor serves."""

    @property
    def modality(self) -> Modality:
        return self.facts.modality

    @property
    def duration_ns(self) -> int:
        """By the monotonic clock, up to now while the request is open."""
        return (self.ended_ns or time.monotonic_ns()) - self.started_ns

    @property
    def is_free(self) -> bool:
        """True when the request has ended and the vendor was never asked, or refused it, or gave nothing at all."""
        if self.outcome is None or self.untold:
            return False
        self.count_chunks()
        is_failed = self.outcome == "error" or self.attempt.is_over
        is_empty = not (self.chunks or self.received_samples or self.llm_usage)
        return (is_failed and is_empty) or not self.attempts

    @property
    def seen_wire(self) -> WireCount | None:
        """The count of the sockets, unless the vendor answered over one that we never saw."""
        is_answered = self.chunks or self.received_samples
        return None if self.wire is None or (is_answered and not self.wire.is_used) else self.wire

    def first_byte(self, since_ns: int) -> None:
        """Note the first result, if it is the first."""
        if self.ttfb_ns < 0:
            self.ttfb_ns = max(0, time.monotonic_ns() - since_ns)

    def begin_attempt(self) -> None:
        """Note that the vendor is tried, again if it was before: the attempt before this one has failed."""
        if self.attempts:
            self.end_failed_attempt()
        self.attempts += 1
        self.passed_on, self.is_overtaken, self.ended_ns = "", False, 0
        self.attempt = Attempt(chunks_before=len(self.llm_chunks), samples_before=self.received_samples)
        if self.wire is not None:
            self.wire.attempt_characters = 0
        if self.node is not None:
            self.node.attempt_begins()
        if self.modality == "llm":
            self.vendor_usage, self.is_vendor_usage_whole = {}, False

    def end_failed_attempt(self) -> None:
        """Note that the running attempt failed. Audio may still come after the plugin's own code has ended."""
        attempt = self.attempt
        if not self.attempts or attempt.is_over:
            return
        attempt.is_over = True
        attempt.is_answered |= self.received_samples > attempt.samples_before
        chunks = self.llm_chunks[attempt.chunks_before :]
        attempt.is_answered |= any(map(has_content, chunks))
        if (told := usage_in(chunks)) is not None and not self.vendor_usage:
            self.failed_usages.append(told)
            return
        if attempt.is_answered:
            self.untold += 1
            self.untold_samples += self.received_samples - attempt.samples_before
            self.untold_chunks += sum(map(has_content, chunks))
            return
        self.untold += attempt.is_timed_out
        if attempt.is_refused:
            self.refused += 1
        else:
            self.silent += 1
        if self.wire is not None:
            self.wire.attempt_failed()
        if self.node is not None:
            self.node.attempt_failed()

    def end_unsent_attempt(self) -> None:
        """Note that the running attempt was cancelled; one that is known not to have left the vendor has not taken."""
        if self.is_post_seen and self.attempts and not self.attempt.is_sent:
            self.attempt.is_refused = True
            self.end_failed_attempt()

    def refuse_attempt(self, error_type: str = LIMIT_USED_UP, *, budget_id: str = "") -> None:
        """Note that an attempt was not admitted: the one before it has failed, and this one cost nothing."""
        self.end_failed_attempt()
        self.limited += 1
        self.error_type, self.budget_id = error_type, budget_id

    def turn_away(self) -> None:
        """Note that none of its attempts will be admitted, as the last was not."""
        self.is_turned_away = True

    def vendor_id(self, request_id: str) -> None:
        """Note an id the vendor gave to an attempt or a connection of this request."""
        if request_id and request_id not in self.vendor_ids and len(self.vendor_ids) < VENDOR_IDS_MAX:
            self.vendor_ids.append(request_id)
            self.response_id = request_id

    def is_estimated(self) -> bool:
        """True when the vendor's own count is missing and ours stands for it."""
        self.count_chunks()
        if self.realtime is not None:
            return bool(self.realtime.is_estimated(self))
        if self.modality == "llm":
            is_told = self.is_vendor_usage_whole if self.vendor_usage else not self._untold_attempts
            return self.untold > 0 or not (is_told or self.is_free)
        if self.modality == "tts" and self._bills_tokens():
            return self.untold > 0 or (not any(self.tts_tokens) and not self.is_free)
        if self._bills_heard_tokens() and self.mode == "batch" and not (self.vendor_usage or self.is_free):
            return True
        if self._untold_turns_ms():
            return True
        is_known = self.node is not None or (self.is_push_whole and not (self.modality == "stt" and self.untold))
        is_upper_bound = self.seen_wire is None and not is_known and not self.is_free
        return self.outcome is None or is_upper_bound

    def usage(self) -> dict[str, int]:
        """The meters of this request so far, in their base units; no zero is left out by accident.

        Of a request that has settled they are what they were when they were first asked for: what is told is what is
        charged.
        """
        if self.outcome is None or not self.is_settled:
            return self._usage()
        # One step, for two threads ask.
        return self.told.setdefault("usage", self._usage())

    def _usage(self) -> dict[str, int]:
        if self.realtime is not None:
            return dict(self.realtime.usage(self))
        self.count_chunks()
        counted = {"llm": self._llm_usage, "stt": self._stt_usage, "tts": self._tts_usage}[self.modality]()
        counted["requests"] = 1
        if self.chunks:
            counted["chunks_received"] = self.chunks
        if self.node is not None:
            counted["node_busy_ms"] = self.node.busy_ms(time.monotonic_ns())
        return counted

    def vendor_counts(self) -> dict[str, int]:
        """What the vendor itself said that it counted, as it said it; empty where it said nothing."""
        if self.realtime is not None:
            return {}
        told = dict(self.told_counts)
        if self.vendor_usage:
            if self.is_vendor_usage_whole:
                told |= self.vendor_usage
        elif usages := self._told_usages():
            told |= _told_tokens(usages, ("input_tokens", "output_tokens", "cache_read_tokens"))
        elif any(self.tts_tokens):
            told["input_tokens"], told["output_tokens"] = self.tts_tokens
        return told

    def tell_count(self, meter: str, quantity: int) -> None:
        """Note what the vendor counted on one of the request's connections; those of several add up."""
        self.told_counts[meter] = self.told_counts.get(meter, 0) + quantity

    def count_chunks(self) -> None:
        """Count what a language model sent, and find the usage in it; a retry's chunks count too."""
        chunks = self.llm_chunks
        if not chunks:
            return
        self.chunks = sum(map(has_content, chunks))
        self.llm_usage = usage_in(chunks)

    def _llm_usage(self) -> dict[str, int]:
        if self.vendor_usage:
            return self._told_llm_usage()
        untold = self._untold_attempts
        usages = self._told_usages()
        if not usages:
            if self.is_free:
                return {}
            return {"input_tokens": untold * estimate.input_tokens(self.chat_ctx), "output_tokens": self.chunks}
        counted = _told_tokens(usages, tuple(_TOLD_AS))
        # Each attempt sends the same prompt.
        counted["input_tokens"] += untold * usages[-1].prompt_tokens
        counted["output_tokens"] += self.untold_chunks
        if untold > self.untold:
            counted["output_tokens"] += sum(map(has_content, self.llm_chunks[self.attempt.chunks_before :]))
        return counted

    def _told_usages(self) -> list[Any]:
        """What a language model's attempts were told to have used, of each that was told."""
        running = self._running_usage()
        return self.failed_usages if running is None else [*self.failed_usages, running]

    def _running_usage(self) -> Any:
        """Of the attempt that has not failed."""
        if not self.llm_chunks:
            return self.llm_usage
        return None if self.attempt.is_over else usage_in(self.llm_chunks[self.attempt.chunks_before :])

    @property
    def _untold_attempts(self) -> int:
        """Of a language model: those that the vendor may bill and has not told of."""
        return self.untold + (self._unfailed if self._running_usage() is None else 0)

    def _told_llm_usage(self) -> dict[str, int]:
        """What the vendor told of the last attempt; each attempt sent the same prompt."""
        if self.is_free:
            return {}
        told = self.vendor_usage
        is_known = self.is_vendor_usage_whole and self._unfailed
        output = told.get("output_tokens", 0) + self.untold_chunks if is_known else self.chunks
        prompts = self.untold + self._unfailed
        return {**told, "input_tokens": prompts * told.get("input_tokens", 0), "output_tokens": output}

    def _stt_usage(self) -> dict[str, int]:
        counted = {"audio_pushed_ms": samples_to_ms(self.pushed, self.pushed_rate)}
        wire = self.seen_wire
        if wire is not None:
            counted["audio_sent_ms"] = wire.audio_sent_ms()
            counted["socket_open_ms"] = wire.socket_open_ms()
            counted |= wire.add_on_ms()
        elif not self.is_free:
            # Without sight of the socket what was pushed is the upper bound of what was sent; a recording goes whole.
            times = self.untold + self._unfailed if self.mode == "batch" else 1
            counted["audio_sent_ms"] = times * counted["audio_pushed_ms"]
        if self._bills_heard_tokens() and not self.is_free:
            counted |= self._heard_tokens(counted["audio_sent_ms"])
        return counted

    def _heard_tokens(self, audio_ms: int) -> dict[str, int]:
        """The vendor's tokens of what it heard; an estimate for a recording, or a turn, of which it told nothing."""
        if self.mode != "batch":
            counted = dict(self.vendor_usage)
            for turn_ms in self._untold_turns_ms():
                for meter, tokens in estimate.transcription_tokens(turn_ms).items():
                    counted[meter] = counted.get(meter, 0) + tokens
            return counted
        if self.vendor_usage:
            return {meter: (1 + self.untold) * quantity for meter, quantity in self.vendor_usage.items()}
        return estimate.transcription_tokens(audio_ms)

    def _untold_turns_ms(self) -> list[int]:
        """Of a stream that has ended: while it is open, its vendor will tell."""
        if self.turns is None or self.outcome is None or not self._bills_heard_tokens():
            return []
        return list(self.turns.untold_ms.values())

    def _tts_usage(self) -> dict[str, int]:
        counted = {"characters_pushed": self.pushed}
        if self.received_samples:
            counted["audio_received_ms"] = samples_to_ms(self.received_samples, self.received_rate)
        wire = self.seen_wire
        if wire is not None:
            counted["characters_sent"] = wire.characters_sent
            counted["characters_failed"] = wire.characters_failed
        elif self.node is not None:
            counted["characters_sent"] = self.node.characters_sent
            counted["characters_failed"] = self.node.characters_failed
        else:
            attempts = 1 if self.outcome is None and not self.attempts else self.attempts
            counted["characters_sent"] = self.pushed * (attempts - self.refused)
            counted["characters_failed"] = self.pushed * self.silent
        if self._bills_tokens() and not self.is_free:
            counted.update(self._speech_tokens())
        return counted

    def _speech_tokens(self) -> dict[str, int]:
        """The vendor's tokens, and an estimate for the attempts it told nothing of."""
        input_tokens, output_tokens = self.tts_tokens
        untold, samples = self.untold, self.untold_samples
        if not any(self.tts_tokens):
            untold, samples = untold + self._unfailed, self.received_samples
        input_tokens += untold * estimate.text_tokens(self.pushed)
        output_tokens += estimate.speech_tokens(samples_to_ms(samples, self.received_rate))
        return {"input_tokens": input_tokens, "output_tokens": output_tokens, "output_audio_tokens": output_tokens}

    @property
    def _unfailed(self) -> int:
        """A request that was cancelled or is open has one attempt more than those that failed."""
        return int(self.outcome != "error" and not self.attempt.is_over)

    def _bills_heard_tokens(self) -> bool:
        return self.facts.provider == "openai" and self.model.startswith("gpt-4o")

    def _bills_tokens(self) -> bool:
        return self.facts.provider == "openai" and not self.model.startswith("tts-1")


_TOLD_AS: Final = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read_tokens": "prompt_cached_tokens",
    "cache_write_tokens": "cache_creation_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
"""Our meters, and LiveKit's names for them."""


def _told_tokens(usages: list[Any], meters: tuple[str, ...]) -> dict[str, int]:
    """Add up what was told; of the parts of input and output only those that there were."""
    sums = {meter: sum(getattr(usage, _TOLD_AS[meter]) or 0 for usage in usages) for meter in meters}
    return {meter: tokens for meter, tokens in sums.items() if tokens or meter in ("input_tokens", "output_tokens")}


def usage_in(chunks: list[Any]) -> Any:
    """The last usage that a language model's chunks tell, or None; what nobody can have used tells nothing."""
    return next((chunk.usage for chunk in reversed(chunks) if chunk.usage is not None and _is_usage(chunk.usage)), None)


def _is_usage(usage: Any) -> bool:
    return all(0 <= (getattr(usage, name) or 0) <= TOKENS_MAX for name in _TOLD_AS.values())


def has_content(chunk: Any) -> bool:
    """Whether a language model's chunk brought text or a tool call."""
    delta = chunk.delta
    return delta is not None and bool(delta.content or delta.tool_calls)


def samples_to_ms(samples: int, sample_rate: int) -> int:
    """Whole milliseconds of audio; 0 while the rate is not known."""
    return samples * 1000 // sample_rate if sample_rate else 0
