"""The books over HTTP: months, the trial balance, why corrections were booked."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import LIMIT_DEFAULT, Cursor, Keyset, Limit
from voicegateway_controller.ledger import schemas
from voicegateway_controller.ledger.accounts import trial_balance
from voicegateway_controller.ledger.periods import Period, Periods

router = APIRouter(prefix="/api/v1/ledger", tags=["ledger"])
_CORRECTIONS: Final = Keyset("corrections", datetime, UUID)


@router.get("/periods", summary="Months of the books")
async def periods(request: Request, access: Reader) -> schemas.Periods:
    """Which months are open and which are closed, and what is booked in them."""
    _check(access)
    found = await Periods(resources_of(request).engine).list()
    return schemas.Periods(periods=[_period(each) for each in found])


@router.post("/periods", summary="Close a month")
async def close_month(request: Request, access: Operator, asked: schemas.CloseMonth) -> schemas.Period:
    """Nothing is booked in it any more: what comes later is booked in the first open month, under its own instant."""
    _check(access)
    if asked.month.day != 1:
        raise BadRequest("a month looks like 2026-10")
    made = await Periods(resources_of(request).engine).close(
        asked.month, by=access.token_id, reason=asked.reason, now=datetime.now(UTC)
    )
    return _period(made)


@router.get("/balance", summary="The trial balance")
async def balance(
    request: Request,
    access: Reader,
    since: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$", description="First month, `2026-10`.")] = None,
    until: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$", description="The month after the last one.")] = None,
) -> schemas.TrialBalance:
    """Costs by project against what is owed to vendors: two sums of the same money from different tables."""
    _check(access)
    found = await trial_balance(resources_of(request).engine, since=_month(since), until=_month(until))
    return schemas.TrialBalance(
        since=since,
        until=until,
        accounts=[
            schemas.Account(
                name=each.name,
                debit_usd=plain(each.debit_usd),
                credit_usd=plain(each.credit_usd),
                balance_usd=plain(each.balance_usd),
            )
            for each in found.accounts
        ],
        debit_usd=plain(found.debit_usd),
        credit_usd=plain(found.credit_usd),
        difference_usd=plain(found.difference_usd),
    )


@router.get("/corrections", summary="Why the books were corrected")
async def corrections(
    request: Request,
    access: Reader,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> schemas.Corrections:
    """Corrections with who booked them, why, and what they come to; the newest first."""
    _check(access)
    async with raw_connection(resources_of(request).engine) as connection:
        rows = await connection.fetch(
            load_sql(__package__, "corrections"), limit + 1, *(_CORRECTIONS.read(cursor) or (None, None))
        )
    page = _CORRECTIONS.cut(rows, limit=limit, key=lambda row: (row["created_at"], row["id"]))
    return schemas.Corrections(corrections=[schemas.Correction(**dict(row)) for row in page.rows], next=page.next)


def plain(amount: Decimal) -> str:
    """Return an amount as the shortest plain decimal: never an exponent, never trailing zeros."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def _period(period: Period) -> schemas.Period:
    return schemas.Period(
        month=f"{period.month:%Y-%m}",
        is_closed=period.closed_at is not None,
        entries=period.entries,
        amount_usd=plain(period.amount_usd),
        late_entries=period.late_entries,
        pending_spans=period.pending_spans,
        closed_at=period.closed_at,
        closed_by=period.closed_by,
        reason=period.reason,
    )


def _month(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise BadRequest(f"{text} is no month: write one such as 2026-10") from error


def _check(access: Access) -> None:
    require_all_projects(access, "the books are the whole organisation's")
