"""Column mappings over HTTP: what comes along, what was saved; save and delete."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.errors import BadRequest, NotFound
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.reconcile.files.builtin import builtin
from voicegateway_controller.reconcile.files.mapping import MAPPING_CHARS_MAX, NAME, mapping_yaml, parse_mapping
from voicegateway_controller.reconcile.files.store import Mappings, SavedMapping
from voicegateway_shared.errors import ConfigurationError

router = APIRouter(prefix="/api/v1/reconcile-mappings", tags=["reconciliations"])
Name = Annotated[str, Path(pattern=NAME, description="A mapping's name; those that come along are named as providers.")]


class MappingDocument(BaseModel):
    """A mapping to save."""

    document: Annotated[str, Field(max_length=MAPPING_CHARS_MAX, description="The mapping as YAML.")]


class Mapping(BaseModel):
    """One mapping."""

    name: str
    provider: str
    document: Annotated[str, Field(description="The mapping as YAML.")]
    is_built_in: Annotated[bool, Field(description="Whether it came along; a saved one of its name hides it.")]
    saved_at: datetime | None = None
    actor: Annotated[str, Field(description="The token that saved it.")] = ""


class MappingList(BaseModel):
    """All mappings, by name."""

    mappings: list[Mapping]


@router.get("", summary="The column mappings of invoices' files")
async def mappings(request: Request, access: Reader) -> MappingList:
    """Those that were saved, and of those that come along the ones that no saved one hides."""
    return MappingList(mappings=await _all(request))


@router.get("/{name}", summary="One column mapping")
async def mapping(request: Request, access: Reader, name: Name) -> Mapping:
    """The saved one, else the one that comes along; 404 when there is neither."""
    found = next((each for each in await _all(request) if each.name == name), None)
    if found is None:
        raise NotFound(f"there is no mapping {name!r}: `voicegw reconcile mapping list` shows what there is")
    return found


@router.put("/{name}", summary="Save a column mapping")
async def save(request: Request, access: Operator, name: Name, given: MappingDocument) -> Mapping:
    """Replaces the one of this name; statements that were imported by it stay as they are."""
    _check(access)
    try:
        parsed = await asyncio.to_thread(parse_mapping, given.document)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error
    if parsed.name != name:
        raise BadRequest(f"the mapping calls itself {parsed.name!r}, and {name!r} was asked for")
    return _saved(await _store(request).save(name, parsed.provider, given.document, actor=access.token_id))


@router.delete("/{name}", summary="Delete a saved column mapping")
async def delete(request: Request, access: Operator, name: Name) -> MappingList:
    """404 when none of this name was saved; those that come along cannot be deleted."""
    _check(access)
    await _store(request).delete(name, by=access.actor)
    return MappingList(mappings=await _all(request))


async def _all(request: Request) -> list[Mapping]:
    saved = {each.name: _saved(each) for each in await _store(request).all()}
    along = {
        name: Mapping(name=name, provider=each.provider, document=mapping_yaml(each), is_built_in=True)
        for name, each in builtin().items()
    }
    return [found for _, found in sorted({**along, **saved}.items())]


def _saved(each: SavedMapping) -> Mapping:
    return Mapping(
        name=each.name,
        provider=each.provider,
        document=each.document,
        is_built_in=False,
        saved_at=each.saved_at,
        actor=each.actor,
    )


def _check(access: Access) -> None:
    require_all_projects(access, "invoices are of the whole fleet")


def _store(request: Request) -> Mappings:
    return Mappings(resources_of(request).engine)
