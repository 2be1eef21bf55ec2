"""Projects: which are declared, by people, learned by every replica within a second, outages or not."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.declared import DeclaredSets, SetCopy, SetTable, StoredSet
from voicegateway_controller.projects.definitions import ProjectDefinitions, ProjectSpec, parse_projects, validated

APPLY_LOCK: Final = 0x5647_5052_4F4A
"""Advisory lock: sets are declared one after the other. The letters say VGPROJ."""
PROJECT_SETS: Final = SetTable("project_set", apply_lock=APPLY_LOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came of declaring a set."""

    revision: int
    """That holds from now on."""
    is_changed: bool
    """False when this very set was in force already: no new revision was made."""


class Projects(DeclaredSets[ProjectDefinitions]):
    """The projects in force; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, copy: SetCopy) -> None:
        super().__init__("projects", engine, PROJECT_SETS, copy, revision=metrics.PROJECT_REVISION)

    def validate(self, document: object) -> tuple[ProjectSpec, ...]:
        """Return the projects that a document would make; BadRequest with the reason when it is wrong."""
        return validated(document)

    async def apply(self, document: object, *, by: str, expected: int | None = None) -> Applied:
        """Declare a whole set.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        self.validate(document)
        revision, is_changed = await self._append(document, by=by, expected=expected)
        return Applied(revision=revision, is_changed=is_changed)

    def _read(self, stored: StoredSet) -> ProjectDefinitions:
        return ProjectDefinitions(
            revision=stored.revision,
            document=stored.document,
            projects=parse_projects(stored.document),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )
