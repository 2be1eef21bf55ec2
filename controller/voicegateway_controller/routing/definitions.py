"""Definitions: one revision of the declared routing, as given and as chains, stacks and defaults. Pure.

A document is kept as a list of sections, everybody's and one for each project, so that who reaches some projects sees
theirs alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from voicegateway_controller.declared import Allows, Declared, refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import ProjectDefault, Routing, Stack, parse_routing
from voicegateway_shared.routing.declaration import SECTIONS

TEXT_CHARS_MAX: Final = 1_024
"""An option of a voice may be a sentence or two of instructions."""
DEPTH_MAX: Final = 12
"""A project's chain's model's option, which may be a mapping of mappings."""
SCOPES_MAX: Final = 1_000
"""Sets of projects whose part is kept ready: as many as there are kinds of tokens."""
_PROJECT: Final = "project"
_ORDER: Final = ("stt", "llm", "tts", "realtime", "stack", "model", "models", "strategy", "hedge", "attempt_timeout_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingDefinitions:
    """One revision; immutable but for what it remembers. Revision 0 holds where nothing was ever declared."""

    revision: int = 0
    document: Sequence[Declared] = ()
    """The sections, everybody's first."""
    routing: Routing = field(default_factory=Routing)
    created_at: datetime | None = None
    created_by: str = ""
    _projects: tuple[str, ...] = field(init=False)
    _parts: dict[tuple[str, ...], tuple[str, Routing]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_projects", tuple(each[_PROJECT] for each in self.document if each[_PROJECT]))

    def part_for(self, allows: Allows) -> tuple[str, Routing]:
        """Return what concerns somebody who reaches some projects, and its tag, which changes with it."""
        seen = tuple(project for project in self._projects if allows(project))
        if seen not in self._parts:
            if len(self._parts) >= SCOPES_MAX:
                self._parts.clear()
            self._parts[seen] = _part(self.routing, {"", *seen})
        return self._parts[seen]


def validated(document: object, *, providers: frozenset[str]) -> Routing:
    """Return what a document that somebody wants to declare means; BadRequest says what is wrong with it."""
    refuse_odd_texts(document, "routing", text_chars_max=TEXT_CHARS_MAX, depth_max=DEPTH_MAX)
    try:
        return parse_routing(document, providers=providers)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error


def unheard_of(routing: Routing, *, providers: frozenset[str]) -> tuple[str, ...]:
    """Return one line for each provider that nobody here knows: one that workers add by themselves, or a slip."""
    named = {model.model.partition("/")[0] for chain in routing.chains for model in chain.models}
    owners: tuple[Stack | ProjectDefault, ...] = (*routing.stacks, *routing.defaults)
    for each in owners:
        named |= {part.partition("/")[0] for part in (each.stt, each.llm, each.tts, each.realtime) if "/" in part}
    return tuple(
        f"provider {name!r} is not known here: fine if your workers add it, and its requests have no price"
        for name in sorted(named - providers)
    )


def stored_routing(sections: Sequence[Declared]) -> Routing:
    """Return what sections mean that were in force already.

    Raises:
        ConfigurationError: a newer version wrote them and this one does not understand them.
    """
    return parse_routing(joined(sections))


def split(document: Mapping[str, Any]) -> list[Declared]:
    """Return a document's sections: everybody's, then those of projects; empty ones are none."""
    sections = [("", document), *(document.get("projects") or {}).items()]
    return [
        {_PROJECT: project, **declared}
        for project, section in sections
        if (declared := {name: section[name] for name in SECTIONS if (section or {}).get(name)})
    ]


def joined(sections: Sequence[Declared]) -> dict[str, Any]:
    """Return sections as a person writes them, in the order in which people do."""
    document: dict[str, Any] = {}
    projects: dict[str, Any] = {}
    for section in sections:
        declared = {name: _ordered(section[name]) for name in SECTIONS if name in section}
        if section.get(_PROJECT):
            projects[section[_PROJECT]] = declared
        else:
            document |= declared
    if projects:
        document["projects"] = projects
    return document


def _part(routing: Routing, projects: set[str]) -> tuple[str, Routing]:
    part = Routing(
        chains=tuple(each for each in routing.chains if each.project in projects),
        stacks=tuple(each for each in routing.stacks if each.project in projects),
        defaults=tuple(each for each in routing.defaults if each.project in projects),
    )
    return hashlib.blake2b(msgspec.json.encode(part, order="deterministic"), digest_size=8).hexdigest(), part


def _ordered(value: Any) -> Any:
    """Postgres keeps keys in an order of its own."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (_ORDER.index(key) if key in _ORDER else -1, key))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(each) for each in value] if isinstance(value, list) else value
