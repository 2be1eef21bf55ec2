"""One resource at a time over HTTP: each is read, put and taken away by its own address, with its own ETag."""

from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Path, Query, Request, Response

from voicegateway_controller.access.rules import Access, require_all_projects
from voicegateway_controller.errors import BadRequest, NotFound
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.etags import IfMatch
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.texts import VISIBLE
from voicegateway_controller.items import schemas
from voicegateway_controller.items.service import Address, OneOf

Name = Annotated[str, Path(min_length=1, max_length=256, pattern=VISIBLE, description="What it is called.")]
Owner = Annotated[str, Query(max_length=256, pattern=VISIBLE, description="Whose it is; empty: everybody's.")]
Modality = Annotated[str, Query(description="`stt`, `llm`, `tts` or `realtime`; needed to put one.", max_length=16)]
MODALITIES: Final = ("stt", "llm", "tts", "realtime")

Answer = TypeVar("Answer", schemas.Item, schemas.ItemChanged)

limits_router = APIRouter(prefix="/api/v1/limits", tags=["limits"])
budgets_router = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])
projects_router = APIRouter(prefix="/api/v1/projects", tags=["projects"])
chains_router = APIRouter(prefix="/api/v1/chains", tags=["chains"])
stacks_router = APIRouter(prefix="/api/v1/stacks", tags=["stacks"])
_Limit = Annotated[dict[str, Any], Body(examples=[{"provider": "openai", "requests_per_min": 500}])]
_Budget = Annotated[dict[str, Any], Body(examples=[{"project": "acme", "window": "day", "amount": "25.00"}])]
_Project = Annotated[dict[str, Any], Body(examples=[{"name": "Acme Inc.", "labels": {"tier": "gold"}}])]
_Chain = Annotated[list[Any] | dict[str, Any], Body(examples=[["openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"]])]
_Stack = Annotated[
    dict[str, Any], Body(examples=[{"stt": "deepgram/nova-3", "llm": "fast", "tts": "cartesia/sonic-3"}])
]


@limits_router.get("/{limit_id}", summary="One limit")
async def limit(request: Request, response: Response, access: Reader, limit_id: Name) -> schemas.Item:
    """What holds of it and by which layer, and what is managed of it."""
    return _answer(response, _limits(request).one(access, _at("limits", "limit", limit_id)))


@limits_router.put("/{limit_id}", summary="Declare one limit")
async def put_limit(
    request: Request, response: Response, access: Operator, limit_id: Name, declared: _Limit, if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Put one limit into what is managed, in place of the one of this id; all others stay."""
    return _answer(
        response,
        await _limits(request).put(access, _at("limits", "limit", limit_id), declared, if_match=if_match),
    )


@limits_router.delete("/{limit_id}", summary="Take one limit away")
async def delete_limit(
    request: Request, access: Operator, limit_id: Name, if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Take it out of what is managed; 409 where a file or the environment declares it."""
    return await _limits(request).delete(access, _at("limits", "limit", limit_id), if_match=if_match)


@budgets_router.get("/{budget_id}", summary="One budget")
async def budget(request: Request, response: Response, access: Reader, budget_id: Name) -> schemas.Item:
    """What holds of it and by which layer, and what is managed of it."""
    return _answer(response, _budgets(request).one(access, _at("budgets", "budget", budget_id)))


@budgets_router.put("/{budget_id}", summary="Declare one budget")
async def put_budget(
    request: Request, response: Response, access: Operator, budget_id: Name, declared: _Budget, if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Put one budget into what is managed, in place of the one of this id; all others stay."""
    return _answer(
        response,
        await _budgets(request).put(access, _at("budgets", "budget", budget_id), declared, if_match=if_match),
    )


@budgets_router.delete("/{budget_id}", summary="Take one budget away")
async def delete_budget(
    request: Request, access: Operator, budget_id: Name, if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Take it out of what is managed; 409 where a file or the environment declares it."""
    return await _budgets(request).delete(access, _at("budgets", "budget", budget_id), if_match=if_match)


@projects_router.put("/{project}", summary="Declare one project")
async def put_project(
    request: Request, response: Response, access: Operator, project: Name, declared: _Project, if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Put one project into what is managed, in place of the one of this id; all others stay."""
    return _answer(
        response,
        await _projects(request).put(access, _at("projects", "project", project), declared, if_match=if_match),
    )


@projects_router.delete("/{project}", summary="Take a project's declaration away")
async def delete_project(
    request: Request, access: Operator, project: Name, if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Take it out of what is managed; the books keep what it spent. 409 where a file declares it."""
    return await _projects(request).delete(access, _at("projects", "project", project), if_match=if_match)


@chains_router.get("", summary="The chains that hold")
async def chains(request: Request, access: Reader) -> schemas.Items:
    """Everybody's and those of projects that the token reaches."""
    return _routing(request).all(access, prefix=("chains",))


@chains_router.get("/{name}", summary="One chain")
async def chain(
    request: Request, response: Response, access: Reader, name: Name, modality: Modality = "", project: Owner = ""
) -> schemas.Item:
    """What holds of it and by which layer; 400 when chains of several modalities have the name and none is said."""
    return _answer(response, _routing(request).one(access, _chain(request, access, name, modality, project)))


@chains_router.put("/{name}", summary="Declare one chain")
async def put_chain(
    request: Request, response: Response, access: Operator, name: Name, declared: _Chain, modality: Modality = "",
    project: Owner = "", if_match: IfMatch = None,
) -> schemas.ItemChanged:  # fmt: skip
    """Put one chain into what is managed: a list of models, or a mapping with `models` and how they are ordered."""
    require_all_projects(access, "a chain is declared for the whole fleet")
    if modality not in MODALITIES:
        raise BadRequest(f"modality: say which of {', '.join(MODALITIES)} the chain is for")
    address = _routed("chain", project, "chains", modality, name)
    return _answer(response, await _routing(request).put(access, address, declared, if_match=if_match))


@chains_router.delete("/{name}", summary="Take one chain away")
async def delete_chain(
    request: Request,
    access: Operator,
    name: Name,
    modality: Modality = "",
    project: Owner = "",
    if_match: IfMatch = None,
) -> schemas.ItemChanged:
    """Take it out of what is managed; 400 while a stack or a default names it."""
    require_all_projects(access, "a chain is declared for the whole fleet")
    address = _chain(request, access, name, modality, project)
    return await _routing(request).delete(access, address, if_match=if_match)


@stacks_router.get("", summary="The stacks that hold")
async def stacks(request: Request, access: Reader) -> schemas.Items:
    """Everybody's and those of projects that the token reaches."""
    return _routing(request).all(access, prefix=("stacks",))


@stacks_router.get("/{name}", summary="One stack")
async def stack(request: Request, response: Response, access: Reader, name: Name, project: Owner = "") -> schemas.Item:
    """What holds of it and by which layer, and what is managed of it."""
    return _answer(response, _routing(request).one(access, _routed("stack", project, "stacks", name)))


@stacks_router.put("/{name}", summary="Declare one stack")
async def put_stack(
    request: Request, response: Response, access: Operator, name: Name, declared: _Stack, project: Owner = "",
    if_match: IfMatch = None,
) -> schemas.ItemChanged:  # fmt: skip
    """Put one stack into what is managed: models or names of chains for `stt`, `llm`, `tts`, or `realtime`."""
    address = _routed("stack", project, "stacks", name)
    return _answer(response, await _routing(request).put(access, address, declared, if_match=if_match))


@stacks_router.delete("/{name}", summary="Take one stack away")
async def delete_stack(
    request: Request, access: Operator, name: Name, project: Owner = "", if_match: IfMatch = None
) -> schemas.ItemChanged:
    """Take it out of what is managed; 400 while a default names it."""
    return await _routing(request).delete(access, _routed("stack", project, "stacks", name), if_match=if_match)


def _at(section: Any, what: str, name: str) -> Address:
    return Address(section=section, what=what, path=(name,))


def _routed(what: str, project: str, *path: str) -> Address:
    return Address(section="routing", what=what, path=("projects", project, *path) if project else path)


def _chain(request: Request, access: Access, name: str, modality: str, project: str) -> Address:
    """Return where a chain is; of which modality, where none is said, by who has the name."""
    if modality:
        return _routed("chain", project, "chains", modality, name)
    items = _routing(request).all(access, prefix=("chains",)).items
    found = [each.modality for each in items if each.id == name and each.project == project]
    if not found:
        raise NotFound(f"there is no chain {name!r}")
    if len(found) > 1:
        raise BadRequest(f"modality: chains of {', '.join(found)} are called {name!r}; say which one")
    return _routed("chain", project, "chains", found[0], name)


def _answer(response: Response, answered: tuple[Answer, str]) -> Answer:
    response.headers["ETag"] = answered[1]
    return answered[0]


def _limits(request: Request) -> OneOf:
    return OneOf(resources_of(request).limits, resources_of(request).limits.apply)


def _budgets(request: Request) -> OneOf:
    return OneOf(resources_of(request).budgets, resources_of(request).budgets.apply)


def _projects(request: Request) -> OneOf:
    return OneOf(resources_of(request).projects, resources_of(request).projects.apply)


def _routing(request: Request) -> OneOf:
    return OneOf(resources_of(request).routings, resources_of(request).routings.apply)
