"""Worker routes under attack, over real sockets: forged, replayed, oversized, slow; others are served meanwhile."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest
import pytest_asyncio
from tests.fixtures.listening import Caller, listening
from tests.fixtures.planted_projects import Planted
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller import metrics
from voicegateway_controller.access import Role
from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[Any]"
PATHS = ("/v1/sync", "/v1/traces")
SLOW = 40
"""Connections of attackers; more than the handful that a process would be blocked by."""


@dataclass(frozen=True, slots=True)
class _Api:
    port: int
    client: httpx.AsyncClient

    async def deliver(self, path: str, headers: dict[str, str], body: bytes | None = None) -> httpx.Response:
        """Send what a worker would."""
        if path == "/v1/sync":
            content = json.dumps(Planted().sync("acme")).encode() if body is None else body
            return await self.client.post(path, content=content, headers=headers)
        content = a_request(a_span()) if body is None else body
        return await self.client.post(
            path, content=content, headers=headers | {"Content-Type": "application/x-protobuf"}
        )


@pytest_asyncio.fixture
async def api(make_settings: Callable[..., Settings]) -> AsyncIterator[_Api]:
    """The API on a port, with short deadlines."""
    settings = make_settings(http_header_timeout_s=1.0, http_body_timeout_s=1.0)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        listening(app, settings) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield _Api(port, client)


async def _spans(db: Connection) -> int:
    return int(await db.fetchval("SELECT count(*) FROM usage_span"))


@pytest.mark.parametrize("path", PATHS)
async def test_forged_tokens_write_nothing_and_who_has_a_good_one_is_served_beside_them(
    api: _Api, make_token: Any, db: Connection, path: str
) -> None:
    good = await make_token()
    text = good["Authorization"].removeprefix("Bearer ")
    token_id = text.split("_")[1]
    forged = [
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        f"Bearer vgw_{token_id}_" + "A" * 43,
        f"Bearer {text[:-1]}",
        f"Bearer {text}x",
        f"Bearer vgw_{'0' * 16}_{text.split('_', 2)[2]}",
        "Bearer " + "x" * 8_000,
    ]
    assert (await api.deliver(path, good)).status_code == 200
    before = await _spans(db)
    refused = [await api.deliver(path, {"Authorization": each}) for each in forged]
    served = await api.deliver(path, good)

    assert {answer.status_code for answer in refused} <= {401, 429}
    assert served.status_code == 200
    assert await _spans(db) == before + (path == "/v1/traces")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
@pytest.mark.parametrize("path", PATHS)
async def test_tokens_for_people_deliver_nothing(api: _Api, make_token: Any, path: str, role: Role) -> None:
    assert (await api.deliver(path, await make_token(role))).status_code == 403


async def test_a_token_of_one_project_delivers_nothing_for_another(api: _Api, make_token: Any, db: Connection) -> None:
    mine = await make_token(projects=["acme"])
    sync = await api.deliver("/v1/sync", mine, json.dumps(Planted().sync("zeta")).encode())
    traces = await api.deliver("/v1/traces", mine, a_request(a_span(PROJECT="zeta"), a_span(PROJECT="acme")))

    assert sync.status_code == 403
    assert traces.status_code == 200
    assert [row["project"] for row in await db.fetch("SELECT project FROM usage_span")] == ["acme"]


async def test_a_recorded_batch_replayed_is_counted_once(
    api: _Api, make_token: Any, make_ledger: Any, db: Connection
) -> None:
    good = await make_token()
    body = a_request(a_span(), a_span())
    answers = await asyncio.gather(*(api.deliver("/v1/traces", good, body) for _ in range(20)))
    await make_ledger().drain(limit_s=20)

    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    assert 200 in {answer.status_code for answer in answers}
    assert await db.fetchval("SELECT count(DISTINCT request_id) FROM ledger_entry") == 2
    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE meter = 'output_tokens'") == 2


async def test_an_old_sync_message_replayed_changes_nothing(api: _Api, make_token: Any) -> None:
    good, viewer = await make_token(), await make_token(Role.VIEWER)
    old = Planted().sync("acme") | {"seq": 1}
    ended = Planted().sync("acme") | {"seq": 2, "sessions": []}
    for message in (old, ended, old):
        assert (await api.deliver("/v1/sync", good, json.dumps(message).encode())).status_code == 200
    live = await api.client.get("/api/v1/live", headers=viewer)

    assert "acme-live" not in live.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ["declared", "chunked"])
async def test_bodies_over_the_limit_are_refused_before_they_are_all_taken(
    api: _Api, make_token: Any, path: str, how: str
) -> None:
    good = await make_token()
    authorization = f"Authorization: {good['Authorization']}\r\nContent-Type: application/x-protobuf\r\n"
    async with Caller(api.port) as caller:
        if how == "declared":
            await caller.say(
                f"POST {path} HTTP/1.1\r\nHost: a\r\n{authorization}Content-Length: {2**40}\r\n\r\n".encode()
            )
        else:
            await caller.say(
                f"POST {path} HTTP/1.1\r\nHost: a\r\n{authorization}Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            part = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
            for _ in range(80):
                await caller.say(part)
        status, _, body = await caller.answer()

    assert (status, json.loads(body)["code"]) == (413, "body_too_large")
    assert (await api.deliver(path, good)).status_code == 200


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(api: _Api, make_token: Any) -> None:
    bomb = gzip.compress(b"\x00" * (48 * 2**20))
    assert len(bomb) < 100_000
    answer = await api.deliver("/v1/traces", await make_token() | {"Content-Encoding": "gzip"}, bomb)

    assert answer.status_code == 413


@pytest.mark.parametrize("path", PATHS)
async def test_garbage_is_a_refusal_and_never_a_500(api: _Api, make_token: Any, path: str) -> None:
    good = await make_token()
    unexpected = metrics.UNEXPECTED_ERRORS._value.get()
    bodies = [b"", b"{", b"[]", b"null", b'{"incarnation": 5}', b"\xff" * 100, os.urandom(5_000), b"[" * 100_000]
    answers = [await api.deliver(path, good, body) for body in bodies]

    assert all(answer.status_code < 500 for answer in answers)
    assert metrics.UNEXPECTED_ERRORS._value.get() == unexpected


@pytest.mark.parametrize("path", PATHS)
async def test_slow_senders_are_let_go_while_others_are_served(api: _Api, make_token: Any, path: str) -> None:
    good = await make_token()
    headers = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {good['Authorization']}\r\n"
    beginnings = [headers, headers + "Content-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nabc"]
    refused = metrics.HTTP_REFUSALS
    before = sum(refused.labels(f"slow_{what}")._value.get() for what in ("headers", "body"))
    slow = [Caller(api.port) for _ in range(SLOW)]
    for number, caller in enumerate(slow):
        await caller.__aenter__()
        await caller.say(beginnings[number % 2].encode())
    try:
        served = [(await api.deliver(path, good)).status_code for _ in range(10)]
        told = [(await caller.answer())[0] for caller in slow]
        closed = [await caller.is_closed() for caller in slow]
    finally:
        for caller in slow:
            await caller.__aexit__()

    assert served == [200] * 10
    assert set(told) <= {400, 408}
    assert closed == [True] * SLOW
    assert sum(refused.labels(f"slow_{what}")._value.get() for what in ("headers", "body")) == before + SLOW
