"""Journey: one request's way through its route; and the passage, by which a member's plugin knows its turn."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from voicegateway.record import RequestRecord
from voicegateway_shared.routing import Decision

if TYPE_CHECKING:
    from voicegateway.routing.route import Member, Route

Cause = Literal["", "failover", "hedge"]
MS_PER_S: Final = 1_000


@dataclass(slots=True, kw_only=True, eq=False)
class Journey:
    """Made when a request starts; used on its event loop; goes with its record."""

    route: "Route"
    members: "tuple[Member, ...]"
    """Who is asked, first to last."""
    decision: Decision
    call: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    """What the request was asked with; others are asked with the same."""
    is_heard: bool = False
    """Somebody's answer has reached the session: from now on nobody takes over."""
    heard: "asyncio.Future[None] | None" = None
    """Done with `is_heard`, for whoever waits for it."""
    asked: "asyncio.Future[None] | None" = None
    """Done when the vendor has something to answer to, for whoever waits for it."""
    tried: "set[Member]" = field(default_factory=set)

    def begins(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note what the request was asked with, in the words of the front's vendor; what is noted first holds."""
        if self.call == ((), {}):
            self.call = (args, kwargs)

    def hear(self) -> None:
        """Note the first of an answer."""
        self.is_heard = True
        if self.heard is not None and not self.heard.done():
            self.heard.set_result(None)

    def ask(self) -> None:
        """Note that the vendor was given something to answer to."""
        if self.asked is not None and not self.asked.done():
            self.asked.set_result(None)

    def begin_round(self, member: "Member") -> None:
        """Note that the framework tries all of them, once more if it did before."""
        self.tried = {member}
        # What was heard of a round before was taken back, or there were no other.
        self.is_heard, self.heard, self.asked = False, None, None

    def left(self) -> "list[Member]":
        """Return who has not been asked in this round, in order."""
        return [member for member in self.members if member not in self.tried]

    def is_rejected(self, member: "Member") -> bool:
        """Whether a member had better not serve now, and comes after those that may."""
        return any(rejection.model == member.model for rejection in self.decision.rejections)

    @property
    def silence_s(self) -> float:
        """How long a member may be silent while another one is left."""
        return self.route.attempt_timeout_ms / MS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """One member's turn in a journey."""

    journey: Journey
    member: "Member"
    origin: RequestRecord | None = None
    """In whose place it serves, into the stream of which its answer goes; None for the first of a journey."""
    cause: Cause = ""
    is_last: bool = False
    """Nobody is left to be asked after it in this round."""


PASSAGE: ContextVar[Passage | None] = ContextVar("voicegateway_passage", default=None)


@contextmanager
def passing(passage: Passage) -> Iterator[None]:
    """Context in which a member's plugin is called; the tasks of the stream that it makes stay in it."""
    token = PASSAGE.set(passage)
    try:
        yield
    finally:
        PASSAGE.reset(token)


def is_relayed() -> bool:
    """Whether the caller serves in another's place, into another's stream."""
    passage = PASSAGE.get()
    return passage is not None and passage.origin is not None
