"""Exports over HTTP: FOCUS files, statements, usage events; markups and what they leave."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.declared.http import IfMatch, expected_revision, read_model, takes
from voicegateway_controller.declared.shown import effective_for, managed_for
from voicegateway_controller.exports import schemas, shown
from voicegateway_controller.exports.events import EventFormat, Value, Window, parse_cursor
from voicegateway_controller.exports.focus.writing import MEDIA_TYPES, Format
from voicegateway_controller.exports.lines import Grain
from voicegateway_controller.exports.margins import THIN_PERCENT
from voicegateway_controller.exports.statement_csv import statement_csv
from voicegateway_controller.exports.statement_html import statement_html
from voicegateway_controller.exports.streaming import MadeAnswer
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.instants import Instant
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.months import parse_month

router = APIRouter(prefix="/api/v1", tags=["exports"])
Month = Annotated[str, Query(description="Such as 2026-10, UTC.")]
Project = Annotated[str | None, Query(description="Only this project; all that the token reaches when absent.")]


@router.get("/exports/focus", summary="A month as a FOCUS 1.2 file", response_class=StreamingResponse)
async def focus(
    request: Request,
    access: Reader,
    month: Month,
    project: Project = None,
    grain: Annotated[
        Grain, Query(description="One row for each entry, or for what adds up in an hour or a day.")
    ] = "day",
    form: Annotated[Format, Query(alias="format", description="CSV, gzipped CSV, or Parquet.")] = "csv",
) -> MadeAnswer:
    """The month's books, corrections of closed months that it took included. Streamed: any month fits."""
    pieces = await resources_of(request).exports.focus(
        access, month=parse_month(month), project=project, grain=grain, form=form
    )
    name = f"focus-{month}{f'-{grain}' if grain != 'day' else ''}.{form}"
    return MadeAnswer(
        pieces, media_type=MEDIA_TYPES[form], headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/exports/statement", summary="What a project owes for a month", response_model=schemas.StatementReport)
async def statement(
    request: Request,
    access: Reader,
    project: Annotated[str, Query(description="Whose statement.", min_length=1)],
    month: Month,
    form: Annotated[Literal["html", "csv", "json"], Query(alias="format")] = "json",
    with_price: Annotated[bool, Query(description="Show what the project is charged beside what it cost.")] = False,
) -> Any:
    """By agent, model and meter, beside the month before; corrections and credits as such. CSV and JSON are exact."""
    made = await resources_of(request).exports.statement(
        access, month=parse_month(month), project=project, is_priced=with_price, now=datetime.now(UTC)
    )
    if form == "html":
        # Names in it are escaped, and nothing in it may run or load anything.
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return HTMLResponse(statement_html(made), headers={"Content-Security-Policy": policy})
    if form == "csv":
        return Response(statement_csv(made), media_type=MEDIA_TYPES["csv"])
    return shown.statement_report(made)


@router.get("/exports/events", summary="The next usage events")
async def events(
    request: Request,
    access: Reader,
    form: Annotated[EventFormat, Query(alias="format", description="CloudEvents, or Stripe's meter events.")],
    cursor: Annotated[
        str | None, Query(description="The next_cursor of an earlier answer; from the beginning when absent.")
    ] = None,
    since: Annotated[Instant | None, Query(description="Only what was written down since.")] = None,
    until: Annotated[Instant | None, Query(description="Only what was written down before.")] = None,
    project: Project = None,
    value: Annotated[Value, Query(description="What a Stripe event counts.")] = "quantity",
) -> schemas.EventsPage:
    """Every entry as one event, in the books' order: behind a cursor nothing comes twice, and nothing is missed."""
    page = await resources_of(request).exports.events(
        access,
        project=project,
        window=Window(cursor=parse_cursor(cursor), since=since, until=until),
        form=form,
        value=value,
    )
    return schemas.EventsPage(events=page.events, next_cursor=page.next_cursor, has_more=page.has_more)


@router.get("/markups", summary="The declared markups")
async def markups(request: Request, response: Response, access: Reader) -> schemas.MarkupsDeclared:
    """What is managed, as PUT takes it, and what holds of all layers.

    A token of some projects sees their markups and those of no project.
    """
    definitions = resources_of(request).markups.current()
    response.headers["ETag"] = f'"{definitions.revision}"'
    return schemas.MarkupsDeclared(
        revision=definitions.revision,
        created_at=definitions.created_at,
        created_by=definitions.created_by,
        markups=managed_for(resources_of(request).markups, access.allows),
        effective=effective_for(resources_of(request).markups, access.allows),
    )


@router.put("/markups", summary="Declare the markups", openapi_extra=takes(schemas.NewMarkups))
async def declare(
    request: Request,
    access: Operator,
    if_match: IfMatch = None,
) -> schemas.MarkupsApplied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    require_all_projects(access, "markups hold for the whole fleet")
    expected = expected_revision(if_match, kind="markups")
    asked = await read_model(request, schemas.NewMarkups, kind="markups")
    applied = await resources_of(request).markups.apply(asked.markups, by=access.actor, expected=expected)
    return schemas.MarkupsApplied(revision=applied.revision, is_changed=applied.is_changed, markups=len(asked.markups))


@router.get("/margins", summary="Cost, price and margin of a month")
async def margins(
    request: Request,
    access: Reader,
    month: Month,
    project: Project = None,
    thin_percent: Annotated[
        int, Query(ge=-100, le=100, description="Less than this of the price is thin.")
    ] = THIN_PERCENT,
) -> schemas.MarginsReport:
    """By project and model, under the markups that held on each day."""
    made = await resources_of(request).exports.margins(
        access, month=parse_month(month), project=project, thin_percent=thin_percent
    )
    return shown.margins_report(made, month=month, thin_percent=thin_percent)
