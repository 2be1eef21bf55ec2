"""What a caller sees of layers: what concerns the projects in reach, without what is said of others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from voicegateway_controller.configuration.layering import ROUTING, Merged, Resource, Section, merge
from voicegateway_controller.declared.rules import Allows, reaches

if TYPE_CHECKING:
    from voicegateway_controller.declared.service import DeclaredSets


class Effective(BaseModel):
    """One resource that holds, and where it is declared."""

    id: str = Field(description="Its name, or what it is called where it has none.", examples=["openai"])
    source: Literal["env", "db", "yaml"] = Field(
        description="The layer it is from: `env` (VOICEGATEWAY_OVERRIDES), `db` (managed here), `yaml` (voicegw.yaml)."
    )
    shadows: list[Literal["env", "db", "yaml"]] = Field(
        description="Lower layers that declare it too, and would hold without this one."
    )
    declared: Any = Field(description="As given.")


def managed_for(sets: "DeclaredSets[Any]", allows: Allows) -> Any:
    """Return what is managed, as given, of what concerns these projects. DatabaseUnavailable while it is not known."""
    return seen(merge(sets.kind, {"db": sets.managed()}), allows).document


def effective_for(sets: "DeclaredSets[Any]", allows: Allows) -> list[Effective]:
    """Return what holds of what concerns these projects. DatabaseUnavailable while it is not known."""
    return [
        Effective(id=each.id, source=each.source, shadows=list(each.shadows), declared=each.declared)
        for each in seen(sets.merged(), allows).resources
    ]


def seen(merged: Merged, allows: Allows) -> Merged:
    """Return what concerns these projects, without what it says of other projects."""
    kept = [shown for each in merged.resources if (shown := _shown(merged.section, each, allows)) is not None]
    return Merged(section=merged.section, resources=tuple(kept))


def _shown(section: Section, resource: Resource, allows: Allows) -> Resource | None:
    declared = resource.declared
    if section == ROUTING:
        is_seen = resource.path[0] != "projects" or allows(resource.path[1])
    elif section == "projects":
        is_seen = allows(resource.id)
    elif section == "keys":
        named = declared.get("projects")
        is_seen = not isinstance(named, list) or any(allows(str(project)) for project in named)
        declared = _within(declared, allows) if is_seen else declared
    else:
        is_seen = reaches(declared.get("project") or "", allows)
        declared = _within(declared, allows) if is_seen else declared
    return replace(resource, declared=declared) if is_seen else None


def _within(declared: Mapping[str, Any], allows: Allows) -> dict[str, Any]:
    """Return a declaration without the weights and shares of projects out of reach."""
    shown = dict(declared)
    for name in ("weights", "min_shares"):
        given = shown.get(name)
        if isinstance(given, Mapping):
            shown[name] = {project: value for project, value in given.items() if allows(project)}
    if isinstance(shown.get("projects"), list):
        shown["projects"] = [project for project in shown["projects"] if allows(str(project))]
    return shown
