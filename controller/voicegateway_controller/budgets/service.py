"""Budgets: which definitions hold, declared by people, learned by every replica within a second, outages or not."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.budgets.definitions import BudgetDefinitions, stored_budgets, turned, validated
from voicegateway_controller.budgets.standings import Standings, already_spent
from voicegateway_controller.declared import DeclaredSets, SetCopy, SetTable, StoredSet
from voicegateway_controller.limits.providers import known_providers
from voicegateway_shared.budgets import BudgetSpec

APPLY_LOCK: Final = 0x5647_4255_4447
"""Advisory lock: sets are declared one after the other. The letters say VGBUDG."""
BUDGET_SETS: Final = SetTable("budget_set", apply_lock=APPLY_LOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came of declaring a set."""

    revision: int
    """That holds from now on."""
    is_changed: bool
    """False when this very set was in force already: no new revision was made."""
    warnings: tuple[str, ...] = ()
    """What the person who declared it should know: budgets that are spent already, or go on under another's name."""


class Budgets(DeclaredSets[BudgetDefinitions]):
    """The budgets in force; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, copy: SetCopy, standings: Standings | None = None) -> None:
        super().__init__("budgets", engine, BUDGET_SETS, copy, revision=metrics.BUDGET_REVISION)
        self._standings = standings

    def validate(self, document: object) -> tuple[BudgetSpec, ...]:
        """Return the budgets that a document would make; BadRequest with the reason when it is wrong."""
        return validated(document, providers=known_providers())

    async def apply(self, document: object, *, by: str, expected: int | None = None) -> Applied:
        """Declare a whole set; a budget below what is spent already blocks from now on, and a warning says so.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        specs = self.validate(document)
        before = self.known.specs if self.known is not None else {}
        revision, is_changed = await self._append(document, by=by, expected=expected)
        warnings = turned(before, specs)
        if self._standings is not None:
            warnings += already_spent(await self._standings.of(specs, datetime.now(UTC)))
        return Applied(revision=revision, is_changed=is_changed, warnings=warnings)

    def _read(self, stored: StoredSet) -> BudgetDefinitions:
        return BudgetDefinitions(
            revision=stored.revision,
            document=stored.document,
            budgets=stored_budgets(stored.document, providers=known_providers()),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )
