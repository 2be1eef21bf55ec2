"""Limits over HTTP: see them and how they are, declare them, hold them against what was."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ValidationError

from voicegateway_controller.errors import BadRequest, Forbidden
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.body import read_body
from voicegateway_controller.limits import schemas
from voicegateway_controller.resources import Resources

router = APIRouter(prefix="/api/v1/limits", tags=["limits"])
BODY_BYTES_MAX: Final = 1024 * 1024
"""500 declarations of 2 KiB."""

Body = TypeVar("Body", bound=BaseModel)


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that is read with a bound, which FastAPI's own reading does not have."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


@router.get("", summary="The limits and how their pools are")
async def limits(request: Request, response: Response, access: Reader) -> schemas.LimitsReport:
    """What is declared, and level, leases, waiters and refusals of each pool; what vendors say beside it.

    A token of some projects sees their limits and those of no project.
    """
    report = await _resources(request).limits_view.report(allows=access.allows)
    response.headers["ETag"] = f'"{report.revision}"'
    return report


@router.put("", summary="Declare the limits", openapi_extra=_takes(schemas.NewLimits))
async def declare(
    request: Request,
    access: Operator,
    if_match: Annotated[
        str | None, Header(description="The revision this set was made from; 409 when another one holds by now.")
    ] = None,
) -> schemas.Applied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    if access.projects is not None:
        raise Forbidden("limits hold for the whole fleet: this needs a token that reaches all projects")
    expected = _revision(if_match)
    asked = await _read(request, schemas.NewLimits)
    service = _resources(request).limits
    revision, is_changed = await service.apply(asked.limits, by=access.token_id, expected=expected)
    return schemas.Applied(revision=revision, is_changed=is_changed, pools=len(service.validate(asked.limits)))


@router.post("/simulate", summary="Would these limits have held", openapi_extra=_takes(schemas.Simulate))
async def simulate(request: Request, access: Reader) -> schemas.Simulation:
    """Replay recorded requests against limits; changes nothing. A token of some projects replays theirs only."""
    asked = await _read(request, schemas.Simulate)
    return await _resources(request).simulations.run(asked, access, now=datetime.now(UTC))


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _read(request: Request, model: type[Body]) -> Body:
    body = await read_body(request, limit=BODY_BYTES_MAX, setting="a limits body's limit")
    try:
        return model.model_validate(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadRequest(f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}") from error


def _revision(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 18:
        raise BadRequest(
            f"If-Match {if_match!r} is no revision of limits: send the number that GET /api/v1/limits told"
        )
    return int(text)
