"""Re-rating over HTTP: begin a run or its dry run, watch it, stop it."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.declared.http import read_model, takes
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.ledger.api import plain
from voicegateway_controller.ledger.rerating import schemas
from voicegateway_controller.ledger.rerating.selection import Selection
from voicegateway_controller.ledger.rerating.service import Reratings
from voicegateway_controller.ledger.rerating.store import MovedMonth, Run, StoredChange

router = APIRouter(prefix="/api/v1/ledger/reratings", tags=["ledger"])
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("", summary="Re-ratings")
async def reratings(request: Request, access: Reader) -> schemas.Reratings:
    """The newest 200 runs and how far they are."""
    _check(access)
    return schemas.Reratings(reratings=[_run(each) for each in await _runs(request).newest()])


@router.post("", summary="Rate a part of the past anew", openapi_extra=takes(schemas.NewRerating))
async def begin(request: Request, access: Operator) -> schemas.Rerating:
    """Begin a run; a runner works on it within a second or so. A dry run, unless `is_dry_run` is false.

    409 when it is no dry run, about months whose invoice was accepted, and does not say `allow_accepted`.
    """
    _check(access)
    asked = await read_model(request, schemas.NewRerating, kind="rerating")
    selection = Selection(**asked.model_dump(exclude={"reason", "is_dry_run"}))
    run = await _runs(request).create(
        selection, reason=asked.reason, actor=access.token_id, is_dry_run=asked.is_dry_run
    )
    return _run(run)


@router.get("/{number}", summary="One re-rating and what it changed")
async def rerating(request: Request, access: Reader, number: Number) -> schemas.RerateDetail:
    """How far it is, and what it changed (or would change) by day, model and meter."""
    _check(access)
    runs = _runs(request)
    run = await runs.get(number)
    return schemas.RerateDetail(
        rerating=_run(run),
        accepted=[_moved(each) for each in await runs.moved_months(number)],
        changes=[_change(each) for each in await runs.changes(number)],
    )


@router.delete("/{number}", summary="Stop a re-rating")
async def stop(request: Request, access: Operator, number: Number) -> schemas.Rerating:
    """Stop it where it is. What it booked stays; a run by the earlier prices (`as_of`) takes it back."""
    _check(access)
    return _run(await _runs(request).cancel(number, by=access.actor))


def _run(run: Run) -> schemas.Rerating:
    held = {name: getattr(run, name) for name in schemas.Rerating.model_fields if name != "difference_usd"}
    held["correction_id"] = str(run.correction_id)
    amounts = {
        "before_usd": run.before_usd,
        "after_usd": run.after_usd,
        "difference_usd": run.after_usd - run.before_usd,
    }
    return schemas.Rerating(**{**held, **{name: plain(amount) for name, amount in amounts.items()}})


def _change(change: StoredChange) -> schemas.Change:
    return schemas.Change(
        day=change.day,
        provider=change.provider,
        model=change.model,
        meter=change.meter,
        requests=change.requests,
        before_usd=plain(change.before_usd),
        after_usd=plain(change.after_usd),
        difference_usd=plain(change.after_usd - change.before_usd),
    )


def _moved(each: MovedMonth) -> schemas.MovedMonth:
    return schemas.MovedMonth(
        provider=each.provider,
        month=f"{each.month:%Y-%m}",
        reconciliation=each.reconciliation,
        difference_usd=plain(each.difference_usd),
    )


def _runs(request: Request) -> Reratings:
    return Reratings(resources_of(request).engine)


def _check(access: Access) -> None:
    require_all_projects(access, "the books are the whole organisation's")
