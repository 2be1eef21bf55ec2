"""What stands before every route, and what every answer carries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from voicegateway_controller.http import problems
from voicegateway_controller.http.application import GuardedApi
from voicegateway_controller.http.body import read_body
from voicegateway_controller.http.settings import HttpSettings

router = APIRouter()


class _Thing(BaseModel):
    name: str


@router.post("/api/v1/things")
async def things(thing: _Thing) -> _Thing:
    """Answer what was sent."""
    return thing


@router.post("/api/v1/large")
async def large(request: Request) -> Response:
    """Read more than others may."""
    return Response(str(len(await read_body(request, limit=8_192, setting="this route's limit"))))


@router.get("/api/v1/report.html")
async def report() -> HTMLResponse:
    """A page of ours."""
    return HTMLResponse("<p>hello</p>")


@router.get("/api/v1/kept")
async def kept() -> Response:
    """An answer with a mind of its own."""
    return Response("x", headers={"Cache-Control": "public, max-age=60", "Content-Security-Policy": "sandbox"})


@router.get("/api/v1/broken")
async def broken() -> Response:
    """Fail as nobody foresaw."""
    raise RuntimeError("a defect")


@router.post("/v1/traces")
async def traces() -> Response:
    """A worker route."""
    return Response("")


@router.get("/livez")
async def livez() -> dict[str, str]:
    """A probe."""
    return {"status": "alive"}


@asynccontextmanager
async def _api(
    url: str = "http://api", address: str = "203.0.113.1", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    app = GuardedApi(HttpSettings(**settings), title="Test")
    problems.install(app)
    app.include_router(router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/report.html", 200),
        ("/api/v1/nowhere", 404),
        ("/api/v1/things", 405),
        ("/api/v1/broken", 500),
        ("/livez", 200),
        ("/openapi.json", 200),
    ],
)
async def test_every_answer_carries_the_headers_also_those_to_errors(
    path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A trace in colours, as it is shown where no log was configured, takes seconds.
    monkeypatch.setattr(problems._log, "error", lambda *words, **facts: None, raising=False)
    async with _api() as client:
        answer = await client.get(path)

    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


async def test_what_a_route_says_itself_is_left_as_it_is() -> None:
    async with _api() as client:
        answer = await client.get("/api/v1/kept")

    assert answer.headers.get_list("cache-control") == ["public, max-age=60"]
    assert answer.headers.get_list("content-security-policy") == ["sandbox"]


async def test_under_tls_browsers_are_told_to_stay_with_it() -> None:
    async with _api("https://api") as client:
        answers = [await client.get("/livez"), await client.post("/v1/traces")]

    assert [answer.headers["strict-transport-security"] for answer in answers] == ["max-age=31536000"] * 2


async def test_worker_routes_carry_what_matters_to_machines() -> None:
    async with _api() as client:
        answer = await client.post("/v1/traces")

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "ratelimit-limit" not in answer.headers


@pytest.mark.parametrize("how", ["declared", "in parts"])
async def test_a_body_over_the_limit_is_413_wherever_it_is_read(how: str) -> None:
    body = b'{"name": "' + b"x" * 2_000 + b'"}'

    async def parts() -> AsyncIterator[bytes]:
        for begin in range(0, len(body), 100):
            yield body[begin : begin + 100]

    async with _api(http_body_bytes_max=1_024) as client:
        content = body if how == "declared" else parts()
        answer = await client.post("/api/v1/things", content=content, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_route_that_says_so_reads_more_and_no_more_than_it_says() -> None:
    async with _api(http_body_bytes_max=1_024) as client:
        taken = await client.post("/api/v1/large", content=b"x" * 8_192)
        refused = await client.post("/api/v1/large", content=b"x" * 8_193)

    assert (taken.status_code, taken.text) == (200, "8192")
    assert refused.status_code == 413
    assert "this route's limit" in refused.json()["detail"]


async def test_a_token_that_asks_too_often_is_told_when_to_come_back() -> None:
    async with _api(api_requests_per_s_per_token=0.2) as client:
        mine = [await client.get("/api/v1/kept", headers={"Authorization": "Bearer a"}) for _ in range(3)]
        other = await client.get("/api/v1/kept", headers={"Authorization": "Bearer b"})

    assert [answer.status_code for answer in mine] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in mine] == ["1", "0", "0"]
    assert mine[2].json()["code"] == "rate_limited"
    assert 1 <= int(mine[2].headers["retry-after"]) <= 5
    assert mine[2].headers["retry-after"] == mine[2].headers["ratelimit-reset"]
    assert mine[2].headers["x-content-type-options"] == "nosniff"
    assert other.status_code == 200


@pytest.mark.parametrize(
    "ways",
    [
        [{"Authorization": "Bearer a"}, {"Authorization": "bearer a"}, {"Authorization": "Bearer   a"}],
        [{"Authorization": "Bearer a", "Cookie": f"x={number}"} for number in range(3)],
        [{"Cookie": f"x={number}; voicegateway=vgs_a_b"} for number in range(3)],
        [{"Cookie": f"voicegateway=vgs_a_b; __Host-voicegateway={number}"} for number in range(3)],
        [{"Cookie": f"voicegateway={written}"} for written in ("vgs_a_b", '"vgs_a_b"', "vgs_a_b ;")],
    ],
)
async def test_one_credential_is_one_however_it_is_written(ways: list[dict[str, str]]) -> None:
    async with _api(api_requests_per_s_per_token=0.2) as client:
        answers = [(await client.get("/api/v1/kept", headers=headers)).status_code for headers in ways]

    assert answers == [200, 200, 429]


async def test_cookies_of_others_are_no_credential() -> None:
    async with _api(api_requests_per_s_per_token=0.2) as client:
        answers = [await client.get("/api/v1/kept", headers={"Cookie": "theirs=1"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_an_address_is_held_whatever_tokens_it_makes_up() -> None:
    async with _api(api_requests_per_s_per_address=0.2) as client:
        answers = [await client.get("/api/v1/kept", headers={"Authorization": f"Bearer {n}"}) for n in range(3)]
        probe = await client.get("/livez")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert probe.status_code == 200


async def test_worker_routes_have_a_rate_of_their_own() -> None:
    async with _api(api_requests_per_s_per_address=0.1, worker_requests_per_s_per_address=0.3) as client:
        answers = [await client.post("/v1/traces") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


async def test_pages_of_other_origins_are_not_let_in_by_default() -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with _api() as client:
        preflight = await client.options("/api/v1/things", headers=asking)
        answer = await client.get("/api/v1/kept", headers=asking)

    assert preflight.status_code == 405
    for each in (preflight, answer):
        assert [name for name in each.headers if name.startswith("access-control")] == []


async def test_an_origin_that_is_named_may_ask_with_a_token_but_never_with_cookies() -> None:
    ours, other = "https://ops.example.com", "https://ops.example.com.evil.example"
    async with _api(cors_origins=ours) as client:
        preflight = await client.options(
            "/api/v1/things",
            headers={
                "Origin": ours,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, idempotency-key",
            },
        )
        answer = await client.get("/api/v1/kept", headers={"Origin": ours})
        foreign = await client.get("/api/v1/kept", headers={"Origin": other})

    assert preflight.status_code == 200
    assert (answer.headers["access-control-allow-origin"], "origin" in answer.headers["vary"].lower()) == (ours, True)
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 200),
        ("API.example.com:8580", 200),
        ("eu.fleet.example.com", 200),
        ("evil.example", 421),
        ("fleet.example.com.evil.example", 421),
        ("", 421),
    ],
)
async def test_only_our_own_names_are_answered_when_they_are_told(host: str, status: int) -> None:
    async with _api(allowed_hosts="api.example.com, *.fleet.example.com") as client:
        answer = await client.get("/api/v1/kept", headers={"Host": host})
        probe = await client.get("/livez", headers={"Host": host})

    assert answer.status_code == status
    assert probe.status_code == 200
