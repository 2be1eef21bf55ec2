"""Compare the counts of one request: pure, and part of rating, so every span goes through here once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from voicegateway_shared.usage import METERS

VENDOR_SAYS: Final = "vendor:"
"""Before a meter's name in a span's second opinions: what the vendor itself said. Without it: what the plugin said."""
TOLERANCE_PER_MILLE: Final = 5
"""Of audio: half a percent. Tokens and characters are whole things that both sides count, so they must be equal."""
TOLERANCE_MS: Final = 100
"""Of short audio: the last frames are cut at different places."""
SOCKET_TOLERANCE_MS: Final = 1_000
"""Vendors tell whole seconds of sessions."""

Source = Literal["plugin", "vendor"]
Finding = Literal[
    "agrees",
    "pushed_not_sent",
    "socket_time",
    "interrupted",
    "retried",
    "estimated",
    "plugin_over_count",
    "plugin_under_count",
    "vendor_over_count",
    "vendor_under_count",
]
EXPLAINED: Final[Mapping[str, str]] = {
    "agrees": "within tolerance",
    "pushed_not_sent": "the plugin counts what the agent pushed, and not all of it was sent, or more than once",
    "socket_time": "the plugin counts how long its socket was open; this vendor bills the audio that it was sent",
    "interrupted": "the request was cut off: plugins tell finished segments only, and what was sent is billed",
    "retried": "plugin or vendor tells the last attempt only; those before it were sent as well",
    "estimated": "the vendor told no count, or not of every attempt: ours is a bound",
    "plugin_over_count": "the plugin counts more than was sent or received",
    "plugin_under_count": "the plugin counts less than was sent or received, and nothing known explains it",
    "vendor_over_count": "the vendor counted more than we sent or received: have its invoice explained",
    "vendor_under_count": "the vendor counted less than we sent or received",
}


class Counted(Protocol):
    """What is known of a request beside its counts."""

    @property
    def outcome(self) -> str: ...
    @property
    def estimated(self) -> bool: ...
    @property
    def attempts(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """One meter of one request, counted twice; quantities in the meter's base unit."""

    meter: str
    source: Source
    ours: int
    theirs: int
    finding: Finding


def compare(request: Counted, usage: Mapping[str, int], opinions: Mapping[str, int]) -> Iterator[Comparison]:
    """Compare every opinion with the count that is rated; a meter that we did not count is compared with zero."""
    for name, theirs in opinions.items():
        meter = name.removeprefix(VENDOR_SAYS)
        source: Source = "plugin" if meter is name else "vendor"
        ours = usage.get(meter, 0)
        if ours == theirs or abs(ours - theirs) <= _tolerance(meter, ours):
            finding: Finding = "agrees"
        else:
            finding = _explain(request, usage, meter, source, ours, theirs)
        yield Comparison(meter, source, ours, theirs, finding)


def _tolerance(meter: str, ours: int) -> int:
    known = METERS.get(meter)
    if known is None or known.unit != "ms":
        return 0
    if meter in ("socket_open_ms", "session_ms"):
        return SOCKET_TOLERANCE_MS
    return max(TOLERANCE_MS, ours * TOLERANCE_PER_MILLE // 1_000)


def _explain(request: Counted, usage: Mapping[str, int], meter: str, source: Source, ours: int, theirs: int) -> Finding:
    """Return the first cause that fits; the order is from what is certain to what is only likely."""
    if source == "plugin" and _is_pushed(usage, meter, theirs):
        return "pushed_not_sent"
    if source == "plugin" and _is_socket_time(usage, meter, theirs):
        return "socket_time"
    if theirs < ours:
        if request.outcome in ("cancelled", "interrupted"):
            return "interrupted"
        if request.attempts > 1:
            return "retried"
    if request.estimated:
        return "estimated"
    if source == "plugin":
        return "plugin_over_count" if theirs > ours else "plugin_under_count"
    return "vendor_over_count" if theirs > ours else "vendor_under_count"


def _is_pushed(usage: Mapping[str, int], meter: str, theirs: int) -> bool:
    """Say whether the plugin told what the agent pushed, while another quantity was sent."""
    pushed = {"audio_sent_ms": "audio_pushed_ms", "characters_sent": "characters_pushed"}.get(meter)
    if pushed is None or pushed not in usage:
        return False
    return abs(usage[pushed] - theirs) <= _tolerance(pushed, usage[pushed])


def _is_socket_time(usage: Mapping[str, int], meter: str, theirs: int) -> bool:
    """Say whether the plugin told its socket's wall clock as audio, as LiveKit's Deepgram plugin does."""
    open_ms = usage.get("socket_open_ms", 0) if meter == "audio_sent_ms" else 0
    return open_ms > 0 and abs(open_ms - theirs) <= SOCKET_TOLERANCE_MS
