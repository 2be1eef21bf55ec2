"""Every route × role × project: who may, who may not, and that nothing of one project is told to another.

The routes come from the router itself. One that is new fails here until `tests/fixtures/authorization.py` says who may.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest_asyncio
from cryptography.fernet import Fernet
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.authorization import ANY, EVERYBODY, FLEET, OWN, PUBLIC, Rule, rules
from tests.fixtures.planted_projects import MINE, OTHER, Planted, plant

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings

ROLES = tuple(role.value for role in Role)
REFUSED = (401, 403)
SHOWS_THE_OTHER = frozenset(
    {
        "GET /api/v1/alerts",
        "GET /api/v1/allowances",
        "GET /api/v1/budgets",
        "GET /api/v1/budgets/status",
        "GET /api/v1/costs",
        "GET /api/v1/exports/events",
        "GET /api/v1/exports/focus",
        "GET /api/v1/keys",
        "GET /api/v1/limits",
        "GET /api/v1/live",
        "GET /api/v1/margins",
        "GET /api/v1/markups",
        "GET /api/v1/projects",
        "GET /api/v1/requests",
        "GET /api/v1/routing",
        "GET /api/v1/sessions",
        "GET /api/v1/spend",
        "GET /api/v1/workers",
        "POST /api/v1/sessions/end",
    }
)
"""Where a token of all projects must see what was planted: else not seeing it would prove nothing."""


def _methods_and_paths() -> list[str]:
    settings = Settings(database_url=SecretStr("postgresql://x/none"), redis_url=SecretStr("redis://localhost"))
    found = []
    for context in iter_route_contexts(create_app(settings).router.routes):
        methods = sorted((context.methods or {"*"}) - {"HEAD"})
        found += [f"{method} {context.path}" for method in methods]
    return found


@dataclass(slots=True)
class _World:
    """The API with everything planted, and a token of each kind."""

    api: httpx.AsyncClient
    rules: dict[str, Rule]
    everything: dict[str, dict[str, str]]
    mine: dict[str, dict[str, str]]
    query_of: dict[str, set[str]]

    async def ask(
        self, name: str, headers: dict[str, str], *, project: str = MINE, query: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send the request of one route."""
        rule = self.rules[name]
        method, _, path = name.partition(" ")
        filling = rule.path if project == MINE or rule.foreign_path is None else rule.foreign_path
        for key, value in filling.items():
            path = path.replace(f"{{{key}}}", value).replace(f"{{{key}:path}}", value)
        body = rule.body if rule.sends is None else rule.sends(project)
        content = None if method == "GET" else json.dumps({} if body is None else body).encode()
        asked = {**rule.query, **(query or {})}
        sent = headers | {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        return await self.api.request(
            "POST" if method == "*" else method, path, params=asked, content=content, headers=sent
        )


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest_asyncio.fixture
async def world(
    make_settings: Callable[..., Settings],
    make_ledger: Any,
    engine: AsyncEngine,
    db: "asyncpg.Connection[Any]",
    patient_fleet: None,
) -> AsyncIterator[_World]:
    """Two projects with a bit of everything."""

    async def raise_alert(name: str) -> str:
        await Alerts(engine).raise_("budget_threshold", f"budget:{name}", f"of {name}", {"of": name}, project=name)
        return str(await db.fetchval("SELECT id FROM alert WHERE project = $1", name))

    async def rate() -> None:
        await make_ledger().drain(limit_s=20)

    async def headers(role: str, **details: Any) -> dict[str, str]:
        token = await create_token(engine, role=Role(role), name=f"matrix-{role}", **details)
        return {"Authorization": f"Bearer {token}"}

    settings = make_settings(
        vault_secrets=Fernet.generate_key().decode(),
        api_requests_per_s_per_token=0,
        api_requests_per_s_per_address=0,
    )
    async with _serving(settings) as api:
        everything = {role: await headers(role) for role in ROLES}
        mine = {role: await headers(role, projects=[MINE]) for role in ROLES}
        planted: Planted = await plant(api, everything["admin"], raise_alert=raise_alert, rate=rate)
        queries = _query_parameters((await api.get("/openapi.json")).json())
        yield _World(api=api, rules=rules(planted), everything=everything, mine=mine, query_of=queries)


def _query_parameters(document: dict[str, Any]) -> dict[str, set[str]]:
    return {
        f"{method.upper()} {path}": {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    unknown = Planted(alerts={MINE: "", OTHER: ""})

    ruled, routed = set(rules(unknown)), set(_methods_and_paths())
    assert sorted(routed - ruled) == [], "say who may: tests/fixtures/authorization.py"
    assert sorted(ruled - routed) == []


async def test_each_role_may_do_what_it_is_for_and_nothing_else(world: _World) -> None:
    wrong = [line async for line in _wrong_without_a_token(world)]
    for role in ROLES:
        wrong += [line async for line in _wrong_of_role(world, role)]

    assert wrong == []


async def test_nothing_of_one_project_is_told_to_another(world: _World) -> None:
    wrong = []
    for role in ROLES:
        wrong += [line async for line in _wrong_of_fleet(world, role)]
        wrong += [line async for line in _told_of_another(world, role)]
        wrong += [line async for line in _told_when_named(world, role)]

    assert wrong == []
    assert sorted(SHOWS_THE_OTHER - await _shown_to_all(world)) == []


async def _wrong_without_a_token(world: _World) -> AsyncIterator[str]:
    for name, rule in world.rules.items():
        answer = await world.ask(name, {})
        if (answer.status_code == 401) != (rule.reach != PUBLIC):
            yield f"nobody {name}: {answer.status_code}"


async def _wrong_of_role(world: _World, role: str) -> AsyncIterator[str]:
    for name, rule in world.rules.items():
        if rule.reach == PUBLIC or (rule.is_stream and role in rule.roles):
            continue
        answer = await world.ask(name, world.everything[role])
        expected = "not refused" if role in rule.roles else "403"
        seen = "not refused" if answer.status_code not in REFUSED else str(answer.status_code)
        if seen != expected or answer.status_code >= 500:
            yield f"{role} {name}: {answer.status_code}, not {expected}: {answer.text[:300]}"


async def _wrong_of_fleet(world: _World, role: str) -> AsyncIterator[str]:
    for name, rule in world.rules.items():
        if rule.reach == FLEET:
            answer = await world.ask(name, world.mine[role])
            if answer.status_code != 403:
                yield f"{role} of {MINE} {name}: {answer.status_code}, not 403: {answer.text[:300]}"


async def _told_of_another(world: _World, role: str) -> AsyncIterator[str]:
    for name, rule in world.rules.items():
        if rule.reach not in (OWN, ANY) or rule.is_stream or role not in rule.roles:
            continue
        answer = await world.ask(name, world.mine[role])
        if answer.status_code in REFUSED or answer.status_code >= 500:
            yield f"{role} of {MINE} {name}: {answer.status_code}: {answer.text[:300]}"
        if OTHER in answer.text or OTHER in str(answer.headers):
            at = max(0, answer.text.find(OTHER) - 200)
            yield f"{role} of {MINE} {name} is told of {OTHER}: …{answer.text[at : at + 400]}"


async def _told_when_named(world: _World, role: str) -> AsyncIterator[str]:
    """Yield where naming another project, or a thing of it, is not refused and tells something of it."""
    for name, rule in world.rules.items():
        takes_project = "project" in world.query_of.get(name, ())
        is_about_one = takes_project or rule.foreign_path is not None or rule.sends is not None
        if rule.reach != OWN or rule.is_stream or role not in rule.roles or not is_about_one:
            continue
        query = {"project": OTHER} if takes_project else {}
        answer = await world.ask(name, world.mine[role], project=OTHER, query=query)
        # A filter may find nothing instead; the name that was asked for may be repeated, what belongs to it may not.
        is_refused = answer.status_code in (403, 404)
        told = answer.text
        for asked in (rule.foreign_path or {}).values() if is_refused else ():
            told = told.replace(asked, "")
        if f"{OTHER}-" in told:
            yield f"{role} of {MINE} {name} about {OTHER}: {answer.text[:300]}"
        if not is_refused and not (takes_project and answer.status_code == 200 and OTHER not in answer.text):
            yield f"{role} of {MINE} {name} about {OTHER}: {answer.status_code}: {answer.text[:300]}"


async def _shown_to_all(world: _World) -> set[str]:
    shown = set()
    for name, rule in world.rules.items():
        if rule.reach == OWN and not rule.is_stream and "admin" in rule.roles:
            answer = await world.ask(name, world.everything["admin"], project=OTHER)
            if OTHER in answer.text:
                shown.add(name)
    return shown


def test_every_role_is_named_somewhere() -> None:
    assert frozenset(ROLES) == EVERYBODY
