"""One live event as a value: what it is, whose it is, who may hear of it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from voicegateway_controller.access.rules import Access
from voicegateway_controller.errors import BadRequest

Kind = Literal[
    "request.settled",
    "request.left_out",
    "session.begun",
    "session.ended",
    "configuration.changed",
    "alert.raised",
    "breaker.opened",
    "breaker.closed",
    "provider.disabled",
    "provider.enabled",
    "worker.drained",
    "worker.undrained",
]
KINDS: Final[tuple[Kind, ...]] = Kind.__args__  # type: ignore[attr-defined]  # typing does not say that it has them
NOUNS: Final = tuple(dict.fromkeys(kind.partition(".")[0] for kind in KINDS))
"""What a filter may name beside kinds: `session` is both of its kinds."""
Audience = Literal["project", "fleet", "everybody"]
"""Who may hear of it: who reaches its project, who reaches all projects, whoever reads."""

_ID: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15})", re.ASCII)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as it is kept. Its id is its place in the stream."""

    kind: Kind
    at: str
    """RFC 3339, UTC."""
    audience: Audience = "project"
    project: str = ""
    data: Mapping[str, Any] = {}

    def is_for(self, access: Access) -> bool:
        """Say whether somebody may hear of it."""
        if self.audience == "everybody":
            return True
        if self.audience == "fleet" or not self.project:
            return access.projects is None
        return access.allows(self.project)


Id = tuple[int, int]
"""When it was told, in ms since 1970 by Redis' clock, and its number within that."""
BEGINNING: Final[Id] = (0, 0)


def parse_id(text: str) -> Id:
    """Return an event's id; BadRequest when it is none."""
    found = _ID.fullmatch(text)
    if found is None:
        raise BadRequest(
            f"{text[:100]!r} is no id of an event: send the last one you have seen, such as 1763700000000-0"
        )
    return int(found[1]), int(found[2])


def format_id(its_id: Id) -> str:
    """Return an id as it is sent."""
    return f"{its_id[0]}-{its_id[1]}"


def now_text() -> str:
    """Return the present instant as events say it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events somebody wants to hear of; what is empty may be anything."""

    kinds: Sequence[str] = ()
    """Kinds, or nouns for all kinds of one."""
    project: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Values that fields of the data must have."""

    def takes(self, event: Event) -> bool:
        """Say whether an event is wanted."""
        if self.kinds and event.kind not in self.kinds and event.kind.partition(".")[0] not in self.kinds:
            return False
        if self.project and event.project != self.project:
            return False
        return all(str(event.data.get(name, "")) == value for name, value in self.fields.items() if value)


def checked_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return kinds that a filter names; BadRequest for one that there is not."""
    for kind in kinds:
        if kind not in KINDS and kind not in NOUNS:
            raise BadRequest(f"kind {kind[:100]!r} is no kind of event; there are {', '.join((*NOUNS, *KINDS))}")
    return tuple(kinds)
