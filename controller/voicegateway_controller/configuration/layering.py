"""Layering: what holds when several layers declare resources, each resource from the highest that has it. Pure.

A section of a document is a list of mappings, of which each has an id, or, for routing, a mapping whose names are ids.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from voicegateway_shared.budgets.declaration import SCOPES
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.selector import FIELDS
from voicegateway_shared.routing.declaration import SECTIONS as ROUTING_SECTIONS
from voicegateway_shared.routing.fields import mapping, refuse_unknown

Layer = Literal["env", "db", "yaml"]
Section = Literal["projects", "limits", "budgets", "routing", "allowances", "markups", "keys"]

LAYERS: Final[tuple[Layer, ...]] = ("env", "db", "yaml")
"""The highest first: what the environment declares hides what is managed, which hides the file's."""
SECTIONS: Final[tuple[Section, ...]] = ("projects", "limits", "budgets", "routing", "allowances", "markups", "keys")
"""In the order in which they are read and shown."""
ROUTING: Final = "routing"
ZONE: Final = "zone"
"""Beside the sections: the time zone of budgets that follow a calendar and name none."""
OTHERS: Final = ("worker", "inference", "controller")
"""What else may stand in the file: options of a worker, of the inference server, of the controller. No layers."""

_MARKUP_SCOPE: Final = ("project", "provider", "model", "modality", "meter")
_PLACE: Final = re.compile(rf"\b({'|'.join(SECTIONS)})\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource that holds; immutable."""

    id: str
    """Within its section: `openai` of limits, `chains.llm.fast` or `projects.acme.stacks.premium` of routing."""
    path: tuple[Any, ...]
    """The same as names, which may have dots."""
    source: Layer
    """The layer that it is from."""
    shadows: tuple[Layer, ...] = ()
    """Lower layers that declare it too, the highest first."""
    place: str
    """Where it stands in its layer's document: `limits[3]`, `routing.chains.llm.fast`."""
    declared: Any
    """As given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What holds of one section; immutable."""

    section: Section
    resources: tuple[Resource, ...] = ()
    """The highest layer's first, each layer's in its own order."""

    @property
    def document(self) -> Any:
        """The section as one document would say it: a list of mappings, or routing's mapping."""
        if self.section == ROUTING:
            return _assembled(self.resources)
        return [each.declared for each in self.resources]

    def blamed(self, message: str) -> tuple[Layer | None, str]:
        """Return which layer an error in the merged document is of, and the message with the places of that layer.

        Where it names resources of several layers, it is the first one's, and the others are said with their layer.
        """
        layers: list[Layer] = []

        def placed(match: "re.Match[str]") -> str:
            index = int(match[2])
            if match[1] != self.section or index >= len(self.resources):
                return match[0]
            resource = self.resources[index]
            layers.append(resource.source)
            return resource.place if resource.source == layers[0] else f"{resource.place} ({resource.source})"

        told = _PLACE.sub(placed, message)
        return (layers[0] if layers else self._named_in(message)), told

    def _named_in(self, message: str) -> Layer | None:
        """Return the layer of the resource whose place the message begins with: names, unlike numbers, are unmoved."""
        place = message.partition(": ")[0]
        for each in sorted(self.resources, key=lambda each: len(each.place), reverse=True):
            if place == each.place or place.startswith((f"{each.place}.", f"{each.place}[")):
                return each.source
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What became of one resource between two documents; immutable."""

    section: Section
    id: str
    change: Literal["added", "changed", "removed"]
    before: Any = None
    after: Any = None


def merge(section: Section, layers: Mapping[Layer, Any]) -> Merged:
    """Return what holds of a section, given what each layer says of it; a layer that is absent says nothing.

    The merged document is a document again, and merging it alone changes nothing.

    Raises:
        ConfigurationError: a layer's document has not the shape of its section; the message names the place.
    """
    found: dict[tuple[Any, ...], list[Resource]] = {}
    for layer in LAYERS:
        for path, place, declared in resources_of(section, layers.get(layer)):
            held = found.setdefault(path, [])
            # Several of one id in the same layer stay together: whoever reads the section says what is wrong with it.
            if not held or held[0].source == layer:
                resource_id = ".".join(map(str, path))
                held.append(Resource(id=resource_id, path=path, source=layer, place=place, declared=declared))
            elif layer not in held[0].shadows:
                held[:] = [replace(each, shadows=(*each.shadows, layer)) for each in held]
    return Merged(section=section, resources=tuple(each for held in found.values() for each in held))


def resources_of(section: Section, document: Any) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """Yield each resource of one layer's document: its path, its place, what is declared. None declares nothing.

    Raises:
        ConfigurationError: the document has not the shape of its section.
    """
    if document is None:
        return
    if section == ROUTING:
        for path, declared in _routing(document):
            yield path, _place(path), declared
        return
    if not isinstance(document, Sequence) or isinstance(document, (str, bytes)):
        raise ConfigurationError(f"{section}: must be a list of mappings")
    for index, declared in enumerate(document):
        place = f"{section}[{index}]"
        if not isinstance(declared, Mapping):
            raise ConfigurationError(f"{place}: must be a mapping of keys to values")
        yield (identify(section, declared),), place, declared


def identify(section: Section, declared: Mapping[Any, Any]) -> str:
    """Return the id of one declaration of a section that is a list; the same as its reader gives it."""
    return _IDENTIFIED[section](declared)


def differences(section: Section, before: Any, after: Any) -> list[Difference]:
    """Return what is added, changed and removed from one document of a section to another, in the order of ids.

    Raises:
        ConfigurationError: a document has not the shape of its section.
    """
    old, new = _grouped(section, before), _grouped(section, after)
    found = []
    for resource_id in sorted({*old, *new}):
        was, becomes = old.get(resource_id), new.get(resource_id)
        if was == becomes:
            continue
        change: Literal["added", "changed", "removed"] = (
            "added" if was is None else "removed" if becomes is None else "changed"
        )
        found.append(Difference(section=section, id=resource_id, change=change, before=_one(was), after=_one(becomes)))
    return found


def is_declared(section: Section, document: Any) -> bool:
    """Say whether a layer's document declares anything."""
    return next(resources_of(section, document), None) is not None


def _grouped(section: Section, document: Any) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for path, _, declared in resources_of(section, document):
        grouped.setdefault(".".join(map(str, path)), []).append(declared)
    return grouped


def _one(declared: list[Any] | None) -> Any:
    return None if declared is None else declared[0] if len(declared) == 1 else declared


def _limit_id(declared: Mapping[Any, Any]) -> str:
    given = declared.get("name")
    if given is not None:
        return str(given)
    text = ".".join(str(declared[field]) for field in FIELDS if declared.get(field)).lower()
    return re.sub(r"[^a-z0-9._-]+", "-", text).strip("-.")[:64] or "all"


def _budget_id(declared: Mapping[Any, Any]) -> str:
    given = declared.get("name")
    if given is not None:
        return str(given)
    text = ".".join(str(declared[scope]) for scope in SCOPES if declared.get(scope)) or "fleet"
    return f"{re.sub(r'[^a-z0-9._-]+', '-', text.lower()).strip('-._')[:48] or 'budget'}.{declared.get('window')}"


def _markup_id(declared: Mapping[Any, Any]) -> str:
    """Its name; without one, what it is about and since when, which no two of a set share."""
    given = declared.get("name")
    if given:
        return str(given)
    scope = ".".join(str(declared[field]) for field in _MARKUP_SCOPE if declared.get(field)) or "all"
    return f"{scope}@{declared['from']}" if declared.get("from") else scope


def _named(declared: Mapping[Any, Any]) -> str:
    return str(declared.get("name", ""))


def _with_id(declared: Mapping[Any, Any]) -> str:
    return str(declared.get("id", ""))


_IDENTIFIED: Final[Mapping[str, Callable[[Mapping[Any, Any]], str]]] = {
    "projects": _with_id,
    "limits": _limit_id,
    "budgets": _budget_id,
    "allowances": _named,
    "markups": _markup_id,
    "keys": _with_id,
}


def _routing(document: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    declared = mapping(document, ROUTING, "{chains: {llm: {fast: [openai/gpt-4.1-mini]}}}")
    refuse_unknown(declared, (*ROUTING_SECTIONS, "projects"), ROUTING)
    yield from _routing_section(declared, ())
    for project, section in _names(declared.get("projects"), ("projects",)):
        if section is not None:
            home = ("projects", project)
            refuse_unknown(mapping(section, _place(home), "{defaults: {llm: fast}}"), ROUTING_SECTIONS, _place(home))
            yield from _routing_section(section, home)


def _routing_section(declared: Mapping[Any, Any], home: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for modality, chains in _names(declared.get("chains"), (*home, "chains")):
        for name, chain in _names(chains, (*home, "chains", modality)):
            yield (*home, "chains", modality, name), chain
    for name, stack in _names(declared.get("stacks"), (*home, "stacks")):
        yield (*home, "stacks", name), stack
    for part, named in _names(declared.get("defaults"), (*home, "defaults")):
        # A default that names nothing is none, and hides none.
        if named:
            yield (*home, "defaults", part), named


def _names(declared: object, path: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    if declared is not None:
        yield from mapping(declared, _place(path), "{name: what it is}").items()


def _place(path: tuple[Any, ...]) -> str:
    return ".".join((ROUTING, *map(str, path)))


def _assembled(resources: Sequence[Resource]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for each in resources:
        *homes, name = each.path
        at = document
        for home in homes:
            at = at.setdefault(home, {})
        at[name] = each.declared
    return document
