"""Said twice, done once: the same key gets the same answer, and nothing that should not be kept is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from voicegateway_controller.access import Role
from voicegateway_controller.app import create_app
from voicegateway_controller.errors import Conflict, DatabaseUnavailable
from voicegateway_controller.http.auth import Operator
from voicegateway_controller.http.documented import ANSWERS_SECRET
from voicegateway_controller.http.idempotency import ANSWER_BYTES_MAX, UNKNOWN_AFTER
from voicegateway_controller.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[Any]"


class _Asked(BaseModel):
    what: str


class _Done:
    """Routes that count how often they were carried out."""

    def __init__(self) -> None:
        self.count = 0
        self.may_go_on = asyncio.Event()
        self.has_begun = asyncio.Event()
        self.router = APIRouter(prefix="/api/v1/done")
        self.router.add_api_route("/{how}", self.plain, methods=["POST"], status_code=201)
        self.router.add_api_route("/secret/told", self.plain_secret, methods=["POST"], openapi_extra=ANSWERS_SECRET)

    async def plain(self, access: Operator, how: str, asked: _Asked, response: Response) -> Any:
        """Do it."""
        self.count += 1
        self.has_begun.set()
        if how == "slow":
            await self.may_go_on.wait()
        if how == "refused":
            raise Conflict("not now")
        if how == "failed":
            raise DatabaseUnavailable("away")
        if how == "crashed":
            raise RuntimeError("a defect")
        if how == "leaking":
            return {"token": "vgw_0123456789abcdef_" + "s" * 43}
        if how == "large":
            return {"text": "x" * ANSWER_BYTES_MAX}
        if how == "streamed":
            return StreamingResponse(iter([b"a", b"b"]), media_type="text/plain")
        response.headers["Location"] = f"/api/v1/done/{self.count}"
        return {"count": self.count, "what": asked.what}

    async def plain_secret(self, access: Operator, request: Request) -> dict[str, str]:
        """Do it and answer a secret."""
        self.count += 1
        return {"secret": "correct horse"}


@pytest.fixture
def done() -> _Done:
    """The routes of this test."""
    return _Done()


@pytest_asyncio.fixture
async def client(make_settings: Callable[..., Settings], done: _Done) -> AsyncIterator[httpx.AsyncClient]:
    """The API with routes of the test's own before the pages."""
    app = create_app(make_settings())
    app.include_router(done.router)
    app.router.routes.insert(0, app.router.routes.pop())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


@pytest_asyncio.fixture
async def operator(make_token: Callable[..., Awaitable[dict[str, str]]]) -> dict[str, str]:
    """Headers of an operator with a key."""
    return await make_token(Role.OPERATOR) | {"Idempotency-Key": "k-1"}


async def test_the_same_key_gets_the_same_answer_and_is_not_done_again(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str]
) -> None:
    first = await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)
    again = await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)

    assert (first.status_code, first.json()) == (201, {"count": 1, "what": "a"})
    assert (again.status_code, again.json()) == (201, {"count": 1, "what": "a"})
    assert again.headers["location"] == "/api/v1/done/1"
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.headers["x-content-type-options"] == "nosniff"
    assert done.count == 1


async def test_without_a_key_everything_is_done_as_often_as_it_is_said(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], db: Connection
) -> None:
    del operator["Idempotency-Key"]
    for _ in range(2):
        await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)

    assert done.count == 2
    assert await db.fetchval("SELECT count(*) FROM idempotency_key") == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [("plain", {"what": "b"}), ("other", {"what": "a"}), ("plain?x=1", {"what": "a"})],
    ids=["body", "path", "query"],
)
async def test_the_same_key_with_another_request_is_refused(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], path: str, body: dict[str, str]
) -> None:
    await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)
    reused = await client.post(f"/api/v1/done/{path}", json=body, headers=operator)

    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert done.count == 1


async def test_somebody_elses_key_is_another_key(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], make_token: Any
) -> None:
    other = await make_token(Role.OPERATOR) | {"Idempotency-Key": "k-1"}
    await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)
    answer = await client.post("/api/v1/done/plain", json={"what": "a"}, headers=other)

    assert answer.json()["count"] == 2


async def test_a_revoked_token_hears_nothing_of_what_was_answered(
    client: httpx.AsyncClient, operator: dict[str, str], db: Connection
) -> None:
    await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)
    again = await client.post(
        "/api/v1/done/plain",
        json={"what": "a"},
        headers=operator | {"Authorization": operator["Authorization"][:-3] + "xxx"},
    )

    assert again.status_code == 401


async def test_while_it_is_carried_out_the_second_one_waits_for_its_turn(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str]
) -> None:
    first = asyncio.create_task(client.post("/api/v1/done/slow", json={"what": "a"}, headers=operator))
    await done.has_begun.wait()
    second = await client.post("/api/v1/done/slow", json={"what": "a"}, headers=operator)
    done.may_go_on.set()
    told = await first
    third = await client.post("/api/v1/done/slow", json={"what": "a"}, headers=operator)

    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
    assert int(second.headers["retry-after"]) > 0
    assert (told.status_code, third.json()) == (201, told.json())
    assert done.count == 1


async def test_of_many_at_the_same_moment_one_is_done(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str]
) -> None:
    answers = await asyncio.gather(
        *(client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator) for _ in range(10))
    )

    assert done.count == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [answer for answer in answers if answer.status_code == 201] != []


@pytest.mark.parametrize("how", ["refused", "failed", "crashed"])
async def test_what_was_not_done_is_tried_again(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegateway_controller.http import problems

    monkeypatch.setattr(problems._log, "error", lambda *words, **facts: None, raising=False)
    answers = [await client.post(f"/api/v1/done/{how}", json={"what": "a"}, headers=operator) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [{"refused": 409, "failed": 503, "crashed": 500}[how]] * 2
    assert answers[0].json()["code"] == {"refused": "conflict", "failed": "database_unavailable"}.get(
        how, "internal_error"
    )
    assert done.count == 2


async def test_a_body_that_was_wrong_may_be_mended_under_the_same_key(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str]
) -> None:
    wrong = await client.post("/api/v1/done/plain", json={"wat": "a"}, headers=operator)
    mended = await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)

    assert (wrong.status_code, mended.status_code) == (422, 201)


@pytest.mark.parametrize("path", ["secret/told", "leaking", "large"])
async def test_secrets_and_large_answers_are_not_kept_and_not_done_again(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], db: Connection, path: str
) -> None:
    first = await client.post(f"/api/v1/done/{path}", json={"what": "a"}, headers=operator)
    again = await client.post(f"/api/v1/done/{path}", json={"what": "a"}, headers=operator)
    [row] = await db.fetch("SELECT * FROM idempotency_key")

    assert first.status_code in (200, 201)
    assert len(first.content) > 10
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_answer_not_kept")
    assert (row["is_kept"], row["body"], row["headers"]) == (False, None, None)
    assert done.count == 1


async def test_a_streamed_answer_is_kept_whole(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    answers = [await client.post("/api/v1/done/streamed", json={"what": "a"}, headers=operator) for _ in range(2)]

    assert [answer.text for answer in answers] == ["ab", "ab"]
    assert answers[1].headers["content-type"] == answers[0].headers["content-type"]


async def test_what_died_on_the_way_is_said_to_be_unknown(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], db: Connection
) -> None:
    await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)
    await db.execute(
        "UPDATE idempotency_key SET ended_at = NULL, begun_at = begun_at - $1::interval",
        UNKNOWN_AFTER + timedelta(seconds=1),
    )
    again = await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)

    assert (again.status_code, again.json()["code"]) == (409, "idempotency_unknown")
    assert done.count == 1


async def test_after_a_day_a_key_is_new_again(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], db: Connection
) -> None:
    await client.post("/api/v1/done/plain", json={"what": "a"}, headers=operator)
    await db.execute("UPDATE idempotency_key SET begun_at = begun_at - interval '25 hours'")
    again = await client.post("/api/v1/done/plain", json={"what": "b"}, headers=operator)

    assert again.json() == {"count": 2, "what": "b"}


@pytest.mark.parametrize(
    "keys", [["a", "b"], [""], ["x" * 256], ["with space"], ["tab\there"], ["ü".encode().decode("latin-1")]]
)
async def test_a_key_that_cannot_be_one_is_refused(
    client: httpx.AsyncClient, done: _Done, operator: dict[str, str], keys: list[str]
) -> None:
    del operator["Idempotency-Key"]
    headers = [*operator.items(), *(("Idempotency-Key", key) for key in keys)]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    answer = await client.post("/api/v1/done/plain", json={"what": "a"}, headers=raw)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert done.count == 0


async def test_a_body_that_is_too_large_to_be_compared_is_413(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    answer = await client.post("/api/v1/done/plain", content=b" " * (2**20 + 1), headers=operator)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_who_is_nobody_is_told_by_the_route(client: httpx.AsyncClient, done: _Done) -> None:
    answer = await client.post("/api/v1/done/plain", json={"what": "a"}, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert done.count == 0


async def test_other_methods_and_worker_routes_take_no_notice(
    client: httpx.AsyncClient, operator: dict[str, str], db: Connection
) -> None:
    await client.get("/api/v1/limits", headers=operator)
    await client.post("/v1/traces", headers=operator)

    assert await db.fetchval("SELECT count(*) FROM idempotency_key") == 0


async def test_what_is_older_than_a_day_is_swept(
    make_settings: Callable[..., Settings], db: Connection, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegateway_controller.http.idempotency.SWEEP_S", -1.0)
    await db.execute(
        "INSERT INTO idempotency_key (digest, request, begun_at) "
        "VALUES ('a', 'r', now() - interval '25 hours'), ('b', 'r', now())"
    )
    app = create_app(make_settings())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
    ):
        await client.post("/api/v1/limits/simulate", json={}, headers=operator)

    left = {bytes(row["digest"]) for row in await db.fetch("SELECT digest FROM idempotency_key")}
    assert b"a" not in left
    assert b"b" in left
