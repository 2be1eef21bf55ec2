"""The fleet's processes as people see them, and the orders people give them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import OPERATORS, Access, require_all_projects
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict, NotFound
from voicegateway_controller.fleet import schemas
from voicegateway_controller.fleet.orders import Order, Orders
from voicegateway_controller.fleet.presence import Present
from voicegateway_controller.fleet.rules import Part, lacks
from voicegateway_controller.fleet.service import Fleet
from voicegateway_shared.wire import WorkerState

BEHIND_MAX: Final = 500
PARTS: Final[tuple[Part, ...]] = ("limits", "budgets", "routing")
Newest = Callable[[Callable[[str], bool]], Mapping[Part, str | None]]
"""From the projects that a process reaches to the newest version of each part; None where nobody knows it here."""


@dataclass(frozen=True, slots=True)
class _Process:
    """A holder, what it said of itself, and what it lacks."""

    present: Present
    state: WorkerState
    told: dict[str, str]
    newest: Mapping[Part, str | None]
    behind: list[Part]

    @property
    def id(self) -> str:
        return self.present.message.incarnation

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Its place in the list: workers come first."""
        return "01"[self.state.kind == "job"], self.present.message.host, self.state.agent, self.id


class Workers:
    """Lives as long as the fleet it is given; holds nothing of its own."""

    def __init__(self, engine: AsyncEngine, fleet: Fleet, orders: Orders, newest: Newest) -> None:
        self._engine, self._fleet, self._orders, self._newest = engine, fleet, orders, newest

    async def shown(self, access: Access) -> list[tuple[tuple[str, str, str, str], schemas.WorkerRow]]:
        """Return what somebody may see, in order, each with its place.

        A token of some projects sees the job processes that carry a call of theirs. Raises RedisUnavailable.
        """
        found = [each for each in await self._processes() if _is_seen(each, access)]
        orders = await self._orders.of([each.id for each in found if each.state.kind == "worker"])
        rows = [(each.key, _row(each, orders.get(each.id), access)) for each in found]
        return sorted(rows, key=lambda row: row[0])

    async def one(self, access: Access, worker_id: str) -> schemas.WorkerRow:
        """Return one of them. Raises NotFound, RedisUnavailable."""
        process = await self._find(access, worker_id)
        orders = await self._orders.of([process.id])
        return _row(process, orders.get(process.id), access)

    async def order(self, access: Access, worker_id: str, *, is_drained: bool, reason: str) -> schemas.WorkerRow:
        """Have a worker take no new job, or take jobs again; it hears of that with its next message.

        Raises Forbidden, NotFound, Conflict for a job process, RedisUnavailable, DatabaseUnavailable.
        """
        require_all_projects(access, "a worker takes jobs of all projects")
        process = await self._find(access, worker_id)
        if process.state.kind != "worker":
            raise Conflict(
                f"{worker_id!r} is a job process, which takes no jobs: drain its worker "
                f"{process.state.worker_id or 'on ' + process.present.message.host}"
            )
        before = (await self._orders.of([process.id])).get(process.id)
        order = Order(is_drained=is_drained, by=access.actor, reason=reason, at=datetime.now(UTC))
        async with raw_connection(self._engine) as connection, connection.transaction():
            await record_change(
                connection,
                Change(
                    actor=access.actor,
                    action="worker.drain" if is_drained else "worker.undrain",
                    resource=f"workers/{process.id}",
                    before={"is_drained": before is not None and before.is_drained},
                    after={"is_drained": is_drained},
                    reason=reason,
                ),
            )
        # Behind the record: what Redis took without answering in time must not be missing from the log, nor may a slow
        # Redis hold up every other change, which waits for its turn in the log.
        await self._orders.give(process.id, order)
        return _row(process, order, access)

    async def config_status(self, access: Access) -> schemas.ConfigStatus:
        """Return how far the newest configuration has come among the processes that somebody may see.

        Raises RedisUnavailable.
        """
        found = sorted((each for each in await self._processes() if _is_seen(each, access)), key=lambda each: each.key)
        newest = self._newest(access.allows)
        rows = [_behind_row(each, part) for each in found for part in PARTS if part in each.behind]
        return schemas.ConfigStatus(
            processes=len(found),
            up_to_date=sum(not each.behind for each in found),
            parts=[
                schemas.PartStatus(
                    part=part,
                    newest=newest[part],
                    up_to_date=sum(part not in each.behind for each in found),
                    behind=sum(part in each.behind for each in found),
                )
                for part in PARTS
            ],
            behind=rows[:BEHIND_MAX],
        )

    async def _find(self, access: Access, worker_id: str) -> _Process:
        for each in await self._processes():
            if each.id == worker_id and _is_seen(each, access):
                return each
        raise NotFound(f"there is no process {worker_id[:80]!r} in the fleet now; `voicegw fleet list` shows who is")

    async def _processes(self) -> list[_Process]:
        newest: dict[tuple[str, ...] | None, Mapping[Part, str | None]] = {}
        found = []
        for each in await self._fleet.present():
            scope = each.about.projects
            if scope not in newest:
                newest[scope] = self._newest(each.about.allows)
            state = each.message.worker or WorkerState()
            told = _told(each, state)
            behind = lacks(told, newest[scope]) if each.message.worker is not None else []
            found.append(_Process(each, state, told, newest[scope], behind))
        return found


def _told(present: Present, state: WorkerState) -> dict[str, str]:
    revision = present.message.limits_revision
    return {
        "limits": "" if revision < 0 else str(revision),
        "budgets": state.budgets_tag,
        "routing": state.routing_tag,
    }


def _is_seen(process: _Process, access: Access) -> bool:
    return access.projects is None or _sessions(process, access) > 0


def _sessions(process: _Process, access: Access) -> int:
    return sum(access.allows(each.project) for each in process.present.message.sessions or ())


def _row(process: _Process, order: Order | None, access: Access) -> schemas.WorkerRow:
    message, state = process.present.message, process.state
    is_worker = state.kind == "worker"
    is_ordered = order is not None and order.is_drained
    return schemas.WorkerRow(
        id=process.id,
        kind=state.kind,
        worker_id=state.worker_id,
        agent=state.agent or next((each.agent for each in message.sessions or () if access.allows(each.project)), ""),
        host=message.host,
        pid=message.pid,
        shim_version=message.shim_version,
        agents_version=message.agents_version,
        load_permille=state.load_permille if is_worker else None,
        active_jobs=state.active_jobs if is_worker else None,
        sessions=_sessions(process, access),
        is_drained=state.is_drained,
        is_drain_ordered=is_ordered,
        drain_reason=order.reason if order is not None and is_ordered else "",
        drained_by=order.by if order is not None and is_ordered else "",
        drain_ordered_at=order.at if order is not None and is_ordered else None,
        is_up_to_date=not process.behind,
        behind=list(process.behind),
        outbox_rows=message.outbox.rows,
        seen_at=process.present.seen_at,
        started_at=state.started_at,
    )


def _behind_row(process: _Process, part: Part) -> schemas.BehindRow:
    return schemas.BehindRow(
        id=process.id,
        kind=process.state.kind,
        host=process.present.message.host,
        agent=process.state.agent,
        part=part,
        known=process.told[part],
        newest=process.newest[part] or "",
        seen_at=process.present.seen_at,
    )


def may_drain(access: Access) -> bool:
    """Whether somebody may drain workers."""
    return access.projects is None and access.role in OPERATORS
