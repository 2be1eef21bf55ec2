"""Find one resource among those that hold, put it into what is managed, or take it out."""

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.configuration.layering import ROUTING, Resource, Section, identify, merge
from voicegateway_controller.declared import Allows, DeclaredSets
from voicegateway_controller.declared.shown import seen
from voicegateway_controller.errors import BadRequest, Conflict, NotFound
from voicegateway_controller.http.etags import etag_of, require_match
from voicegateway_controller.items import schemas

TRIES_MAX: Final = 5
"""How often a change is made anew when somebody else changed another resource of the kind meanwhile."""
_WHERE: Final[Mapping[str, str]] = {
    "env": "VOICEGATEWAY_OVERRIDES, of the controller's environment",
    "yaml": "the controller's voicegw.yaml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Which resource: by the names that lead to it in its section's document."""

    section: Section
    what: str
    """For people: "limit", "chain"."""
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path[-1]

    @property
    def is_routing(self) -> bool:
        """Whether the document is a mapping in which the path leads to it, and not a list of mappings."""
        return self.section == ROUTING


class OneOf:
    """The resources of one kind, one by one; lives as long as its sets. Holds nothing that needs closing."""

    def __init__(self, sets: DeclaredSets[Any], apply: Callable[..., Awaitable[Any]]) -> None:
        self._sets, self._apply = sets, apply

    def all(self, access: Access, *, prefix: tuple[str, ...] = ()) -> schemas.Items:
        """Return the resources that hold and that the caller reaches; of routing those of one sort."""
        merged = seen(self._sets.merged(), access.allows)
        found = [each for each in merged.resources if _sort(each)[: len(prefix)] == prefix]
        return schemas.Items(
            revision=self._sets.current().revision, items=[self._item(each, access.allows) for each in found]
        )

    def one(self, access: Access, address: Address) -> tuple[schemas.Item, str]:
        """Return what holds of a resource, and its ETag. Raises NotFound: unknown, or out of the caller's reach."""
        found = self._found(address, access.allows)
        if found is None:
            raise NotFound(f"there is no {address.what} {address.name!r}")
        item = self._item(found, access.allows)
        return item, etag_of(item)

    async def put(
        self, access: Access, address: Address, declared: Any, *, if_match: str | None
    ) -> tuple[schemas.ItemChanged, str]:
        """Let a resource be what is declared, beside all else that is managed. Raises BadRequest, Conflict."""
        _require(access, address)
        wanted = declared if address.is_routing else _named(address, declared)
        applied = await self._change(access, address, lambda managed: _with(managed, address, wanted), if_match)
        item, tag = self.one(access, address)
        warnings = [*applied[1]]
        if item.source == "env":
            warnings.append(f"it is managed now, and holds no sooner than it goes from {_WHERE['env']}")
        return self._changed(applied[0], item, warnings), tag

    async def delete(self, access: Access, address: Address, *, if_match: str | None) -> schemas.ItemChanged:
        """Take a resource out of what is managed: a lower layer's holds then. Raises NotFound, Conflict."""
        _require(access, address)
        found = self._found(address, access.allows)
        if found is None:
            raise NotFound(f"there is no {address.what} {address.name!r}")
        if self._managed(address) is None:
            raise Conflict(f"{address.what} {address.name!r} is declared in {_WHERE[found.source]}: take it out there")
        applied = await self._change(access, address, lambda managed: _without(managed, address), if_match)
        left = self._found(address, access.allows)
        item = None if left is None else self._item(left, access.allows)
        warnings = [] if left is None else [f"it holds still: it is declared in {_WHERE.get(left.source, 'db')} too"]
        return self._changed(applied[0], item, [*applied[1], *warnings])

    async def _change(
        self, access: Access, address: Address, change: Callable[[Any], Any], if_match: str | None
    ) -> tuple[bool, tuple[str, ...]]:
        for attempt in range(TRIES_MAX):
            revision = self._sets.current().revision
            found = self._found(address, access.allows)
            current = None if found is None else etag_of(self._item(found, access.allows))
            require_match(if_match, current, what=f"{address.what} {address.name!r}")
            document = change(copy.deepcopy(self._sets.managed()))
            try:
                applied = await self._apply(document, by=access.actor, expected=revision)
            except Conflict:
                # Of another replica, perhaps: learn what it was before deciding again.
                await self._sets.refresh()
                if attempt == TRIES_MAX - 1:
                    raise
            else:
                is_changed = applied[1] if isinstance(applied, tuple) else applied.is_changed
                return is_changed, tuple(getattr(applied, "warnings", ()))
        raise AssertionError("the last attempt raises")

    def _changed(self, is_changed: bool, item: schemas.Item | None, warnings: list[str]) -> schemas.ItemChanged:
        revision = self._sets.current().revision
        return schemas.ItemChanged(revision=revision, is_changed=is_changed, item=item, warnings=warnings)

    def _found(self, address: Address, allows: Allows) -> Resource | None:
        merged = seen(self._sets.merged(), allows)
        return next((each for each in merged.resources if _is_at(each, address)), None)

    def _managed(self, address: Address) -> Resource | None:
        merged = merge(self._sets.kind, {"db": self._sets.managed()})
        return next((each for each in merged.resources if _is_at(each, address)), None)

    def _item(self, resource: Resource, allows: Allows) -> schemas.Item:
        sort = _sort(resource)
        managed = seen(merge(self._sets.kind, {"db": self._sets.managed()}), allows)
        mine = next((each.declared for each in managed.resources if each.id == resource.id), None)
        is_routing = self._sets.kind == ROUTING
        return schemas.Item(
            id=resource.path[-1] if is_routing else resource.id,
            project=resource.path[1] if is_routing and resource.path[0] == "projects" else "",
            modality=sort[1] if is_routing and sort[0] == "chains" else "",
            source=resource.source,
            shadows=list(resource.shadows),
            declared=resource.declared,
            managed=mine,
        )


def _require(access: Access, address: Address) -> None:
    require_all_projects(access, f"a {address.what} is declared for the whole fleet")


def _is_at(resource: Resource, address: Address) -> bool:
    return tuple(resource.path) == address.path if address.is_routing else resource.id == address.name


def _sort(resource: Resource) -> tuple[str, ...]:
    """Return the path of a resource of routing without whose it is."""
    path = tuple(resource.path)
    return path[2:] if path[:1] == ("projects",) and len(path) > 2 else path


def _named(address: Address, declared: Any) -> dict[str, Any]:
    """Return a declaration that is called what its address says. Raises BadRequest: it calls itself otherwise."""
    if not isinstance(declared, Mapping):
        raise BadRequest(f"{address.what}: must be a mapping, as one of the list in a configuration file")
    key = "id" if address.section == "projects" else "name"
    made = dict(declared)
    if identify(address.section, made) != address.name:
        if made.get(key) not in (None, "", address.name):
            raise BadRequest(f"{key}: is {made[key]!r}, and the address says {address.name!r}")
        made = {key: address.name, **{name: value for name, value in made.items() if name != key}}
    return made


def _with(managed: Any, address: Address, declared: Any) -> Any:
    if not address.is_routing:
        kept = [declared if identify(address.section, each) == address.name else each for each in managed]
        return kept if declared in kept else [*kept, declared]
    *homes, name = address.path
    at = managed
    for home in homes:
        if not isinstance(at.get(home), dict):
            at[home] = {}
        at = at[home]
    at[name] = declared
    return managed


def _without(managed: Any, address: Address) -> Any:
    if not address.is_routing:
        return [each for each in managed if identify(address.section, each) != address.name]
    *homes, name = address.path
    walked = [managed]
    for home in homes:
        if not isinstance(walked[-1].get(home), dict):
            # Somebody else took it away meanwhile.
            return managed
        walked.append(walked[-1][home])
    walked[-1].pop(name, None)
    # What is empty by now says nothing.
    for depth in reversed(range(len(homes))):
        if not walked[depth + 1]:
            walked[depth].pop(homes[depth])
    return managed
