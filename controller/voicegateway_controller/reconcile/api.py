"""Reconciliations over HTTP: begin one, watch it, read it, accept it, take that back, declare names."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import BadRequest, Conflict
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.body import read_body
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor
from voicegateway_controller.reconcile import schemas, store
from voicegateway_controller.reconcile.accepting import Acceptance
from voicegateway_controller.reconcile.declaring import NameDesk
from voicegateway_controller.reconcile.desk import Desk
from voicegateway_controller.reconcile.report import html_report
from voicegateway_controller.reconcile.service import Fetch, Source, Wanted
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import format_usd

FILE_BYTES_MAX = 20 * 2**20
"""The largest file of a month that is read; a vendor's export of daily lines is a thousandth of it."""
REPORT_CELLS = 200
"""Cells shown in an HTML report, the largest differences first."""
_HTML_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

router = APIRouter(prefix="/api/v1/reconciliations", tags=["reconciliations"])
Number = Annotated[int, Path(ge=1, le=2**62, description="The number of a reconciliation.")]


@router.post("", summary="Reconcile a month with a vendor's API or a stated total", status_code=202)
async def start(request: Request, access: Operator, wanted: schemas.Wanted) -> schemas.Started:
    """Begin in the background; ask for the run by its number until its state is not `running`."""
    _whole_fleet(access)
    desk, month = _desk(request), _month(wanted.month)
    if wanted.source == "api":
        if wanted.total_usd is not None or wanted.tax_usd is not None:
            raise BadRequest("a total is stated with source `total`")
        fetch = _api(desk, wanted.provider, month)
    elif wanted.total_usd is None:
        raise BadRequest("source `total` needs `total_usd`, the invoice's amount with tax")
    else:
        fetch = desk.asking.total(wanted.provider, month, wanted.total_usd, wanted.tax_usd)
    run = _wanted(desk, wanted.provider, month, wanted.source, wanted.threshold, access)
    return schemas.Started(number=await desk.runs.start(run, fetch))


@router.post("/file", summary="Reconcile a month with an invoice's file", status_code=202)
async def start_file(
    request: Request,
    access: Operator,
    provider: Annotated[schemas.Provider, Query(description="Whose invoice it is.")],
    month: Annotated[schemas.Month, Query(description="The month it is about, as 2026-10.")],
    name: Annotated[str, Query(min_length=1, max_length=200, description="The file's name; its ending says its kind.")],
    mapping: Annotated[str, Query(max_length=64, description="A saved or built-in mapping; the provider's own.")] = "",
    total_usd: Annotated[str | None, Query(max_length=30, description="A PDF's total, where it names several.")] = None,
    tax_usd: Annotated[str | None, Query(max_length=30, description="The tax in that total.")] = None,
    threshold: Annotated[str | None, Query(max_length=30, description="As 0.5% or $1.00.")] = None,
) -> schemas.Started:
    """The body is the file as it is: CSV, XLSX or PDF, at most 20 MiB."""
    _whole_fleet(access)
    desk, first = _desk(request), _month(month)
    body = await read_body(request, limit=FILE_BYTES_MAX, setting="20 MiB for a file")
    if not body:
        raise BadRequest("the body is empty: send the file as it is")
    fetch = await desk.asking.file(provider, first, body=body, name=name, mapping=mapping, total=total_usd, tax=tax_usd)
    run = _wanted(desk, provider, first, "file", threshold, access)
    return schemas.Started(number=await desk.runs.start(run, fetch))


@router.get("", summary="The reconciliations, the newest first")
async def page(
    request: Request,
    access: Reader,
    provider: Annotated[schemas.Provider | None, Query(description="Only this provider's.")] = None,
    month: Annotated[schemas.Month | None, Query(description="Only of this month.")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
) -> schemas.Runs:
    """Runs with their totals and parts by category."""
    _whole_fleet(access)
    return await _desk(request).view.page(
        provider=provider or "", month=None if month is None else _month(month), cursor=cursor, limit=limit
    )


@router.get("/names", summary="What people declared about vendors' names")
async def names(request: Request, access: Reader) -> schemas.DeclaredNames:
    """Aliases of models and links of keys, of all providers."""
    _whole_fleet(access)
    async with raw_connection(_desk(request).engine) as connection:
        known = await store.declared(connection, "")
    return schemas.DeclaredNames(
        aliases=[
            schemas.AliasRow(
                provider=each.provider, name=each.name, model=each.model,
                valid_from=None if each.valid_from == date.min else each.valid_from, valid_to=each.valid_to,
            )
            for each in known.aliases
        ],
        links=[
            schemas.LinkRow(provider=each.provider, credential=each.credential, key_id=each.key_id)
            for each in known.links
        ],
    )  # fmt: skip


@router.put("/names/aliases", summary="Say which model a vendor's word means")
async def put_alias(request: Request, access: Operator, alias: schemas.AliasRow) -> schemas.AliasRow:
    """It replaces the alias of the same word and first day; the next reconciliation goes by it."""
    _whole_fleet(access)
    first = alias.valid_from or date.min
    if alias.valid_to is not None and alias.valid_to <= first:
        raise BadRequest("an alias ends after it begins: valid_to is the first day on which it holds no more")
    await NameDesk(_desk(request).engine).declare_alias(
        alias.provider, alias.name, model=alias.model, valid_from=first, valid_to=alias.valid_to, by=access.actor
    )
    return alias


@router.delete("/names/aliases", summary="Forget a vendor's word")
async def delete_alias(
    request: Request,
    access: Operator,
    provider: Annotated[schemas.Provider, Query(description="Whose word it is.")],
    name: Annotated[str, Query(max_length=256, description="The word.")],
) -> dict[str, bool]:
    """Forget all its times; `is_gone` says whether there was one."""
    _whole_fleet(access)
    return {"is_gone": await NameDesk(_desk(request).engine).forget_alias(provider, name, by=access.actor)}


@router.put("/names/links", summary="Say which of our keys a vendor's credential is")
async def put_link(request: Request, access: Operator, link: schemas.LinkRow) -> schemas.LinkRow:
    """It replaces the link of the same credential; once a provider has links, other keys are nobody's."""
    _whole_fleet(access)
    await NameDesk(_desk(request).engine).declare_link(
        link.provider, link.credential, key_id=link.key_id, by=access.actor
    )
    return link


@router.delete("/names/links", summary="Forget a vendor's credential")
async def delete_link(
    request: Request,
    access: Operator,
    provider: Annotated[schemas.Provider, Query(description="Whose credential it is.")],
    credential: Annotated[str, Query(max_length=256, description="The vendor's id of the key.")],
) -> dict[str, bool]:
    """Forget the link; `is_gone` says whether there was one."""
    _whole_fleet(access)
    return {"is_gone": await NameDesk(_desk(request).engine).forget_link(provider, credential, by=access.actor)}


@router.get("/{number}", summary="One reconciliation")
async def one(request: Request, access: Reader, number: Number) -> schemas.Run:
    """Its state, and its totals once it is done."""
    _whole_fleet(access)
    return await _desk(request).view.one(number)


@router.get("/{number}/cells", summary="The cells of a reconciliation")
async def cells(
    request: Request,
    access: Reader,
    number: Number,
    category: Annotated[str, Query(max_length=40, description="Only with a part of this category.")] = "",
    all_cells: Annotated[bool, Query(alias="all", description="Cells without a difference too.")] = False,
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many.")] = 100,
    offset: Annotated[int, Query(ge=0, le=10**7, description="How many to leave out first.")] = 0,
) -> schemas.Cells:
    """Both sides of each day, key, model and meter with the parts of their difference, the largest first."""
    _whole_fleet(access)
    view = _desk(request).view
    await view.one(number)
    return schemas.Cells(
        cells=await view.cells(number, category=category, with_equal=all_cells, limit=limit, offset=offset)
    )


@router.get("/{number}/groups", summary="A reconciliation by day, model or key")
async def groups(
    request: Request,
    access: Reader,
    number: Number,
    by: Annotated[schemas.By, Query(description="One row per …")] = "day",
) -> schemas.Groups:
    """Both sides summed."""
    _whole_fleet(access)
    return await _desk(request).view.groups(number, by)


@router.get("/{number}/compare", summary="What changed since an earlier run of the month")
async def compare(
    request: Request,
    access: Reader,
    number: Number,
    other: Annotated[int | None, Query(alias="with", ge=1, description="The run before when absent.")] = None,
) -> schemas.Comparison:
    """Parts and cells that are not what they were: restatements of the vendor, changes of our books."""
    _whole_fleet(access)
    return await _desk(request).view.compare(number, other)


@router.get("/{number}/documents", summary="What a vendor's statement was read from")
async def documents(request: Request, access: Reader, number: Number) -> schemas.Documents:
    """Names, sizes and hashes."""
    _whole_fleet(access)
    return schemas.Documents(documents=await _desk(request).view.documents(number))


@router.get("/{number}/documents/{position}", summary="One document as it was received", response_class=Response)
async def document(
    request: Request, access: Reader, number: Number, position: Annotated[int, Path(ge=0, le=10**6)]
) -> Response:
    """The bytes, never shown as a page."""
    _whole_fleet(access)
    _, body = await _desk(request).view.document(number, position)
    headers = {
        "Content-Disposition": f'attachment; filename="{number}-{position}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.get("/{number}/report.html", summary="A reconciliation as a page", response_class=Response)
async def report(request: Request, access: Reader, number: Number) -> Response:
    """One self-contained page for people: totals, waterfall, the largest differences, evidence."""
    _whole_fleet(access)
    view = _desk(request).view
    run = await view.one(number)
    if run.report is None:
        raise Conflict(f"reconciliation {number} is {run.state}: it has no report")
    page = html_report(
        run, await view.cells(number, limit=REPORT_CELLS), await view.groups(number, "day"),
        await view.documents(number),
    )  # fmt: skip
    return Response(page, media_type="text/html; charset=utf-8", headers=_HTML_HEADERS)


@router.post("/{number}/accept", summary="Make the books say what the vendor billed")
async def accept(request: Request, access: Operator, number: Number, body: schemas.Accept) -> schemas.Booked:
    """Book corrections and post the invoice, once; the same again changes nothing and says so."""
    _whole_fleet(access)
    return _booked(
        await _desk(request).accepting.accept(
            number, actor=access.token_id, reason=body.reason, reference=body.reference, is_forced=body.force
        )
    )


@router.post("/{number}/reverse", summary="Take an acceptance back")
async def reverse(request: Request, access: Operator, number: Number, body: schemas.Reverse) -> schemas.Booked:
    """Book counter-entries: the books are as they were before it was accepted."""
    _whole_fleet(access)
    return _booked(await _desk(request).accepting.reverse(number, actor=access.token_id, reason=body.reason))


def _desk(request: Request) -> Desk:
    return resources_of(request).reconciling


def _whole_fleet(access: Access) -> None:
    require_all_projects(access, "a vendor's bill is the whole fleet's")


def _wanted(
    desk: Desk, provider: str, month: date, source: Source, threshold: str | None, access: Access
) -> Wanted:  # fmt: skip
    try:
        limit = Threshold.parse(threshold or desk.threshold)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error
    return Wanted(provider=provider, month=month, source=source, threshold=limit, actor=access.token_id)


def _api(desk: Desk, provider: str, month: date) -> Fetch:
    try:
        return desk.asking.api(provider, month)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error


def _month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")


def _booked(done: Acceptance) -> schemas.Booked:
    return schemas.Booked(
        correction_id=str(done.correction_id), number=done.number, entries=done.entries,
        booked_usd=format_usd(done.booked_pico_usd), is_new=done.is_new,
    )  # fmt: skip
