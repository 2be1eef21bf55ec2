"""Declared sets, one resource at a time: the managed set is read, one of it is changed, the whole is declared again.

With the revision that was read: whoever declares in between makes it fail, and nothing is lost.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from mcp.server.mcpserver.exceptions import ToolError

from voicegateway_controller.configuration.layering import identify, resources_of
from voicegateway_controller.mcp_server.asking import AdminApi, Refused
from voicegateway_controller.mcp_server.preview import Plan

Section = Literal["limits", "budgets", "routing", "projects"]
PROBLEMS_MAX: Final = 10
"""Of a document that is wrong, told at once."""
_CONFIGURATION: Final = "/api/v1/config"
_ELSEWHERE: Final = {"env": "VOICEGATEWAY_OVERRIDES", "yaml": "voicegw.yaml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to become of one resource of a section."""

    section: Section
    path: tuple[str, ...]
    """As layering names it: the id, or for routing `("chains", "llm", "fast")`."""
    declared: Any
    """None takes it away."""

    @property
    def id(self) -> str:
        """As people and the configuration name it."""
        return ".".join(self.path)


async def plan(api: AdminApi, change: Change) -> Plan:
    """Return what a change would do to the managed set. Raises ToolError when it cannot be done."""
    found = await _managed(api, change.section)
    held = next((each for each in found.effective if each["id"] == change.id), None)
    if change.declared is None:
        _check_removable(change, found.managed, held)
    after = _changed(found.managed, change)
    warnings = [*await _problems(api, change.section, after), *_layers(change, held)]

    async def do() -> list[str]:
        return await _declare(api, change.section, after, etag=found.etag)

    verb = "is taken away from" if change.declared is None else "is declared in"
    return Plan(
        summary=f"{change.id} {verb} {change.section}",
        before=found.managed,
        after=after,
        do=do,
        etag=found.etag,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Managed:
    """A section as it is managed, and as it holds."""

    managed: Any
    effective: Sequence[Mapping[str, Any]]
    etag: str | None


async def _managed(api: AdminApi, section: Section) -> _Managed:
    if section == "projects":
        # Their own route tells what they spend, and not what was declared word for word.
        answer = await api.ask("GET", _CONFIGURATION)
        effective = answer.document["sections"][section]["resources"]
        return _Managed(managed=answer.document["managed"].get(section, []), effective=effective, etag=answer.etag)
    answer = await api.ask("GET", f"/api/v1/{section}")
    return _Managed(managed=answer.document[section], effective=answer.document.get("effective", ()), etag=answer.etag)


async def _declare(api: AdminApi, section: Section, document: Any, *, etag: str | None) -> list[str]:
    asked = {section: document}
    if section == "projects":
        applied = await api.ask("POST", f"{_CONFIGURATION}/apply", document={"document": asked}, if_match=etag)
    else:
        applied = await api.ask("PUT", f"/api/v1/{section}", document=asked, if_match=etag)
    return list(applied.document.get("warnings", ()))


def named(section: Literal["limits", "budgets"], declaration: Mapping[str, Any]) -> Change:
    """Return the change that declares this; it replaces the one of the same id."""
    return Change(section=section, path=(identify(section, declaration),), declared=dict(declaration))


def _changed(before: Any, change: Change) -> Any:
    if change.section == "routing":
        return _routed(copy.deepcopy(dict(before)), change.path, change.declared)
    return _listed(before, change)


def _listed(before: Sequence[Any], change: Change) -> list[Any]:
    """Return the list with one in its place changed, so that the diff shows just that."""
    kept = []
    is_placed = change.declared is None
    for each in before:
        if identify(change.section, each) != change.id:
            kept.append(each)
        elif not is_placed:
            kept.append(change.declared)
            is_placed = True
    return kept if is_placed else [*kept, change.declared]


def _routed(document: dict[str, Any], path: tuple[str, ...], declared: Any) -> dict[str, Any]:
    *homes, name = path
    trail = [document]
    for home in homes:
        at = trail[-1].get(home)
        if not isinstance(at, dict):
            at = {}
            trail[-1][home] = at
        trail.append(at)
    if declared is None:
        trail[-1].pop(name, None)
    else:
        trail[-1][name] = declared
    for at, home in zip(reversed(trail[:-1]), reversed(homes), strict=True):
        if not at[home]:
            del at[home]
    return document


def _check_removable(change: Change, before: Any, held: Mapping[str, Any] | None) -> None:
    if change.path in {path for path, _, _ in resources_of(change.section, before)}:
        return
    if held is not None and held["source"] in _ELSEWHERE:
        raise ToolError(f"{change.id} is declared in {_ELSEWHERE[held['source']]}: take it away there. Nothing changed")
    raise ToolError(f"there is no {change.id} in {change.section}: `get_{change.section}` shows what there is")


async def _problems(api: AdminApi, section: Section, after: Any) -> list[str]:
    """Return a warning where the controller cannot try a document beforehand; raise ToolError when it is wrong."""
    try:
        tried = await api.ask(
            "POST", f"{_CONFIGURATION}/validate", document={"document": {section: after}, "layer": "db"}
        )
    except Refused as error:
        if error.status == 403:
            return [f"the token may not declare {section}: {error}"]
        if error.status in (404, 405):
            return ["this controller cannot try it beforehand: what is wrong is said when it is confirmed"]
        raise
    if tried.document["is_valid"]:
        return []
    problems = [f"{each['place'] or section}: {each['problem']}" for each in tried.document["problems"]]
    raise ToolError(f"it would not be taken, and nothing was changed: {'; '.join(problems[:PROBLEMS_MAX])}")


def _layers(change: Change, held: Mapping[str, Any] | None) -> list[str]:
    if held is None:
        return []
    if held["source"] == "env":
        return [f"{_ELSEWHERE['env']} declares {change.id} too, and goes on holding instead of this"]
    is_of_file = held["source"] == "yaml" or "yaml" in held["shadows"]
    if not is_of_file:
        return []
    if change.declared is None:
        return [f"{_ELSEWHERE['yaml']} declares {change.id} too: that will hold again"]
    return [f"{_ELSEWHERE['yaml']} declares {change.id} too: this will hold instead of that"]
