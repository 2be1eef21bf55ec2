"""Definitions: one revision of the declared budgets, as given and as specs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from voicegateway_controller.declared import Allows, Declared, reaches, refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_shared.budgets import BudgetSpec, parse_budgets
from voicegateway_shared.budgets.declaration import SENTENCE_CHARACTERS_MAX
from voicegateway_shared.budgets.window import CALENDAR_KINDS
from voicegateway_shared.budgets.zones import zone_name
from voicegateway_shared.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDefinitions:
    """One revision; immutable. Revision 0 is what holds where nothing was ever declared: no budgets."""

    revision: int = 0
    document: Sequence[Declared] = ()
    """The list as it was given."""
    budgets: tuple[BudgetSpec, ...] = ()
    """In the order of their declaration."""
    created_at: datetime | None = None
    created_by: str = ""
    specs: Mapping[str, BudgetSpec] = field(init=False)
    """The budgets by id."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "specs", {budget.id: budget for budget in self.budgets})

    def for_(self, allows: Allows) -> tuple[BudgetSpec, ...]:
        """Return the budgets that concern somebody who reaches some projects: theirs, and those of no project."""
        return tuple(budget for budget in self.budgets if reaches(budget.selector.project, allows))

    def document_for(self, allows: Allows) -> list[Declared]:
        """Return the declarations that concern somebody who reaches some projects."""
        return [each for each in self.document if reaches(each.get("project") or "", allows)]


def validated(document: object, *, providers: frozenset[str]) -> tuple[BudgetSpec, ...]:
    """Return the budgets of a document that somebody wants to declare; BadRequest says what is wrong with it."""
    # A sentence that a caller hears is the longest text of a budget.
    refuse_odd_texts(document, "budgets", text_chars_max=SENTENCE_CHARACTERS_MAX)
    try:
        return parse_budgets(document, providers=providers)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error


def with_zone(document: Sequence[Declared], zone: str | None) -> list[Declared]:
    """Return the declarations with one zone written into those that follow a calendar and name none.

    Raises BadRequest when there is no such zone.
    """
    if zone is None:
        return list(document)
    try:
        name = zone_name(zone, "zone")
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error
    return [{**each, "zone": name} if _lacks_zone(each) else each for each in document]


def turned(before: Mapping[str, BudgetSpec], budgets: Sequence[BudgetSpec]) -> tuple[str, ...]:
    """Return one line for each budget whose name was another one's: its open window goes on with what that one spent.

    A window of another kind is another window, and each session has its own.
    """
    return tuple(
        f"budget {budget.id!r} was about {was.selector} ({was.zone}), now it is about {budget.selector} "
        f"({budget.zone}): what its open window has counted stays counted; give it another name to begin anew"
        for budget in budgets
        if (was := before.get(budget.id)) is not None
        and budget.window == was.window != "session"
        and (was.selector, was.zone) != (budget.selector, budget.zone)
    )


def stored_budgets(document: Sequence[Declared], *, providers: frozenset[str]) -> tuple[BudgetSpec, ...]:
    """Return the budgets of a document that was in force already: a provider that left the catalogue stays bounded.

    Raises:
        ConfigurationError: a newer version wrote it and this one does not understand it.
    """
    named = {each["provider"] for each in document if isinstance(each.get("provider"), str)}
    return parse_budgets(document, providers=providers | named)


def _lacks_zone(declared: object) -> bool:
    # Whatever is no declaration at all is refused later, with its place.
    return isinstance(declared, Mapping) and declared.get("window") in CALENDAR_KINDS and "zone" not in declared
