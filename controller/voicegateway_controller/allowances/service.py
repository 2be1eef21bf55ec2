"""Allowances: which declarations hold, declared by people, learned by every replica within a second, outages or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.allowances import store
from voicegateway_controller.allowances.declaration import Allowance, parse_allowances
from voicegateway_controller.allowances.store import ALLOWANCE_SETS
from voicegateway_controller.configuration.layering import Merged
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.declared import (
    Allows,
    Declared,
    DeclaredSets,
    SetCopy,
    StoredSet,
    reaches,
    refuse_odd_texts,
)
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.limits.providers import known_providers
from voicegateway_shared.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceDefinitions:
    """One revision; immutable. Revision 0 is what holds where nothing was ever declared."""

    revision: int = 0
    document: Sequence[Declared] = ()
    allowances: tuple[Allowance, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""

    def for_(self, allows: Allows) -> tuple[Allowance, ...]:
        """Return what concerns somebody who reaches some projects: theirs, and those of no project."""
        return tuple(each for each in self.allowances if reaches(each.project, allows))


def validated(document: object) -> tuple[Allowance, ...]:
    """Return the allowances of a document that somebody wants to declare; BadRequest says what is wrong with it."""
    refuse_odd_texts(document, "allowances")
    try:
        return parse_allowances(document, providers=known_providers())
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error


def refuse_another(declared: Sequence[Declared], earlier: Sequence[Declared]) -> None:
    """Raise BadRequest when a name stands for something else than before: what it booked would stay, beside the new."""
    named = {each["name"]: _lasting(each) for each in earlier}
    for each in declared:
        before = named.get(each["name"], {})
        for key, value in _lasting(each).items():
            if before.get(key, value) != value:
                raise BadRequest(
                    f"allowance {each['name']!r}: {key} was {before[key]!r}, and may stand in the books so, not "
                    f"{value!r}: declare what is new under another name; an `until` in the past, or `prepaid` and "
                    '`price` of "0", take back what the old one booked'
                )


def _lasting(declared: Declared) -> dict[str, str]:
    """Return what entries in the books are found by, or show."""
    kind = "prepaid" if "prepaid" in declared else "free" if {"quantity", "usd"} & declared.keys() else "fee"
    bought_on = declared.get("bought_on")
    return {
        "kind": kind,
        "provider": declared["provider"],
        "project": declared.get("project", ""),
        "bought_on": "" if bought_on is None else date.fromisoformat(bought_on).isoformat(),
    }


class AllowanceSets(DeclaredSets[AllowanceDefinitions]):
    """The allowances in force; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, copy: SetCopy) -> None:
        super().__init__("allowances", engine, ALLOWANCE_SETS, copy, revision=metrics.ALLOWANCE_REVISION)

    async def apply(self, document: object, *, by: str, expected: int | None = None) -> tuple[int, bool]:
        """Declare a whole set; return the revision that holds from now on, and whether it is a new one.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        self.validate(document)
        return await self._append(document, by=by, expected=expected)

    def validate(self, document: object) -> tuple[Allowance, ...]:
        """Return the allowances that a document would make; BadRequest with the reason when it is wrong."""
        return validated(document)

    async def _refuse(self, connection: Connection, merged: Merged) -> None:
        refuse_another(merged.document, await store.earlier(connection, [each["name"] for each in merged.document]))

    def _read(self, stored: StoredSet) -> AllowanceDefinitions:
        # What was in force stays so when its provider leaves the catalogue.
        named = {each["provider"] for each in stored.document if isinstance(each.get("provider"), str)}
        return AllowanceDefinitions(
            revision=stored.revision,
            document=stored.document,
            allowances=parse_allowances(stored.document, providers=known_providers() | named),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )
