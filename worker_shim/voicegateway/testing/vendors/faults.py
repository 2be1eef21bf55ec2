"""Fault plans: which request of which vendor goes wrong, and how. The same plan, the same faults."""

import random
from collections import Counter
from typing import Any, Final, Literal

import msgspec

from voicegateway.testing.vendors.truth import Vendor

FaultKind = Literal[
    "rate_limited",
    "server_error",
    "unauthorized",
    "stall",
    "close_mid_stream",
    "abort_mid_stream",
    "vendor_error",
]
Endpoint = Literal[
    "listen",
    "chat",
    "speech",
    "responses",
    "responses_socket",
    "transcriptions",
    "transcription_socket",
    "transcription_audio",
    "realtime_socket",
    "realtime_response",
    "messages",
    "groq_chat",
    "groq_transcriptions",
    "groq_speech",
    "ollama_chat",
    "tts_socket",
    "tts_context",
    "tts_bytes",
    "turns_socket",
    "listen_recording",
    "flux",
    "speak_socket",
    "speak_turn",
    "speak_bytes",
    "multi_stream_socket",
    "multi_stream_context",
    "speech_bytes",
    "scribe_socket",
    "scribe_recording",
    "universal",
    "voice_socket",
    "voice_text",
]

REFUSALS: Final[frozenset[FaultKind]] = frozenset({"rate_limited", "server_error", "unauthorized"})
"""Kinds that answer with an HTTP error instead of accepting the request."""

_SAYS_ERROR: Final[frozenset[FaultKind]] = frozenset({"vendor_error"})
_STALLS: Final[frozenset[FaultKind]] = frozenset({"stall"})
_BREAKS: Final[frozenset[FaultKind]] = frozenset({"stall", "close_mid_stream", "abort_mid_stream"})

ENDPOINT_VENDOR: Final[dict[Endpoint, Vendor]] = {
    "listen": "deepgram",
    "chat": "openai",
    "speech": "openai",
    "responses": "openai",
    "responses_socket": "openai",
    "transcriptions": "openai",
    "transcription_socket": "openai",
    "transcription_audio": "openai",
    "realtime_socket": "openai",
    "realtime_response": "openai",
    "messages": "anthropic",
    "groq_chat": "groq",
    "groq_transcriptions": "groq",
    "groq_speech": "groq",
    "ollama_chat": "ollama",
    "tts_socket": "cartesia",
    "tts_context": "cartesia",
    "tts_bytes": "cartesia",
    "turns_socket": "cartesia",
    "listen_recording": "deepgram",
    "flux": "deepgram",
    "speak_socket": "deepgram",
    "speak_turn": "deepgram",
    "speak_bytes": "deepgram",
    "multi_stream_socket": "elevenlabs",
    "multi_stream_context": "elevenlabs",
    "speech_bytes": "elevenlabs",
    "scribe_socket": "elevenlabs",
    "scribe_recording": "elevenlabs",
    "universal": "assemblyai",
    "voice_socket": "assemblyai",
    "voice_text": "assemblyai",
}

ENDPOINT_KINDS: Final[dict[Endpoint, frozenset[FaultKind]]] = {
    "listen": REFUSALS | _BREAKS,
    "chat": REFUSALS | _BREAKS | _SAYS_ERROR,
    "speech": REFUSALS | _BREAKS,
    # Over a websocket a refusal is an error event; the socket stays.
    "responses": REFUSALS | _BREAKS | _SAYS_ERROR,
    "responses_socket": REFUSALS,
    "transcriptions": REFUSALS | _STALLS,
    "transcription_socket": REFUSALS,
    "transcription_audio": _BREAKS | _SAYS_ERROR,
    "realtime_socket": REFUSALS,
    # A response that is refused has been created, and is done at once with the status "failed".
    "realtime_response": REFUSALS | _BREAKS | _SAYS_ERROR,
    "messages": REFUSALS | _BREAKS | _SAYS_ERROR,
    "groq_chat": REFUSALS | _BREAKS | _SAYS_ERROR,
    "groq_transcriptions": REFUSALS | _STALLS,
    "groq_speech": REFUSALS | _BREAKS,
    "ollama_chat": (REFUSALS - {"unauthorized"}) | _BREAKS | _SAYS_ERROR,
    # A socket is refused at its handshake; what goes wrong later belongs to a context on it.
    "tts_socket": REFUSALS,
    "tts_context": _BREAKS | _SAYS_ERROR,
    "tts_bytes": REFUSALS | _BREAKS,
    "turns_socket": REFUSALS | _BREAKS | _SAYS_ERROR,
    "listen_recording": REFUSALS | _STALLS,
    "flux": REFUSALS | _BREAKS | _SAYS_ERROR,
    "speak_socket": REFUSALS,
    "speak_turn": _BREAKS | _SAYS_ERROR,
    "speak_bytes": REFUSALS | _BREAKS,
    "multi_stream_socket": REFUSALS,
    "multi_stream_context": _BREAKS | _SAYS_ERROR,
    "speech_bytes": REFUSALS | _BREAKS,
    "scribe_socket": REFUSALS | _BREAKS | _SAYS_ERROR,
    "scribe_recording": REFUSALS | _STALLS,
    "universal": REFUSALS | _BREAKS,
    # What AssemblyAI refuses of its voices it refuses in the open socket, with codes of its own.
    "voice_socket": REFUSALS,
    "voice_text": _BREAKS | _SAYS_ERROR,
}

_STATUS: Final[dict[FaultKind, int]] = {"rate_limited": 429, "server_error": 503, "unauthorized": 401}


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to fail, and when.

    Exactly one of `nth` (only that request, from 1), `every` (each n-th) and `probability` (0 to 1, drawn
    from the seed and the request's number) says when. Requests are counted per endpoint since the plan was
    set, retries included. Without `endpoint` the rule covers each endpoint of the vendor that can fail so.
    """

    vendor: Vendor
    kind: FaultKind
    endpoint: Endpoint | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    status: int | None = None
    """HTTP status of a refusal; 429, 503 or 401 by its kind if not given."""
    retry_after_s: int = 1
    """`Retry-After` of `rate_limited`."""
    stall_s: float = 30.0
    """`stall`: how long the vendor says nothing before it goes on."""
    after_audio_ms: int = 500
    """Speech to text breaks after this much received audio."""
    after_chunks: int | None = None
    """The other vendors: after this many chunks; 3 by default, 0 for `vendor_error`."""

    def __post_init__(self) -> None:
        if sum(when is not None for when in (self.nth, self.every, self.probability)) != 1:
            raise ValueError(f"{self.vendor} {self.kind}: give exactly one of nth, every, probability")
        if any(count is not None and count < 1 for count in (self.nth, self.every)):
            raise ValueError(f"{self.vendor} {self.kind}: nth and every count from 1")
        if not any(self.covers(endpoint) for endpoint in ENDPOINT_VENDOR):
            raise ValueError(f"{self.vendor} {self.endpoint or 'endpoints'} cannot fail with {self.kind}")

    def covers(self, endpoint: Endpoint) -> bool:
        """Say whether the rule is about this endpoint."""
        return (
            self.vendor == ENDPOINT_VENDOR[endpoint]
            and self.endpoint in (None, endpoint)
            and self.kind in ENDPOINT_KINDS[endpoint]
        )

    def strikes(self, number: int, *, draw: str) -> bool:
        """Say whether the request with this number (from 1) fails; `draw` seeds the dice."""
        if self.nth is not None:
            return number == self.nth
        if self.every is not None:
            return number % self.every == 0
        return random.Random(f"{draw}:{number}").random() < (self.probability or 0.0)

    @property
    def is_refusal(self) -> bool:
        """The request is answered with an HTTP error and never accepted."""
        return self.kind in REFUSALS

    @property
    def refusal_status(self) -> int:
        """HTTP status of a refusal."""
        return self.status or _STATUS[self.kind]

    @property
    def chunks_before(self) -> int:
        """Chunks written before the fault happens."""
        if self.after_chunks is not None:
            return self.after_chunks
        return 0 if self.kind == "vendor_error" else 3

    @property
    def outcome(self) -> str:
        """The truth log's word for a request that met this rule."""
        return f"fault:{self.kind}"


FaultPlan = tuple[FaultRule, ...]

DEMO_PLAN: Final[FaultPlan] = (
    FaultRule(vendor="openai", endpoint="chat", kind="rate_limited", every=11, retry_after_s=1),
    FaultRule(vendor="openai", endpoint="chat", kind="server_error", every=17, status=500),
    FaultRule(vendor="deepgram", endpoint="listen", kind="server_error", every=7),
    FaultRule(vendor="cartesia", endpoint="tts_context", kind="vendor_error", every=9),
)
"""A bad day that LiveKit's own retries survive: nobody hears more than a pause."""


def parse_faults(text: str) -> FaultPlan:
    """Return the plan for `none`, `demo` or a JSON list of rules; raise ValueError for anything else."""
    word = text.strip().strip('"')
    if word in ("", "none"):
        return ()
    if word == "demo":
        return DEMO_PLAN
    try:
        rules: Any = msgspec.json.decode(text)
        return msgspec.convert(rules, FaultPlan)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"faults must be none, demo or a JSON list of fault rules: {error}") from error


class FaultBook:
    """The plan in force and the requests counted under it. Shared by all simulators of one facade."""

    def __init__(self, plan: FaultPlan, *, seed: int) -> None:
        self._seed = seed
        self._plan = plan
        self._numbers: Counter[Endpoint] = Counter()

    def set(self, plan: FaultPlan) -> None:
        """Put a new plan in force; counting starts over."""
        self._plan = plan
        self._numbers.clear()

    def next(self, endpoint: Endpoint) -> FaultRule | None:
        """Count one request and return the first rule that strikes it."""
        self._numbers[endpoint] += 1
        number = self._numbers[endpoint]
        for position, rule in enumerate(self._plan):
            if rule.covers(endpoint) and rule.strikes(number, draw=f"{self._seed}:{position}:{endpoint}"):
                return rule
        return None
