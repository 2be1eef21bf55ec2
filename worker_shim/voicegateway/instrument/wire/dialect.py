"""Dialect: how one vendor's plugins of one modality speak on their sockets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from voicegateway.record import RequestRecord


class Said(NamedTuple):
    """What one text message hands over that a vendor bills."""

    characters: int = 0
    audio_bytes: int = 0
    """Of 16-bit mono PCM."""
    context: str = ""
    """The vendor's id of what the message belongs to, where several share a socket."""
    is_end: bool = False
    """It is the last of its context."""


NOTHING = Said()


def says_nothing(message: str) -> Said:
    """Control messages carry nothing billable."""
    return NOTHING


def no_add_ons(query: Mapping[str, str]) -> tuple[str, ...]:
    """Most vendors bill one thing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Binary messages are 16-bit mono PCM in every dialect."""

    read: Callable[[str], Said] = says_nothing
    """What a text message hands over; raises ValueError or the like for one that is not understood."""
    hear: Callable[[RequestRecord, str], None] | None = None
    """Take from a vendor's text message what it tells of the request."""
    add_ons: Callable[[Mapping[str, str]], tuple[str, ...]] = no_add_ons
    """The meters of what a connection's address switches on and the vendor bills on top."""
    follow: Callable[[Any, Any, RequestRecord], None] | None = None
    """Make what a plugin's new stream sends known as its own; for sockets that one task writes to for all."""
    posts: bool = False
    """What is asked in one request is posted by the session that is metered, too: whether it was sent is known."""
    sample_rate: int = 0
    """Of the audio that is sent, where its plugin does not keep that: the vendor takes no other."""
