"""Definitions: one revision of the declared projects, as given and as values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from voicegateway_controller.declared import Allows, Declared, refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_shared.errors import ConfigurationError

PROJECTS_MAX: Final = 5_000
"""As many as a set's body may hold."""
ID_CHARS_MAX: Final = 256
"""As long as the project that a span may carry."""
DESCRIPTION_CHARS_MAX: Final = 1_024
LABELS_MAX: Final = 32
_TEXTS: Final = ("name", "description", "owner")
_KEYS: Final = ("id", *_TEXTS, "labels", "is_archived")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpec:
    """One project as it was declared; immutable."""

    id: str
    """What spans, limits, budgets and tokens call it."""
    name: str = ""
    """For people; empty: its id says enough."""
    description: str = ""
    owner: str = ""
    """Whom to ask: a person, a team or an address."""
    labels: Mapping[str, str] = field(default_factory=dict)
    is_archived: bool = False
    """Over: left out of lists. Its calls are still carried, counted and paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDefinitions:
    """One revision; immutable. Revision 0 is what holds where nothing was ever declared: no names for anybody."""

    revision: int = 0
    document: Sequence[Declared] = ()
    """The list as it was given."""
    projects: tuple[ProjectSpec, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""

    def document_for(self, allows: Allows) -> list[Declared]:
        """Return the declarations of the projects that somebody reaches."""
        return [each for each in self.document if allows(each["id"])]


def validated(document: object) -> tuple[ProjectSpec, ...]:
    """Return the projects of a document that somebody wants to declare; BadRequest says what is wrong with it."""
    refuse_odd_texts(document, "projects", text_chars_max=DESCRIPTION_CHARS_MAX)
    try:
        return parse_projects(document)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error


def parse_projects(document: object) -> tuple[ProjectSpec, ...]:
    """Return the projects of a document.

    Raises:
        ConfigurationError: something in it is wrong; the message names the place.
    """
    if not isinstance(document, Sequence) or isinstance(document, str):
        raise ConfigurationError("projects: must be a list of mappings such as {id: acme, name: Acme Inc.}")
    if len(document) > PROJECTS_MAX:
        raise ConfigurationError(f"projects: {len(document)} are more than {PROJECTS_MAX}")
    found = tuple(_project(each, f"projects[{index}]") for index, each in enumerate(document))
    places: dict[str, int] = {}
    for index, each in enumerate(found):
        if each.id in places:
            raise ConfigurationError(f"projects[{index}].id: projects[{places[each.id]}] is {each.id!r} already")
        places[each.id] = index
    return found


def _project(declared: object, where: str) -> ProjectSpec:
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping such as {{id: acme, name: Acme Inc.}}")
    for key in declared:
        if key not in _KEYS:
            raise ConfigurationError(f"{where}.{key}: is not a key here; known are {', '.join(_KEYS)}")
    its_id = declared.get("id")
    if not isinstance(its_id, str) or not its_id.strip() or its_id != its_id.strip():
        raise ConfigurationError(f"{where}.id: must be a text without spaces at its ends, as workers name the project")
    if len(its_id) > ID_CHARS_MAX:
        raise ConfigurationError(f"{where}.id: must have at most {ID_CHARS_MAX} characters")
    return ProjectSpec(
        id=its_id,
        **{key: _text(declared, key, where) for key in _TEXTS},
        labels=_labels(declared, where),
        is_archived=_flag(declared, "is_archived", where),
    )


def _text(declared: Mapping[str, Any], key: str, where: str) -> str:
    value = declared.get(key, "")
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}.{key}: must be a text")
    return value


def _flag(declared: Mapping[str, Any], key: str, where: str) -> bool:
    value = declared.get(key, False)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where}.{key}: must be true or false")
    return value


def _labels(declared: Mapping[str, Any], where: str) -> dict[str, str]:
    labels = declared.get("labels", {})
    if not isinstance(labels, Mapping):
        raise ConfigurationError(f"{where}.labels: must be a mapping of texts such as {{tier: gold}}")
    if len(labels) > LABELS_MAX:
        raise ConfigurationError(f"{where}.labels: {len(labels)} are more than {LABELS_MAX}")
    for key, value in labels.items():
        if not isinstance(key, str) or not key or not isinstance(value, str):
            raise ConfigurationError(f"{where}.labels.{key}: names and values must be texts; put numbers in quotes")
    return dict(labels)
