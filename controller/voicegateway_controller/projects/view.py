"""Projects as people see them: what is declared, what they spend, and those that spend without being declared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.configuration.layering import Merged, Resource
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import NotFound, RedisUnavailable
from voicegateway_controller.fleet import Fleet
from voicegateway_controller.projects import schemas
from voicegateway_controller.projects.definitions import PROJECTS_MAX, ProjectSpec
from voicegateway_controller.projects.service import Projects

SEEN_DAYS: Final = 31
"""A project that nobody declared and that has spent nothing for so long is forgotten here; the books are not."""
SPENDING_MAX: Final = 2 * PROJECTS_MAX
TIMEOUT_S: Final = 15.0
_NOTHING: Final[Mapping[str, Any]] = {
    "month_usd": "0",
    "today_usd": "0",
    "requests_today": 0,
    "unrated_requests": 0,
    "last_seen_on": None,
}


class ProjectsView:
    """Shows projects, for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, projects: Projects, fleet: Fleet) -> None:
        self._engine, self._projects, self._fleet = engine, projects, fleet
        self._merged: Merged | None = None
        self._by_id: dict[str, Resource] = {}

    async def shown(self, access: Access, *, after: str, with_archived: bool, now: datetime) -> schemas.ProjectList:
        """Return the projects behind an id that the caller reaches, by id. Raises DatabaseUnavailable."""
        definitions = self._projects.current()
        rows = await self._rows(access, definitions.projects, project=None, now=now)
        wanted = [row for row in rows if row.id > after and (with_archived or not row.is_archived)]
        return schemas.ProjectList(
            revision=definitions.revision,
            created_at=definitions.created_at,
            created_by=definitions.created_by,
            projects=wanted,
            next=None,
        )

    async def one(self, access: Access, project: str, *, now: datetime) -> schemas.ProjectRow:
        """Return one project. Raises NotFound: unknown, or out of the caller's reach; DatabaseUnavailable."""
        if access.allows(project):
            rows = await self._rows(access, self._projects.current().projects, project=project, now=now)
            for row in rows:
                if row.id == project:
                    return row
        raise NotFound(f"there is no project {project!r}: `voicegw projects list` shows those that there are")

    async def _rows(
        self, access: Access, specs: Sequence[ProjectSpec], *, project: str | None, now: datetime
    ) -> list[schemas.ProjectRow]:
        spent = await self._spent(reachable(access, project), today=now.date())
        calls = await self._calls(access)
        declared = {spec.id: spec for spec in specs if access.allows(spec.id)}
        # In the order that Python and the cursors of pages compare by.
        return [
            self._row(each, declared.get(each), spent.get(each, _NOTHING), calls)
            for each in sorted({*declared, *spent, *(calls or ())})
        ]

    def _row(
        self,
        project: str,
        spec: ProjectSpec | None,
        spent: asyncpg.Record | Mapping[str, Any],
        calls: Mapping[str, int] | None,
    ) -> schemas.ProjectRow:
        known = spec or ProjectSpec(id=project)
        layer = self._layers().get(project)
        return schemas.ProjectRow(
            id=project,
            is_declared=spec is not None,
            name=known.name,
            description=known.description,
            owner=known.owner,
            labels=dict(known.labels),
            is_archived=known.is_archived,
            source=layer.source if layer is not None else "",
            shadows=list(layer.shadows) if layer is not None else [],
            calls=None if calls is None else calls.get(project, 0),
            **{key: spent[key] for key in _NOTHING},
        )

    def _layers(self) -> dict[str, Resource]:
        """Return where each project is declared; read once for each revision."""
        merged = self._projects.merged()
        if self._merged is not merged:
            self._merged, self._by_id = merged, {each.id: each for each in merged.resources}
        return self._by_id

    async def _spent(self, projects: list[str] | None, *, today: date) -> dict[str, asyncpg.Record]:
        month = today.replace(day=1)
        first = min(month, today - timedelta(days=SEEN_DAYS))
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(
                load_sql(__package__ or "", "spend"), first, month, today, projects, SPENDING_MAX, timeout=TIMEOUT_S
            )
        return {row["project"]: row for row in rows}

    async def _calls(self, access: Access) -> Counter[str] | None:
        """Return how many calls are live by project; None while Redis is away."""
        try:
            live = await self._fleet.live_sessions(allows=access.allows)
        except RedisUnavailable:
            return None
        return Counter(project for _, project in live)
