"""Workers over HTTP: who is there, drain them, how far the configuration has come."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from voicegateway_controller.errors import Conflict
from voicegateway_controller.fleet import schemas
from voicegateway_controller.fleet.workers import Workers, may_drain
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.documented import refuses
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.http.texts import VISIBLE, Name

router = APIRouter(prefix="/api/v1/workers", tags=["workers"])
_PAGES = Keyset("workers", str, str, str, str)
WorkerId = Annotated[
    str,
    Path(max_length=256, pattern=VISIBLE, description="As the list shows it.", examples=["node-3-4711-9f3c21aa"]),
]


@router.get("", summary="The workers and their job processes")
async def workers(
    request: Request,
    access: Reader,
    limit: Limit = 200,
    cursor: Cursor = None,
    kind: Annotated[Literal["worker", "job"] | None, Query(description="Only these.")] = None,
    host: Annotated[Name | None, Query(description="Only those on this host.")] = None,
    agent: Annotated[Name | None, Query(description="Only those of this agent.")] = None,
) -> schemas.WorkerList:
    """Every process that spoke within the last seconds, as it is by its own word; 503 while Redis is away.

    A token of some projects sees the job processes that carry a call of theirs.
    """
    filters = {"kind": kind, "host": host, "agent": agent}
    after = _PAGES.read(cursor, filters=filters)
    rows = [
        (key, row)
        for key, row in await _workers(request).shown(access)
        if (after is None or key > after)
        and kind in (None, row.kind)
        and host in (None, row.host)
        and agent in (None, row.agent)
    ]
    page = _PAGES.cut(rows[: limit + 1], limit=limit, key=lambda each: each[0], filters=filters)
    return schemas.WorkerList(workers=[row for _, row in page.rows], next=page.next, may_drain=may_drain(access))


@router.get("/config-status", summary="How far the newest configuration has come")
async def config_status(request: Request, access: Reader) -> schemas.ConfigStatus:
    """Which processes know the newest limits, budgets and chains, and which do not; 503 while Redis is away.

    A process says what it knows with each message: every second while it carries a call or takes jobs, every ten
    while it waits for one. So long it counts as behind after a change.
    """
    return await _workers(request).config_status(access)


@router.get("/{worker_id}", summary="One process")
async def worker(request: Request, access: Reader, worker_id: WorkerId) -> schemas.WorkerRow:
    """As in the list; 404 when it has not spoken for some seconds, or the token does not reach it."""
    return await _workers(request).one(access, worker_id)


@router.post("/{worker_id}/drain", summary="Let a worker take no new job", responses=refuses(Conflict))
async def drain(
    request: Request, access: Operator, worker_id: WorkerId, asked: schemas.DrainOrder | None = None
) -> schemas.WorkerRow:
    """Its load is reported as full from its next message on, within a second, and its calls go on to their end.

    The order holds for this life of the process: after a restart it takes jobs. 409 for a job process.
    """
    reason = "" if asked is None else asked.reason
    return await _workers(request).order(access, worker_id, is_drained=True, reason=reason)


@router.post("/{worker_id}/undrain", summary="Let it take jobs again", responses=refuses(Conflict))
async def undrain(
    request: Request, access: Operator, worker_id: WorkerId, asked: schemas.DrainOrder | None = None
) -> schemas.WorkerRow:
    """From its next message on; one that is shutting down stays as it is. 409 for a job process."""
    reason = "" if asked is None else asked.reason
    return await _workers(request).order(access, worker_id, is_drained=False, reason=reason)


def _workers(request: Request) -> Workers:
    return resources_of(request).workers
