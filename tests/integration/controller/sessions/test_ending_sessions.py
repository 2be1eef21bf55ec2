"""Sessions are ended over HTTP: one, a project's, the dear ones; told through /v1/sync; nobody else's are touched."""

import json
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from voicegateway_controller.access import Role
from voicegateway_controller.sessions import service

Connection = asyncpg.Connection


def _session(session_id: str, project: str = "acme") -> dict[str, Any]:
    return {
        "session_id": session_id,
        "project": project,
        "agent": "a",
        "room": f"room-{session_id}",
        "started_at": "2026-11-21T09:00:00Z",
    }


class Worker:
    """One holder that speaks for some sessions."""

    def __init__(self, api: httpx.AsyncClient, headers: dict[str, str], *, name: str = "host-1-1") -> None:
        self._api = api
        self._headers = headers
        self._name = name
        self._seq = 0

    async def says(self, *sessions: dict[str, Any], done: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Say what is carried and what was obeyed; return the directives heard."""
        self._seq += 1
        message = {
            "incarnation": self._name, "seq": self._seq, "host": "h", "pid": 1, "shim_version": "0.1.0",
            "sessions": sessions, "money": {"done": done},
        }  # fmt: skip
        answer = await self._api.post("/v1/sync", content=json.dumps(message).encode(), headers=self._headers)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["money"].get("directives", []))


@pytest_asyncio.fixture
async def carrier(api: httpx.AsyncClient, make_token: Any) -> Worker:
    return Worker(api, await make_token())


@pytest_asyncio.fixture
async def operator(make_token: Any) -> dict[str, str]:
    return dict(await make_token(Role.OPERATOR))


async def _costs(db: "Connection[Any]", **amounts: str) -> None:
    for session_id, amount in amounts.items():
        await db.execute(
            "INSERT INTO rollup_session VALUES ($1, 'acme', 'a', 'r', now(), now(), 1, 0, 0, 0, $2::text::numeric)",
            session_id,
            amount,
        )


async def test_a_session_is_told_to_end_until_its_worker_has_obeyed(
    api: httpx.AsyncClient, carrier: Worker, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    heard = [await carrier.says(_session("AJ_1"), _session("AJ_2"))]
    order = {"sentence": "Goodbye.", "reason": "a test"}
    told = await api.post("/api/v1/sessions/AJ_1/end", json=order, headers=operator)
    heard.append(await carrier.says(_session("AJ_1"), _session("AJ_2")))
    directive = told.json()["sessions"][0]["directive"]
    heard.append(await carrier.says(_session("AJ_1"), _session("AJ_2"), done=(directive,)))
    endings = (await api.get("/api/v1/sessions/endings", headers=viewer)).json()["endings"]

    assert told.json() == {
        "is_dry_run": False,
        "sessions": [{**_session("AJ_1"), "amount_usd": "0", "directive": directive}],
        "left_out": 0,
    }
    assert heard == [
        [],
        [{"id": directive, "session_id": "AJ_1", "sentence": "Goodbye.", "reason": "a test"}],
        [],
    ]
    assert [(each["session_id"], each["state"], each["reason"], each["attempts"]) for each in endings] == [
        ("AJ_1", "obeyed", "a test", 0)
    ]
    assert endings[0]["obeyed_at"] is not None


async def test_an_order_without_a_body_and_a_second_one_are_the_same_order(
    api: httpx.AsyncClient, carrier: Worker, operator: dict[str, str]
) -> None:
    await carrier.says(_session("AJ_1"))

    answers = [
        await api.post("/api/v1/sessions/AJ_1/end", headers=operator),
        await api.post("/api/v1/sessions/AJ_1/end", json={"sentence": "Other"}, headers=operator),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["sessions"][0]["directive"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("order", "ended"),
    [
        ({"project": "acme"}, ["AJ_3", "AJ_2", "AJ_1", "AJ_4"]),
        ({"project": "beta"}, ["AJ_5"]),
        ({"over": "2.00"}, ["AJ_3", "AJ_2"]),
        ({"over": "2.000000000001"}, ["AJ_3"]),
        ({"over": "0", "project": "acme"}, ["AJ_3", "AJ_2", "AJ_1"]),
        ({"over": "2", "project": "beta"}, []),
        ({"over": "999999999999.999999999999"}, []),
    ],
)
async def test_what_matches_is_ended_dearest_first_and_a_dry_run_tells_nobody(
    api: httpx.AsyncClient,
    carrier: Worker,
    operator: dict[str, str],
    db: "Connection[Any]",
    order: dict[str, str],
    ended: list[str],
) -> None:
    # A session that is over costs whatever it cost: only live ones can be ended.
    await _costs(db, AJ_1="1.999999999999", AJ_2="2.000000000001", AJ_3="3.5", AJ_over="9")
    sessions = (*map(_session, ("AJ_1", "AJ_2", "AJ_3", "AJ_4")), _session("AJ_5", "beta"))
    await carrier.says(*sessions)

    dry = (await api.post("/api/v1/sessions/end", json={**order, "dry_run": True}, headers=operator)).json()
    before = await carrier.says(*sessions)
    told = (await api.post("/api/v1/sessions/end", json=order, headers=operator)).json()
    after = await carrier.says(*sessions)

    assert [each["session_id"] for each in told["sessions"]] == ended
    assert dry == {
        "is_dry_run": True,
        "sessions": [{**each, "directive": ""} for each in told["sessions"]],
        "left_out": 0,
    }
    assert before == []
    assert sorted(each["session_id"] for each in after) == sorted(ended)
    assert all(each["directive"] for each in told["sessions"])


async def test_no_more_than_one_order_may_end_is_ended_and_the_rest_is_counted(
    api: httpx.AsyncClient, carrier: Worker, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SESSIONS_MAX", 3)
    sessions = [_session(f"AJ_{n}") for n in range(5)]
    await carrier.says(*sessions)

    told = (await api.post("/api/v1/sessions/end", json={"project": "acme"}, headers=operator)).json()

    assert (len(told["sessions"]), told["left_out"]) == (3, 2)
    assert len(await carrier.says(*sessions)) == 3


@pytest.mark.parametrize(
    ("path", "order", "status", "words"),
    [
        ("AJ_9/end", {}, 404, "no session 'AJ_9' is live"),
        ("end", {}, 400, "which sessions: give `project`, `over` (USD) or both"),
        ("end", {"over": "-1"}, 400, "over: '-1' is below zero"),
        ("end", {"over": "2,00"}, 400, "over: '2,00' is not an amount in USD"),
        ("end", {"over": "1e3"}, 400, "is not an amount in USD"),
        ("end", {"over": 2.0}, 422, "over: Input should be a valid string"),
        ("end", {"project": "acme", "all": True}, 422, "all: Extra inputs are not permitted"),
        ("AJ_1/end", {"sentence": "x" * 301}, 422, "sentence: String should have at most 300 characters"),
    ],
)
async def test_an_order_that_is_none_is_refused_and_ends_nothing(
    api: httpx.AsyncClient,
    carrier: Worker,
    operator: dict[str, str],
    path: str,
    order: dict[str, Any],
    status: int,
    words: str,
) -> None:
    await carrier.says(_session("AJ_1"))

    answer = await api.post(f"/api/v1/sessions/{path}", json=order, headers=operator)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert await carrier.says(_session("AJ_1")) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.WORKER])
async def test_who_may_only_look_ends_nothing(
    api: httpx.AsyncClient, carrier: Worker, make_token: Any, role: Role
) -> None:
    await carrier.says(_session("AJ_1"))
    headers = await make_token(role)

    answers = [
        await api.post(f"/api/v1/sessions/{path}", json={"project": "acme"} if path == "end" else {}, headers=headers)
        for path in ("AJ_1/end", "end")
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert await carrier.says(_session("AJ_1")) == []


async def test_a_token_of_some_projects_reaches_no_other(
    api: httpx.AsyncClient, carrier: Worker, make_token: Any, operator: dict[str, str]
) -> None:
    sessions = (_session("AJ_1"), _session("AJ_2", "beta"))
    await carrier.says(*sessions)
    beta = await make_token(Role.OPERATOR, projects=["beta"])
    await api.post("/api/v1/sessions/AJ_1/end", headers=operator)

    one = await api.post("/api/v1/sessions/AJ_1/end", headers=beta)
    many = await api.post("/api/v1/sessions/end", json={"project": "acme"}, headers=beta)
    dear = await api.post("/api/v1/sessions/end", json={"over": "0", "dry_run": True}, headers=beta)
    own = await api.post("/api/v1/sessions/end", json={"project": "beta"}, headers=beta)
    endings = [
        [each["session_id"] for each in (await api.get("/api/v1/sessions/endings", headers=headers)).json()["endings"]]
        for headers in (beta, operator)
    ]

    assert [one.status_code, many.status_code, dear.status_code, own.status_code] == [404, 403, 200, 200]
    assert dear.json()["sessions"] == []
    assert [each["session_id"] for each in own.json()["sessions"]] == ["AJ_2"]
    assert endings[0] == ["AJ_2"]
    assert sorted(endings[1]) == ["AJ_1", "AJ_2"]


async def test_another_worker_is_not_told_of_it_nor_can_it_obey_for_it(
    api: httpx.AsyncClient, carrier: Worker, operator: dict[str, str], make_token: Any
) -> None:
    await carrier.says(_session("AJ_1"))
    await api.post("/api/v1/sessions/AJ_1/end", headers=operator)
    other = Worker(api, await make_token(), name="host-2-2")

    heard = await other.says(_session("AJ_2"), done=("0000000000000000:AJ_1",))

    assert heard == []
    assert len(await carrier.says(_session("AJ_1"))) == 1


async def test_without_redis_nobody_is_said_to_have_been_told(
    start_api: Any, operator: dict[str, str], redis_url: str
) -> None:
    async with start_api(redis_url="redis://127.0.0.1:9/0") as api:
        answers = [
            await api.post("/api/v1/sessions/AJ_1/end", headers=operator),
            await api.post("/api/v1/sessions/end", json={"project": "acme"}, headers=operator),
            await api.get("/api/v1/sessions/endings", headers=operator),
        ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "redis_unavailable")] * 3


async def test_a_flushed_redis_forgets_the_order_and_it_can_be_given_again(
    api: httpx.AsyncClient, carrier: Worker, operator: dict[str, str], redis_url: str
) -> None:
    await carrier.says(_session("AJ_1"))
    await api.post("/api/v1/sessions/AJ_1/end", headers=operator)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    heard = await carrier.says(_session("AJ_1"))
    again = await api.post("/api/v1/sessions/AJ_1/end", headers=operator)

    assert heard == []
    assert again.status_code == 200
    assert len(await carrier.says(_session("AJ_1"))) == 1
