"""Absence: for how long no controller has answered, as the limits' book and the budgets' reckon it. Pure."""

from typing import Final

NS_PER_S: Final = 1_000_000_000
OFFLINE_AFTER_NS: Final = 3 * NS_PER_S
"""A controller that is away for less, while it restarts say, still counts for the fleet: no policy of ours does."""
STALE_NS: Final = 10 * NS_PER_S
"""A controller that nobody has asked for so long is not away because it was: a syncer that has anything to say asks one
that fails at least every seven seconds."""


class Absence:
    """Lives as long as its book, under whose lock it is used."""

    __slots__ = ("_asked_ns", "since_ns")

    def __init__(self) -> None:
        self.since_ns = 0
        """When the first of the messages failed that failed in a row; 0 while none does."""
        self._asked_ns = 0

    def asked(self, now_ns: int) -> None:
        """Note that a message leaves."""
        if now_ns - self._asked_ns > STALE_NS:
            self.since_ns = 0
        self._asked_ns = now_ns

    def answered(self) -> None:
        """Note that one was answered."""
        self.since_ns = 0

    def failed(self, now_ns: int) -> None:
        """Note that one was not."""
        self.since_ns = self.since_ns or now_ns

    def is_offline(self, now_ns: int) -> bool:
        """Whether it has lasted so long that each declaration's `offline` policy holds."""
        return self.since_ns > 0 and now_ns - self.since_ns >= OFFLINE_AFTER_NS
