"""Vendors' health over HTTP: how they fare, switch them off and on."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.errors import BadRequest, RedisUnavailable
from voicegateway_controller.health import schemas, view
from voicegateway_controller.health.board import HealthBoard
from voicegateway_controller.health.switches import Switches
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.logs import get_logger

router = APIRouter(prefix="/api/v1/providers", tags=["providers"])
Provider = Annotated[str, Path(max_length=64, description="As in model strings: `openai`, `deepgram`.")]
_log = get_logger(__name__)


@router.get("/health", summary="How vendors fare")
async def health(request: Request, access: Reader) -> schemas.ProvidersHealth:
    """Breakers and times to first byte of every model that workers asked, and what is switched off by hand."""
    return view.report(resources_of(request).health, access, now=datetime.now(UTC))


@router.post("/{provider}/disabled", summary="Switch a vendor off, or one of its models")
async def disable(request: Request, access: Operator, provider: Provider, asked: schemas.Disable) -> schemas.Disabled:
    """No worker asks it any more, from its next message on; running requests end as they would have."""
    _check(access)
    resources = resources_of(request)
    met = {target.provider for target in resources.health.known.records}
    if provider not in known_providers() | met:
        raise BadRequest(f"nobody knows a provider {provider!r}: it is what stands before the first / of a model")
    lasts = None if asked.for_s is None else timedelta(seconds=asked.for_s)
    made, off = await resources.switching.disable(
        provider, asked.model, lasts=lasts, reason=asked.reason, by=access.token_id
    )
    await _tell(resources.health, off)
    return view.disabled(made)


@router.delete("/{provider}/disabled", summary="Switch it on again")
async def enable(
    request: Request,
    access: Operator,
    provider: Provider,
    model: Annotated[str, Query(max_length=256, description="The model that was switched off, if one was.")] = "",
) -> schemas.ProvidersHealth:
    """Workers ask it again from their next message on; 404 when it is not switched off."""
    _check(access)
    resources = resources_of(request)
    await _tell(resources.health, await resources.switching.enable(provider, model, by=access.token_id))
    return view.report(resources.health, access, now=datetime.now(UTC))


async def _tell(board: HealthBoard, off: Switches) -> None:
    try:
        await board.switched(off)
    except RedisUnavailable as error:
        # It is in Postgres: each replica reads it there within a second.
        _log.warning("health.switch_not_pushed", error=str(error))


def _check(access: Access) -> None:
    require_all_projects(access, "vendors serve the whole fleet")
