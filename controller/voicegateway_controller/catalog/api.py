"""Prices over HTTP: see them as of any instant, set, import, verify and withdraw them, rate by hand."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.catalog import LiveCatalog, Prices, Snapshot, schemas, store
from voicegateway_controller.catalog.by_hand import Question, answer, rate_by_hand
from voicegateway_controller.catalog.store import StoredRecord
from voicegateway_controller.catalog.view import Wanted, row_of, rows
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.declared.http import read_model, takes
from voicegateway_controller.errors import Forbidden, NotFound
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.documented import refuses
from voicegateway_controller.http.instants import Instant
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset
from voicegateway_shared.pricing.written import describe

router = APIRouter(prefix="/api/v1", tags=["prices"])
IMPORT_BYTES_MAX = 8 * 1024 * 1024
"""10,000 rows of 800 bytes."""

_AsOf = Annotated[Instant | None, Query(description="By what was known then; absent: by what is known now.")]
_Reason = Annotated[str, Query(description="Why; kept for ever.", min_length=1, max_length=schemas.TEXT_CHARS_MAX)]
_NUMBER_MAX: Final = 2**62
_PRICES: Final = Keyset("prices", int)
_RECORDS: Final = Keyset("prices-records", int)
_Limit = Annotated[int, Query(ge=1, le=1000, description="How many.")]


@router.get("/prices", summary="The prices that hold")
async def prices(
    request: Request,
    access: Reader,
    provider: Annotated[str, Query(max_length=256)] = "",
    model: Annotated[str, Query(max_length=256, description="Its name; an alias too, with `provider`.")] = "",
    modality: Annotated[str, Query(max_length=32)] = "",
    meter: Annotated[str, Query(max_length=64, description="Also of rows that it stands in for.")] = "",
    layer: Annotated[schemas.LayerName | None, Query(description="Only of this layer.")] = None,
    project: Annotated[str, Query(max_length=256, description="Only what reaches this project.")] = "",
    account: Annotated[str, Query(max_length=256, description="Only what reaches this key, by fingerprint.")] = "",
    at: Annotated[Instant | None, Query(description="The instant that they hold at; absent: now.")] = None,
    as_of: _AsOf = None,
    history: Annotated[bool, Query(description="Of all times, whatever `at` says.")] = False,
    is_stale: Annotated[bool | None, Query(description="Only those that nobody read of late, or the others.")] = None,
    limit: _Limit = 200,
    cursor: Cursor = None,
) -> schemas.PriceList:
    """Every price with its layer, its source, and the day it was last read there.

    Contracts of projects are shown to tokens that reach them.
    """
    if project and not access.allows(project):
        raise Forbidden(f"the token does not reach project {project!r}")
    now = datetime.now(UTC)
    wanted = Wanted(
        provider=provider,
        model=model,
        modality=modality,
        meter=meter,
        layer=layer or "",
        project=project,
        account=account,
        at=None if history else at or now,
        is_stale=is_stale,
    )
    snapshot = await _snapshot(request, as_of)
    found = rows(snapshot, wanted, allows=access.allows, today=now.date())
    # By place: the catalogue is in memory, and `as_of` holds it still for who needs that.
    filters = {**asdict(wanted), "at": at, "history": history, "as_of": as_of}
    (start,) = _PRICES.read(cursor, filters=filters) or (0,)
    end = start + limit
    return schemas.PriceList(
        revision=snapshot.revision,
        version=snapshot.catalog.version,
        at=wanted.at,
        as_of=as_of,
        prices=found[start:end],
        total=len(found),
        next=_PRICES.write((end,), filters=filters) if end < len(found) else None,
    )


@router.get("/prices-records", summary="The history of managed prices")
async def records(
    request: Request,
    access: Reader,
    provider: Annotated[str, Query(max_length=256)] = "",
    price_id: Annotated[str, Query(max_length=1024)] = "",
    limit: _Limit = 100,
    cursor: Cursor = None,
) -> schemas.Records:
    """Every record, the newest first: who recorded what, when and why, and what became of it."""
    filters = {"provider": provider, "price_id": price_id}
    key = _RECORDS.read(cursor, filters=filters)
    async with raw_connection(resources_of(request).engine) as connection:
        found = await store.history(
            connection,
            provider=provider,
            price_id=price_id,
            before=None if key is None else key[0],
            projects=None if access.projects is None else sorted(access.projects),
            limit=limit + 1,
        )
        revision = await store.newest_revision(connection)
    page = _RECORDS.cut(found, limit=limit, key=lambda each: (each.record.id,), filters=filters)
    return schemas.Records(revision=revision, records=[_record(each) for each in page.rows], next=page.next)


@router.post("/prices/rate", summary="Rate any usage by hand", openapi_extra=takes(schemas.RateUsage))
async def rate(request: Request, access: Reader) -> schemas.Rated:
    """What usage costs under the prices of an instant; 422 names the meter and the reason where some of it has none."""
    asked = await read_model(request, schemas.RateUsage, kind="usage")
    if asked.project and not access.allows(asked.project):
        raise Forbidden(f"the token does not reach project {asked.project!r}")
    snapshot = await _snapshot(request, asked.as_of)
    question = Question(
        provider=asked.provider,
        model=asked.model,
        modality=asked.modality,
        context=asked.context,
        usage=asked.usage,
        project=asked.project,
        account=asked.account,
        at=asked.at or datetime.now(UTC),
    )
    modality, rating = rate_by_hand(question, snapshot.catalog)
    made = answer(question, modality, rating, snapshot.catalog, revision=snapshot.revision)
    return made.model_copy(update={"as_of": asked.as_of})


@router.post("/prices", summary="Set a price", openapi_extra=takes(schemas.SetPrice))
async def set_price(request: Request, access: Operator) -> schemas.Applied:
    """Record a price; the older one of its layer ends where it begins. Whatever it leaves out is as in the list."""
    asked = await read_model(request, schemas.SetPrice, kind="price")
    _check_reach(access, asked)
    return await _prices(request).set(asked, by=access.token_id)


@router.post("/prices/discounts", summary="Agree a discount", openapi_extra=takes(schemas.SetDiscount))
async def set_discount(request: Request, access: Operator) -> schemas.Applied:
    """Record a share of the list price; it follows the list."""
    asked = await read_model(request, schemas.SetDiscount, kind="discount")
    _check_reach(access, asked)
    return await _prices(request).discount(asked, by=access.token_id)


@router.post("/prices/plans", summary="Say which plan of a vendor holds", openapi_extra=takes(schemas.SetPlan))
async def set_plan(request: Request, access: Operator) -> schemas.Applied:
    """Record the plan of requests that do not say theirs."""
    asked = await read_model(request, schemas.SetPlan, kind="plan")
    _check_reach(access, asked)
    return await _prices(request).plan(asked, by=access.token_id)


@router.post(
    "/prices/credit-prices", summary="Say what a plan's credits cost", openapi_extra=takes(schemas.SetCreditPrice)
)
async def set_credit_price(request: Request, access: Operator) -> schemas.Applied:
    """Record dollars per credit, for every price of the plan that is in credits."""
    asked = await read_model(request, schemas.SetCreditPrice, kind="credit price")
    _check_reach(access, asked)
    return await _prices(request).credit_price(asked, by=access.token_id)


@router.post("/prices/import", summary="Import prices", openapi_extra=takes(schemas.ImportPrices))
async def import_prices(request: Request, access: Operator) -> schemas.Imported:
    """Take a whole price file, or rows, all or nothing; the same import again changes nothing."""
    asked = await read_model(request, schemas.ImportPrices, kind="import", limit=IMPORT_BYTES_MAX)
    _check_reach(access, asked)
    return await _prices(request).bring(asked, by=access.token_id)


@router.post(
    "/prices/verifications",
    summary="Say that prices were read again",
    openapi_extra=takes(schemas.Verify),
    responses=refuses(NotFound),
)
async def verify(request: Request, access: Operator) -> schemas.Applied:
    """Record that prices stand at their source as they stand here; they are fresh again."""
    asked = await read_model(request, schemas.Verify, kind="verification")
    require_all_projects(access, "a verification holds for everybody")
    return await _prices(request).verify(asked, by=access.token_id)


@router.delete("/prices-records/{record_id}", summary="Withdraw a record")
async def withdraw_record(
    request: Request,
    access: Operator,
    record_id: Annotated[int, Path(ge=1, le=_NUMBER_MAX)],
    reason: _Reason,
    is_dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
) -> schemas.Applied:
    """Add a record that says so; what setting it had closed or replaced holds again in its window."""
    record = await _prices(request).record(record_id)
    return await _withdraw(request, access, record, reason=reason, is_dry_run=is_dry_run)


@router.delete("/prices/{price_id:path}", summary="Withdraw a price")
async def withdraw_price(
    request: Request,
    access: Operator,
    price_id: str,
    reason: _Reason,
    is_dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
) -> schemas.Applied:
    """Do the same by the price's id; only of what was recorded here."""
    record = await _prices(request).in_force(price_id=price_id)
    return await _withdraw(request, access, record, reason=reason, is_dry_run=is_dry_run)


@router.get("/prices/{price_id:path}", summary="One price")
async def price(request: Request, access: Reader, price_id: str, as_of: _AsOf = None) -> schemas.PriceDetail:
    """By its id, as an entry names it; also one that no catalogue holds any more."""
    snapshot = await _snapshot(request, as_of)
    found = snapshot.catalog.price(price_id)
    async with raw_connection(resources_of(request).engine) as connection:
        kept = (await store.stored_prices(connection, [price_id])).get(price_id)
    scope = found.scope if found is not None else (kept.content.get("scope", "") if kept is not None else "")
    layer = found.layer if found is not None else (kept.content.get("layer", "list") if kept is not None else "")
    if not layer or (layer == "project" and not access.allows(scope)):
        raise NotFound(f"no price {price_id!r}; see GET /api/v1/prices")
    row = row_of(found, snapshot, today=datetime.now(UTC).date()) if found is not None else None
    content: dict[str, Any] = dict(kept.content) if found is None and kept is not None else {}
    return schemas.PriceDetail(
        price_id=price_id,
        is_known_now=found is not None and as_of is None,
        price=row,
        content=describe(found) if found is not None else content,
        origin=kept.origin if kept is not None else ("managed" if row is not None and row.record_id else "builtin"),
        first_version=kept.first_version if kept is not None else "",
        first_seen_at=kept.first_seen_at if kept is not None else None,
    )


async def _withdraw(
    request: Request, access: Access, record: StoredRecord, *, reason: str, is_dry_run: bool
) -> schemas.Applied:
    if not (access.allows(record.scope) if record.layer == "project" else access.projects is None):
        raise Forbidden(f"the token does not reach record {record.id}")
    return await _prices(request).withdraw(record, reason=reason, by=access.token_id, is_dry_run=is_dry_run)


def _check_reach(access: Access, asked: Any) -> None:
    if asked.project and not access.allows(asked.project):
        raise Forbidden(f"the token does not reach project {asked.project!r}")
    if not asked.project and access.projects is not None:
        raise Forbidden("this price would hold for more projects: this needs a token that reaches all of them")


def _record(past: store.PastRecord) -> schemas.Record:
    record = past.record
    layer: schemas.LayerName = "managed" if record.layer == "list" else record.layer
    return schemas.Record(
        record_id=record.id,
        kind=record.kind,
        provider=record.provider,
        layer=layer,
        scope=record.scope,
        content=dict(record.content),
        effective_from=record.effective_from,
        effective_to=record.effective_to,
        recorded_at=record.recorded_at,
        recorded_by=record.recorded_by,
        reason=record.reason,
        source_url=record.source_url,
        verified_on=record.verified_on,
        supersedes=record.supersedes,
        superseded_by=past.superseded_by,
        superseded_at=past.superseded_at,
        is_in_force=past.superseded_by is None and record.kind != "withdrawal",
    )


async def _snapshot(request: Request, as_of: datetime | None) -> Snapshot:
    live: LiveCatalog = resources_of(request).prices
    return live.snapshot() if as_of is None else await live.as_of(as_of)


def _prices(request: Request) -> Prices:
    return resources_of(request).price_changes
