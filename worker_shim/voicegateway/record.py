"""Request record: what is counted of one request, from its start to its settlement."""

import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from voicegateway import estimate
from voicegateway.identity import Identity
from voicegateway_shared.ids import RequestId, new_request_id
from voicegateway_shared.usage import Modality, Outcome

PCM16_BYTES_PER_SAMPLE: Final = 2
NS_PER_MS: Final = 1_000_000
VENDOR_IDS_MAX: Final = 16
"""A request that was tried more often than this is broken in a way that ids do not explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFacts:
    """What is known of an instrumented plugin instance; lives as long as the instance."""

    provider: str
    modality: Modality
    project: str | None
    key_id: str
    variant: str | None = None


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

    request_id: RequestId = field(default_factory=new_request_id)
    started_unix_ns: int = field(default_factory=time.time_ns)
    started_ns: int = field(default_factory=time.monotonic_ns)
    ended_ns: int = 0
    ttfb_ns: int = -1
    attempts: int = 0
    unanswered: int = 0
    """Attempts that were given up waiting: the vendor may have worked on them and may bill them."""
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
    received_samples: int = 0
    received_rate: int = 0
    attempt_received_samples: int = 0
    llm_chunks: list[Any] = field(default_factory=list)
    """The vendor's chunks, a few thousand at the most, counted when the request is encoded."""
    llm_usage: Any = None
    tts_tokens: tuple[int, int] = (0, 0)
    vendor_ids: list[str] = field(default_factory=list)
    reported: dict[str, int] = field(default_factory=dict)

    wire: "WireCount | None" = None

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
        if self.outcome is None or self.unanswered:
            return False
        self.count_chunks()
        is_failed = self.outcome == "error" and not (self.chunks or self.received_samples or self.llm_usage)
        return is_failed or not self.attempts

    def first_byte(self, since_ns: int) -> None:
        """Note the first result, if it is the first."""
        if self.ttfb_ns < 0:
            self.ttfb_ns = max(0, time.monotonic_ns() - since_ns)

    def begin_attempt(self) -> None:
        """Note that the vendor is tried, again if it was before: the attempt before this one has failed."""
        if self.attempts:
            self.end_failed_attempt()
        self.attempts += 1
        self.attempt_received_samples = self.received_samples
        if self.wire is not None:
            self.wire.attempt_characters = 0

    def end_failed_attempt(self) -> None:
        """Note that the running attempt failed. Audio may still come after the plugin's own code has ended."""
        if self.wire is not None and self.received_samples == self.attempt_received_samples:
            self.wire.attempt_failed()

    def vendor_id(self, request_id: str) -> None:
        """Note an id the vendor gave to an attempt or a connection of this request."""
        if request_id and request_id not in self.vendor_ids and len(self.vendor_ids) < VENDOR_IDS_MAX:
            self.vendor_ids.append(request_id)
            self.response_id = request_id

    def is_estimated(self) -> bool:
        """True when the vendor's own count is missing and ours stands for it."""
        self.count_chunks()
        if self.modality == "llm":
            return bool(self.unanswered) or (self.llm_usage is None and not self.is_free)
        if self.modality == "tts" and self._bills_tokens():
            return bool(self.unanswered) or (not any(self.tts_tokens) and not self.is_free)
        is_upper_bound = self.wire is None and not self.is_push_whole and not self.is_free
        return self.outcome is None or is_upper_bound

    def usage(self) -> dict[str, int]:
        """The meters of this request so far, in their base units; no zero is left out by accident."""
        self.count_chunks()
        counted = {"llm": self._llm_usage, "stt": self._stt_usage, "tts": self._tts_usage}[self.modality]()
        counted["requests"] = 1
        if self.chunks:
            counted["chunks_received"] = self.chunks
        return counted

    def count_chunks(self) -> None:
        """Count what a language model sent, and find the usage in it; a retry's chunks count too."""
        chunks = self.llm_chunks
        if not chunks:
            return
        deltas = [chunk.delta for chunk in chunks]
        self.chunks = sum(1 for delta in deltas if delta is not None and (delta.content or delta.tool_calls))
        self.llm_usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage is not None), None)

    def _llm_usage(self) -> dict[str, int]:
        usage = self.llm_usage
        if usage is None:
            if self.is_free:
                return {}
            # Of a request that failed in the end only the attempts that were given up waiting may be billed.
            times = self.unanswered + (1 if self.outcome != "error" or self.chunks else 0)
            return {"input_tokens": times * estimate.input_tokens(self.chat_ctx), "output_tokens": self.chunks}
        # Each attempt sends the same prompt.
        input_tokens = usage.prompt_tokens * (1 + self.unanswered)
        counted = {"input_tokens": input_tokens, "output_tokens": usage.completion_tokens}
        for meter, value in (
            ("cache_read_tokens", usage.prompt_cached_tokens),
            ("cache_write_tokens", usage.cache_creation_tokens),
            ("reasoning_tokens", usage.reasoning_tokens),
        ):
            if value:
                counted[meter] = value
        return counted

    def _stt_usage(self) -> dict[str, int]:
        counted = {"audio_pushed_ms": _samples_to_ms(self.pushed, self.pushed_rate)}
        if self.wire is not None:
            counted["audio_sent_ms"] = self.wire.audio_sent_ms()
            counted["socket_open_ms"] = self.wire.socket_open_ms()
        elif not self.is_free:
            # Without sight of the socket what was pushed is the upper bound of what was sent.
            counted["audio_sent_ms"] = counted["audio_pushed_ms"]
        return counted

    def _tts_usage(self) -> dict[str, int]:
        counted = {"characters_pushed": self.pushed}
        if self.received_samples:
            counted["audio_received_ms"] = _samples_to_ms(self.received_samples, self.received_rate)
        if self.wire is not None:
            counted["characters_sent"] = self.wire.characters_sent
            counted["characters_failed"] = self.wire.characters_failed
        else:
            sent = self.pushed * (self.attempts or (0 if self.is_free else 1))
            counted["characters_sent"] = sent
            failed_attempts = max(0, self.attempts - 1) + (1 if self.is_free else 0)
            counted["characters_failed"] = min(sent, self.pushed * failed_attempts)
        tokens_in, tokens_out = self.tts_tokens
        if tokens_in or tokens_out:
            counted["input_tokens"] = tokens_in
            counted["output_tokens"] = counted["output_audio_tokens"] = tokens_out
        return counted

    def _bills_tokens(self) -> bool:
        return self.facts.provider == "openai" and not self.model.startswith("tts-1")


class WireCount:
    """What was handed to the vendor's sockets for one request, per connection and attempt.

    Vendors count per connection, so milliseconds are floored per connection, not on the sum.
    """

    __slots__ = (
        "_audio_ms_done",
        "_bytes",
        "_connection",
        "_opened_ns",
        "_socket_ns_done",
        "attempt_characters",
        "characters_failed",
        "characters_sent",
        "sample_rate",
    )

    def __init__(self, sample_rate: int = 0) -> None:
        self.sample_rate = sample_rate
        self.characters_sent = 0
        self.characters_failed = 0
        self.attempt_characters = 0
        self._audio_ms_done = 0
        self._bytes = 0
        self._connection: object = None
        self._opened_ns = 0
        self._socket_ns_done = 0

    def audio(self, connection: object, opened_ns: int, size_bytes: int) -> None:
        """Count one binary message of 16-bit mono PCM on a connection."""
        if connection is not self._connection:
            self._roll(connection, opened_ns)
        self._bytes += size_bytes

    def opened(self, connection: object, opened_ns: int) -> None:
        """Note that a connection carries this request, before any audio."""
        if connection is not self._connection:
            self._roll(connection, opened_ns)

    def closed(self, connection: object) -> None:
        """Note a connection's end."""
        if connection is self._connection:
            self._roll(None, 0)

    def characters(self, count: int) -> None:
        """Count text sent to the vendor."""
        self.characters_sent += count
        self.attempt_characters += count

    def attempt_failed(self) -> None:
        """The running attempt ended without any audio: vendors that bill success do not bill its text."""
        self.characters_failed += self.attempt_characters
        self.attempt_characters = 0

    def audio_sent_ms(self) -> int:
        """Whole milliseconds of audio sent over all connections of this request."""
        return self._audio_ms_done + _bytes_to_ms(self._bytes, self.sample_rate)

    def connection_audio_ms(self) -> int:
        """Whole milliseconds of audio sent over the connection of the moment."""
        return _bytes_to_ms(self._bytes, self.sample_rate)

    def socket_open_ms(self) -> int:
        """Wall clock of all connections of this request, up to now while one is open."""
        running_ns = time.monotonic_ns() - self._opened_ns if self._connection is not None else 0
        return (self._socket_ns_done + running_ns) // NS_PER_MS

    def _roll(self, connection: object, opened_ns: int) -> None:
        self._audio_ms_done += _bytes_to_ms(self._bytes, self.sample_rate)
        self._bytes = 0
        if self._connection is not None:
            self._socket_ns_done += time.monotonic_ns() - self._opened_ns
        self._connection = connection
        self._opened_ns = opened_ns


def _bytes_to_ms(size_bytes: int, sample_rate: int) -> int:
    return size_bytes * 1000 // (sample_rate * PCM16_BYTES_PER_SAMPLE) if sample_rate else 0


def _samples_to_ms(samples: int, sample_rate: int) -> int:
    return samples * 1000 // sample_rate if sample_rate else 0
