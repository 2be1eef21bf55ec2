"""Workers over HTTP: what each process says of itself, drains that survive Redis, configurations that are behind."""

import json
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from voicegateway_controller.access import Role
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.fleet.orders import Order, Orders

CALL = {"session_id": "AJ_1", "project": "acme", "agent": "desk", "room": "r", "started_at": "2026-11-21T09:00:00Z"}
WORKER = {
    "kind": "worker", "worker_id": "AW_1", "agent": "desk", "load_permille": 412, "active_jobs": 3,
    "started_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
JOB = {"worker_id": "AW_1", "agent": "desk", "started_at": "2026-11-21T08:30:00Z"}
REASON = {"reason": "kernel update"}
MAIN = "node-1-1-aaaa"


class Speaker:
    """A process that speaks with the controller; it knows what it is told."""

    def __init__(self, api: httpx.AsyncClient, headers: dict[str, str], incarnation: str, **says: Any) -> None:
        self._api, self._headers = api, headers
        self.says: dict[str, Any] = {"sessions": [], **says}
        self._fixed = {"incarnation": incarnation, "host": "node-1", "pid": 7, "shim_version": "0.1.0"}
        self._seq = 0
        self.limits = -1

    async def speak(self, **changes: Any) -> dict[str, Any]:
        """Say something, learn the answer, return it."""
        self._seq += 1
        message = {**self._fixed, "seq": self._seq, "limits_revision": self.limits, **self.says, **changes}
        answer = await self._api.post("/v1/sync", content=json.dumps(message), headers=self._headers)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        self.limits = told["limits_revision"]
        worker = self.says.get("worker")
        if worker is not None:
            if told["order"] is not None:
                worker = {**worker, "is_drained": told["order"].get("is_drained", False)}
            if told["money"]:
                worker["budgets_tag"] = told["money"]["tag"]
            if told["routing"]:
                worker["routing_tag"] = told["routing"].get("tag", "")
            self.says["worker"] = worker
        return told


@pytest.fixture
async def main(api: httpx.AsyncClient, worker: dict[str, str]) -> Speaker:
    return Speaker(api, worker, MAIN, worker=WORKER)


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def listed(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> list[dict[str, Any]]:
    answer = await api.get("/api/v1/workers", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["workers"]
    return rows


async def test_processes_are_shown_as_they_say_they_are(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], main: Speaker
) -> None:
    await Speaker(api, worker, "node-1-9-bbbb", worker=JOB, sessions=[CALL]).speak()
    await Speaker(api, worker, "node-1-8-cccc").speak()
    await main.speak()
    rows = await listed(api, viewer)

    assert [(row["id"], row["kind"], row["sessions"]) for row in rows] == [
        (MAIN, "worker", 0),
        ("node-1-8-cccc", "job", 0),
        ("node-1-9-bbbb", "job", 1),
    ]
    assert (rows[0].pop("seen_at")[:2], rows[0].pop("behind"), rows[0].pop("is_up_to_date")) == (
        "20", ["limits", "budgets", "routing"], False
    )  # fmt: skip
    assert rows[0] == {
        "id": MAIN, "kind": "worker", "worker_id": "AW_1", "agent": "desk", "host": "node-1", "pid": 7,
        "shim_version": "0.1.0", "agents_version": "", "load_permille": 412, "active_jobs": 3, "sessions": 0,
        "is_drained": False, "is_drain_ordered": False, "drain_reason": "", "drained_by": "", "drain_ordered_at": None,
        "outbox_rows": 0, "started_at": "2026-11-21T08:00:00Z",
    }  # fmt: skip
    assert [row["id"] for row in await listed(api, viewer, kind="job", agent="desk")] == ["node-1-9-bbbb"]


async def test_list_is_paged(api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str]) -> None:
    for number in range(5):
        await Speaker(api, worker, f"node-1-{number}-a").speak()
    seen: list[list[str]] = []
    cursor = None
    while cursor is not None or not seen:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/api/v1/workers", headers=viewer, params=query)).json()
        seen.append([row["id"] for row in page["workers"]])
        cursor = page["next"]

    assert seen == [["node-1-0-a", "node-1-1-a"], ["node-1-2-a", "node-1-3-a"], ["node-1-4-a"]]


async def test_a_worker_hears_that_it_is_drained_and_that_it_is_not_any_more(
    api: httpx.AsyncClient, operator: dict[str, str], main: Speaker, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    orders = [(await main.speak())["order"]]
    drained = await api.post(f"/api/v1/workers/{MAIN}/drain", headers=operator, json=REASON)
    orders.append((await main.speak())["order"])
    await main.speak()
    [shown] = await listed(api, operator)
    back = await api.post(f"/api/v1/workers/{MAIN}/undrain", headers=operator)
    orders.append((await main.speak())["order"])
    await main.speak()
    [after] = await listed(api, operator)
    records = await db.fetch("SELECT action, resource, before, after, reason FROM audit_record ORDER BY number")

    assert orders == [None, {"is_drained": True}, {}]
    assert (drained.status_code, drained.json()["is_drain_ordered"], drained.json()["is_drained"]) == (200, True, False)
    assert (shown["is_drained"], shown["drain_reason"]) == (True, "kernel update")
    assert shown["drained_by"] in operator["Authorization"]
    assert (back.status_code, after["is_drained"], after["is_drain_ordered"]) == (200, False, False)
    assert [tuple(each) for each in records if each["action"].startswith("worker.")] == [
        ("worker.drain", f"workers/{MAIN}", '{"is_drained":false}', '{"is_drained":true}', "kernel update"),
        ("worker.undrain", f"workers/{MAIN}", '{"is_drained":true}', '{"is_drained":false}', ""),
    ]


async def test_what_redis_forgets_of_drains_workers_restore(
    api: httpx.AsyncClient, operator: dict[str, str], main: Speaker, redis_url: str
) -> None:
    await main.speak()
    await api.post(f"/api/v1/workers/{MAIN}/drain", headers=operator)
    await main.speak()
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        heard = (await main.speak())["order"]
        [shown] = await listed(api, operator)
        await api.post(f"/api/v1/workers/{MAIN}/undrain", headers=operator)

    assert (heard, shown["is_drained"], shown["is_drain_ordered"]) == ({"is_drained": True}, True, True)
    assert (await main.speak())["order"] == {}


async def test_undrain_is_not_undone_by_a_worker_that_has_not_heard_of_it(
    api: httpx.AsyncClient, operator: dict[str, str], main: Speaker
) -> None:
    await main.speak()
    for what in ("drain", "undrain"):
        await api.post(f"/api/v1/workers/{MAIN}/{what}", headers=operator)

    assert (await main.speak(worker={**WORKER, "is_drained": True}))["order"] == {}


@pytest.mark.parametrize(
    ("row", "what", "status", "code"),
    [("nobody", "drain", 404, "not_found"), ("node-1-9-job", "drain", 409, "conflict")],
)
async def test_only_workers_that_are_there_are_drained(
    row: str, what: str, status: int, code: str, api: httpx.AsyncClient, worker: dict[str, str], operator: Any
) -> None:
    await Speaker(api, worker, "node-1-9-job", worker=JOB).speak()
    answer = await api.post(f"/api/v1/workers/{row}/{what}", headers=operator)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_token_of_a_project_sees_the_processes_of_its_calls_and_drains_nobody(
    api: httpx.AsyncClient, worker: dict[str, str], make_token: Any, main: Speaker
) -> None:
    await main.speak()
    other = {**CALL, "session_id": "AJ_2", "project": "globex"}
    await Speaker(api, worker, "node-1-9-both", worker=JOB, sessions=[CALL, other]).speak()
    await Speaker(api, worker, "node-1-8-other", worker=JOB, sessions=[other]).speak()
    headers = await make_token(Role.OPERATOR, projects=["acme"])
    rows = await listed(api, headers)
    status = (await api.get("/api/v1/workers/config-status", headers=headers)).json()
    refused = [
        (await api.get(f"/api/v1/workers/{each}", headers=headers)).status_code for each in (MAIN, "node-1-8-other")
    ]
    drain = await api.post(f"/api/v1/workers/{MAIN}/drain", headers=headers)

    assert [(row["id"], row["sessions"]) for row in rows] == [("node-1-9-both", 1)]
    assert (status["processes"], refused, drain.status_code) == (1, [404, 404], 403)


async def test_configuration_that_has_not_arrived_is_told_by_part(
    api: httpx.AsyncClient, viewer: dict[str, str], operator: dict[str, str], main: Speaker
) -> None:
    said: dict[str, Any] = {"money": {}, "routing": {}}
    await main.speak(**said)
    await main.speak(**said)
    before = (await api.get("/api/v1/workers/config-status", headers=viewer)).json()
    limit = {"name": "streams", "provider": "openai", "concurrent": 60}
    declared = await api.put("/api/v1/limits", headers=operator, json={"limits": [limit]})
    assert declared.status_code == 200, declared.text
    [row] = await listed(api, viewer)
    after = (await api.get("/api/v1/workers/config-status", headers=viewer)).json()
    await main.speak(**said)
    await main.speak(**said)
    arrived = (await api.get("/api/v1/workers/config-status", headers=viewer)).json()

    assert (before["processes"], before["up_to_date"], before["behind"]) == (1, 1, [])
    assert (row["is_up_to_date"], row["behind"]) == (False, ["limits"])
    [behind] = after["behind"]
    assert behind.pop("seen_at")
    assert behind == {
        "id": MAIN, "kind": "worker", "host": "node-1", "agent": "desk", "part": "limits", "known": "0", "newest": "1",
    }  # fmt: skip
    assert {part["part"]: part["behind"] for part in after["parts"]} == {"limits": 1, "budgets": 0, "routing": 0}
    assert arrived["up_to_date"] == 1


@pytest.mark.parametrize(
    "worker_says",
    [
        {**WORKER, "agent": "a" * 257},
        {**WORKER, "worker_id": "a\nb"},
        {**WORKER, "load_permille": -1},
        {**WORKER, "active_jobs": 10**9},
        {**WORKER, "kind": "king"},
    ],
    ids=["long", "odd", "negative", "many", "kind"],
)
async def test_what_a_worker_cannot_be_is_refused(
    worker_says: dict[str, Any], api: httpx.AsyncClient, worker: dict[str, str]
) -> None:
    message = {"incarnation": "a", "seq": 1, "host": "h", "pid": 1, "shim_version": "0", "worker": worker_says}
    answer = await api.post("/v1/sync", content=json.dumps(message), headers=worker)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_order_is_not_given_when_it_cannot_be_recorded(
    api: httpx.AsyncClient, operator: dict[str, str], main: Speaker, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await main.speak()
    await db.execute("ALTER TABLE audit_record RENAME TO audit_record_away")
    try:
        refused = await api.post(f"/api/v1/workers/{MAIN}/drain", headers=operator)
    finally:
        await db.execute("ALTER TABLE audit_record_away RENAME TO audit_record")

    assert refused.status_code >= 500
    assert (await main.speak())["order"] is None


async def test_an_order_that_redis_took_and_did_not_answer_is_in_the_log(
    api: httpx.AsyncClient,
    operator: dict[str, str],
    main: Speaker,
    db: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = Orders.give

    async def slow(self: Orders, incarnation: str, order: Order) -> None:
        await given(self, incarnation, order)
        raise RedisUnavailable("no answer in time")

    await main.speak()
    monkeypatch.setattr(Orders, "give", slow)
    answer = await api.post(f"/api/v1/workers/{MAIN}/drain", headers=operator)

    assert answer.status_code == 503
    assert (await main.speak())["order"] == {"is_drained": True}
    assert await db.fetchval("SELECT count(*) FROM audit_record WHERE action = 'worker.drain'") == 1
