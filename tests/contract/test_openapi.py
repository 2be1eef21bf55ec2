"""Every route keeps to the OpenAPI, whatever it is sent: statuses, media types, bodies, headers, and never a 500.

What is sent is made by schemathesis from the description itself, some of it right and some of it wrong, the same in
every run. A route that is added is tried without anything being added here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hypothesis
import requests
import schemathesis
from cryptography.fernet import Fernet
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks
from tests.fixtures.listening import listening

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.settings import Settings

EXAMPLES = 2
"""Of each route, right ones and as many wrong ones: what a run of a minute allows for on a machine that is busy."""
ENDLESS = frozenset({"GET /api/v1/events"})
"""Answers that do not end by themselves."""
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1, application_name="test")
    token = await create_token(engine, role=Role.ADMIN, name="contract")
    await engine.dispose()
    app = create_app(settings)
    async with app.router.lifespan_context(app), listening(app, settings) as port:
        yield f"http://127.0.0.1:{port}", token


async def test_every_route_keeps_to_its_description(database_url: str, redis_url: str) -> None:
    settings = Settings(
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        vault_secrets=SecretStr(Fernet.generate_key().decode()),
        api_requests_per_s_per_token=0,
        api_requests_per_s_per_address=0,
    )
    async with _serving(settings) as (base_url, token):
        wrong = await asyncio.to_thread(_tried, base_url, token)

    assert "\n\n".join(wrong) == ""


def _tried(base_url: str, token: str) -> list[str]:
    document = requests.get(f"{base_url}/openapi.json", timeout=30).json()
    schema = schemathesis.openapi.from_dict(document)
    wrong: list[str] = []
    with requests.Session() as session:
        for found in schema.get_all_operations():
            if not isinstance(found, Ok):
                wrong.append(f"the description cannot be read: {found.err()}")
                continue
            operation = found.ok()
            if operation.label in ENDLESS:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                wrong += _broken(operation, mode, base_url, token, session)
    return wrong


def _broken(operation: Any, mode: GenerationMode, base_url: str, token: str, session: requests.Session) -> list[str]:
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    def attempt(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        response = case.call(base_url=base_url, session=session, headers=headers, timeout=30)
        case.validate_response(response, checks=CHECKS)

    try:
        attempt()
    except hypothesis.errors.Unsatisfiable:
        return []
    except FailureGroup as group:
        return [f"{operation.label} ({mode}): {failure}" for failure in group.exceptions]
    return []
