"""Wire count: what was really handed to a vendor's sockets for one request."""

import time
from typing import Any, Final

PCM16_BYTES_PER_SAMPLE: Final = 2
NS_PER_MS: Final = 1_000_000


class WireCount:
    """What was handed to the vendor's sockets for one request, per connection and attempt.

    Vendors count per connection, so milliseconds are floored per connection, not on the sum.
    """

    __slots__ = (
        "_add_on_ms_done",
        "_add_ons",
        "_audio_ms_done",
        "_bytes",
        "_connection",
        "_ended",
        "_opened_ns",
        "_socket_ns_done",
        "attempt_characters",
        "characters_failed",
        "characters_sent",
        "context",
        "is_used",
        "sample_rate",
    )

    def __init__(self, sample_rate: int = 0) -> None:
        self.sample_rate = sample_rate
        self.is_used = False
        """True once a socket of this request was seen."""
        self.context: Any = None
        """The newest of its parts of sockets that are shared: `instrument.wire.owners`."""
        self.characters_sent = 0
        self.characters_failed = 0
        self.attempt_characters = 0
        self._audio_ms_done = 0
        self._add_on_ms_done: dict[str, int] = {}
        self._add_ons: tuple[str, ...] = ()
        self._bytes = 0
        self._connection: object = None
        self._ended: object = None
        """The last connection that has ended."""
        self._opened_ns = 0
        self._socket_ns_done = 0

    def audio(self, connection: object, opened_ns: int, size_bytes: int) -> None:
        """Count one binary message of 16-bit mono PCM on a connection; one that has ended refuses it."""
        if connection is self._ended:
            return
        if connection is not self._connection:
            self._roll(connection, opened_ns)
        self._bytes += size_bytes

    def opened(self, connection: object, opened_ns: int, add_ons: tuple[str, ...] = ()) -> None:
        """Note that a connection carries this request, before any audio, and the meters of its add-ons."""
        if connection is not self._connection:
            self._roll(connection, opened_ns)
        self._add_ons = add_ons

    def closed(self, connection: object) -> None:
        """Note a connection's end."""
        if connection is self._connection:
            self._roll(None, 0)
            self._ended = connection

    def characters(self, count: int) -> None:
        """Count text sent to the vendor."""
        self.is_used = True
        self.characters_sent += count
        self.attempt_characters += count

    def attempt_failed(self) -> None:
        """The running attempt ended without any audio: vendors that bill success do not bill its text."""
        self.characters_failed += self.attempt_characters
        self.attempt_characters = 0

    def audio_sent_ms(self) -> int:
        """Whole milliseconds of audio sent over all connections of this request."""
        return self._audio_ms_done + _bytes_to_ms(self._bytes, self.sample_rate)

    def add_on_ms(self) -> dict[str, int]:
        """Whole milliseconds of audio sent over connections with an add-on switched on, by the add-on's meter."""
        running_ms = _bytes_to_ms(self._bytes, self.sample_rate)
        done = dict(self._add_on_ms_done)
        return done | {meter: done.get(meter, 0) + running_ms for meter in self._add_ons}

    def connection_audio_ms(self) -> int:
        """Whole milliseconds of audio sent over the connection of the moment."""
        return _bytes_to_ms(self._bytes, self.sample_rate)

    def socket_open_ms(self) -> int:
        """Wall clock of all connections of this request, up to now while one is open."""
        running_ns = time.monotonic_ns() - self._opened_ns if self._connection is not None else 0
        return (self._socket_ns_done + running_ns) // NS_PER_MS

    def _roll(self, connection: object, opened_ns: int) -> None:
        self._add_on_ms_done = self.add_on_ms()
        self._audio_ms_done += _bytes_to_ms(self._bytes, self.sample_rate)
        self._bytes, self._add_ons = 0, ()
        if self._connection is not None:
            self._socket_ns_done += time.monotonic_ns() - self._opened_ns
        self._connection = connection
        self._opened_ns = opened_ns
        self.is_used = True


def _bytes_to_ms(size_bytes: int, sample_rate: int) -> int:
    return size_bytes * 1000 // (sample_rate * PCM16_BYTES_PER_SAMPLE) if sample_rate else 0
