"""The typed clients are what the routes say; and they speak with a controller that listens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from clients.generator.__main__ import DOCUMENT, PYTHON, TYPES, python_files
from clients.generator.document import as_text, current, digest_of, short_name
from clients.generator.python_types import models, type_of
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.events import Event, EventStream
from voicegateway_controller.redis_client import open_redis
from voicegateway_controller.settings import Settings

AGAIN = "the routes have changed: run `make clients`"


def test_the_document_is_what_the_routes_say() -> None:
    assert as_text(current()) == DOCUMENT.read_text(encoding="utf-8"), AGAIN


def test_the_clients_are_made_from_the_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    for name, source in python_files(text).items():
        assert (PYTHON / name).read_text(encoding="utf-8") == source, f"{name}: {AGAIN}"
    assert digest_of(text) in TYPES.read_text(encoding="utf-8").splitlines()[0], AGAIN


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "str"),
        ({"type": "array", "items": {"type": "integer"}}, "list[int]"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "str | None"),
        ({"anyOf": [{"type": "string"}, {}]}, "Any"),
        ({"enum": ["a", "b"], "type": "string"}, "Literal['a', 'b']"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "dict[str, float]"),
        ({"$ref": "#/components/schemas/Row"}, "m.Row"),
        ({"$ref": "#/$defs/Elsewhere"}, "Any"),
        ({"allOf": [{"$ref": "#/components/schemas/Row"}]}, "m.Row"),
        ({}, "Any"),
    ],
    ids=range(10),
)
def test_schemas_are_types(schema: dict[str, Any], expected: str) -> None:
    assert type_of(schema, prefix="m.", known=frozenset({"Row"})) == expected


def test_names_are_short_and_fields_may_be_called_anything() -> None:
    schema = {"type": "object", "properties": {"from": {"type": "string"}}, "required": ["from"]}

    assert short_name("voicegateway_controller__limits__schemas__Applied") == "LimitsApplied"
    assert short_name("AlertRow") == "AlertRow"
    assert list(models({"A": schema}))[-1] == "A = TypedDict('A', {'from': str})"


@pytest_asyncio.fixture
async def url(database_url: str, redis_url: str) -> AsyncIterator[str]:
    """The address of a controller that listens."""
    app = create_app(Settings.model_validate({"database_url": database_url, "redis_url": redis_url, "runner_port": 0}))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.resources.events_hub.let_go()
        server.should_exit = True
        await serving


@pytest_asyncio.fixture
async def token(database_url: str) -> AsyncIterator[str]:
    engine: AsyncEngine = make_engine(database_url, pool_size=1, application_name="test")
    yield await create_token(engine, role=Role.OPERATOR, name="test")
    await engine.dispose()


async def test_the_python_client_speaks_with_a_controller(
    url: str, token: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PYTHON.parent))
    # Found from here on only: the client is a distribution of its own.
    from voicegateway_client import ApiError, AsyncVoiceGateway, Unreachable, VoiceGateway  # type: ignore[import-not-found]  # see above

    def plainly() -> tuple[Any, ...]:
        with VoiceGateway(url, token) as gateway:
            made = gateway.limits.put_limit("main", {"provider": "openai", "requests_per_min": 500})
            with pytest.raises(ApiError) as refused:
                gateway.limits.limit("no such/limit")
            return made, refused.value, gateway.reports.costs(by="project"), gateway.exports.statement

    made, refused, costs, _ = await asyncio.to_thread(plainly)
    redis = open_redis(redis_url)
    async with AsyncVoiceGateway(url, token) as gateway:
        listening = gateway.events.stream(kind=["request"], replay=1)
        await EventStream(redis).append(
            [Event(kind="request.settled", at="", project="acme", data={"n": each}) for each in (1, 2)]
        )
        heard = []
        async with asyncio.timeout(20):
            async for event in listening:
                heard.append(event["data"])
                if event["data"] == {"n": 2}:
                    break
        tokens = await gateway.projects.get(with_archived=True, limit=10)
    await redis.aclose()
    with pytest.raises(Unreachable):
        await asyncio.to_thread(VoiceGateway("http://127.0.0.1:9", token).reports.live)

    assert made["item"]["declared"] == {"name": "main", "provider": "openai", "requests_per_min": 500}
    assert (refused.status, refused.code) == (404, "not_found")
    assert (costs["by"], tokens["projects"], heard[-1]) == ("project", [], {"n": 2})
