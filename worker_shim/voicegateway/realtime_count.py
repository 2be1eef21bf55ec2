"""Realtime count: what a realtime session, and each response within it, is billed by."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from voicegateway import estimate

if TYPE_CHECKING:
    from voicegateway.record import RequestRecord

PCM16_BYTES_PER_MS: Final = 48
"""Of 24 kHz mono, which realtime sessions speak."""
NS_PER_MS: Final = 1_000_000


class ResponseCount:
    """One response's tokens: the vendor's own once it told them, until then an estimate of what it must have made.

    Its input is the whole conversation before it: what the last response took and made, and what was said since.
    """

    __slots__ = (
        "audio_bytes",
        "heard_ms",
        "input_audio_tokens",
        "input_tokens",
        "is_refused",
        "text_characters",
        "told",
    )

    def __init__(self, *, input_tokens: int, input_audio_tokens: int, heard_ms: int) -> None:
        self.input_tokens, self.input_audio_tokens = input_tokens, input_audio_tokens
        """Of the conversation up to the last response."""
        self.heard_ms = heard_ms
        """Speech since then."""
        self.told: Mapping[str, int] | None = None
        self.is_refused = False
        """The vendor says that it failed, and tells no usage: nothing is billed."""
        self.audio_bytes = 0
        self.text_characters = 0

    def expected_input(self) -> dict[str, int]:
        """Estimate the input's tokens."""
        heard = estimate.heard_tokens(self.heard_ms)
        return {
            "input_tokens": self.input_tokens + heard,
            "input_audio_tokens": self.input_audio_tokens + heard,
        }

    def usage(self, record: "RequestRecord") -> dict[str, int]:
        """Return the meters so far."""
        if self.told is not None:
            return {**self.told, **self._received(), "requests": 1}
        if self._is_free(record):
            return {"requests": 1}
        audio = estimate.speech_tokens(self.audio_bytes // PCM16_BYTES_PER_MS)
        return {
            **self.expected_input(),
            "output_tokens": audio + estimate.text_tokens(self.text_characters),
            "output_audio_tokens": audio,
            **self._received(),
            "requests": 1,
        }

    def is_estimated(self, record: "RequestRecord") -> bool:
        """Whether the vendor has not told it."""
        return self.told is None and not self._is_free(record)

    def _is_free(self, record: "RequestRecord") -> bool:
        return record.outcome is not None and (self.is_refused or not record.attempts)

    def _received(self) -> dict[str, int]:
        received_ms = self.audio_bytes // PCM16_BYTES_PER_MS
        return {"audio_received_ms": received_ms} if received_ms else {}


class SessionCount:
    """A session's time, and that of its sockets; it took no tokens of its own.

    The zeros say so: a price that counts tokens finds them, and one that counts time finds that.
    """

    __slots__ = ("_closed_ns", "_opened_ns", "_socket_ns", "audio_bytes")

    def __init__(self) -> None:
        self.audio_bytes = 0
        self._opened_ns = 0
        self._closed_ns = 0
        self._socket_ns = 0

    def opened(self) -> None:
        """Note that a socket opened; a session that lost its socket opens another."""
        self._opened_ns = time.monotonic_ns()

    def closed(self) -> None:
        """Note that it closed."""
        if self._opened_ns:
            self._socket_ns += time.monotonic_ns() - self._opened_ns
            self._opened_ns = 0

    def usage(self, record: "RequestRecord") -> dict[str, int]:
        """Return the meters so far."""
        running_ns = time.monotonic_ns() - self._opened_ns if self._opened_ns else 0
        socket_ms = (self._socket_ns + running_ns) // NS_PER_MS
        return {
            "input_tokens": 0,
            "output_tokens": 0,
            # A vendor's session lives as long as its socket.
            "session_ms": socket_ms,
            "socket_open_ms": socket_ms,
            "audio_sent_ms": self.audio_bytes // PCM16_BYTES_PER_MS,
            "requests": 0,
        }

    def is_estimated(self, record: "RequestRecord") -> bool:
        """Whether it goes on."""
        return record.outcome is None
