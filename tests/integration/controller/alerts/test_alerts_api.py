"""Alerts over HTTP: pages that neither skip nor repeat, filters, and nobody sees another's."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role
from voicegateway_controller.alerts import Alerts

Connection = asyncpg.Connection


@pytest_asyncio.fixture
async def operator(make_token: Any) -> dict[str, str]:
    return dict(await make_token(Role.OPERATOR))


async def _keys(api: httpx.AsyncClient, headers: dict[str, str], query: str = "") -> list[str]:
    answer = await api.get(f"/api/v1/alerts{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [each["key"] for each in answer.json()["alerts"]]


async def test_an_alert_is_shown_whole(
    api: httpx.AsyncClient, viewer: dict[str, str], engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    await Alerts(engine).raise_("anomaly", "k", "t", {"a": [1, {"b": None}]}, project="acme", severity="critical")
    row = await db.fetchrow("SELECT id, raised_at FROM alert")
    assert row is not None
    await db.execute("UPDATE alert SET routed_at = now()")
    await db.execute("INSERT INTO alert_delivery (alert_id, channel, last_error) VALUES ($1, 'slack', 'e')", row["id"])
    due_at = await db.fetchval("SELECT next_attempt_at FROM alert_delivery")

    shown = (await api.get("/api/v1/alerts", headers=viewer)).json()

    def as_text(instant: Any) -> str:
        return str(instant.isoformat().replace("+00:00", "Z"))

    assert shown == {
        "alerts": [
            {
                "id": str(row["id"]),
                "key": "k",
                "kind": "anomaly",
                "severity": "critical",
                "project": "acme",
                "title": "t",
                "details": {"a": [1, {"b": None}]},
                "raised_at": as_text(row["raised_at"]),
                "is_routed": True,
                "deliveries": [
                    {
                        "channel": "slack",
                        "state": "pending",
                        "attempts": 0,
                        "next_attempt_at": as_text(due_at),
                        "delivered_at": None,
                        "last_error": "e",
                    }
                ],
            }
        ],
        "next": None,
    }


async def test_pages_neither_skip_nor_repeat_while_new_ones_come(
    api: httpx.AsyncClient, viewer: dict[str, str], engine: AsyncEngine
) -> None:
    alerts = Alerts(engine)
    for n in range(7):
        await alerts.raise_("anomaly", f"k{n}", "t", {})

    seen, query = [], "?limit=3"
    while True:
        page = (await api.get(f"/api/v1/alerts{query}", headers=viewer)).json()
        seen.append([each["key"] for each in page["alerts"]])
        await alerts.raise_("anomaly", f"later{len(seen)}", "t", {})
        if page["next"] is None:
            break
        query = f"?limit=3&cursor={page['next']}"

    assert seen == [["k6", "k5", "k4"], ["k3", "k2", "k1"], ["k0"]]


async def test_filters_leave_out_the_rest(
    api: httpx.AsyncClient, viewer: dict[str, str], engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    alerts = Alerts(engine)
    await alerts.raise_("anomaly", "a", "t", {}, project="acme")
    await alerts.raise_("ledger_lag", "b", "t", {}, severity="critical")
    await alerts.raise_("anomaly", "c", "t", {}, project="beta", severity="info")
    await db.execute(
        "INSERT INTO alert_delivery (alert_id, channel, state) SELECT id, 'x', 'dead' FROM alert WHERE key = 'c'"
    )

    queries = ("?project=acme", "?kind=anomaly", "?severity=critical", "?state=dead", "?state=pending", "?project=none")

    assert [await _keys(api, viewer, query) for query in queries] == [["a"], ["c", "a"], ["b"], ["c"], [], []]


async def test_a_token_of_some_projects_sees_and_redelivers_theirs_only(
    api: httpx.AsyncClient, make_token: Any, engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    alerts = Alerts(engine)
    for project in ("acme", "beta", ""):
        await alerts.raise_("anomaly", project or "fleet", "t", {}, project=project)
    await db.execute("INSERT INTO alert_delivery (alert_id, channel, state) SELECT id, 'x', 'dead' FROM alert")
    ids = {row["key"]: row["id"] for row in await db.fetch("SELECT key, id FROM alert")}
    beta = await make_token(Role.OPERATOR, projects=["beta"])

    asked = {key: await api.post(f"/api/v1/alerts/{ids[key]}/redeliver", headers=beta) for key in ids}

    assert await _keys(api, beta) == ["beta"]
    assert (await api.get("/api/v1/alerts?project=acme", headers=beta)).status_code == 403
    assert {key: answer.status_code for key, answer in asked.items()} == {"acme": 404, "beta": 200, "fleet": 404}
    assert asked["beta"].json() == {"channels": ["x"]}
    pending = await db.fetch("SELECT alert_id FROM alert_delivery WHERE state = 'pending'")
    assert [row["alert_id"] for row in pending] == [ids["beta"]]


@pytest.mark.parametrize(
    ("query", "status"),
    [("?cursor=x", 400), ("?limit=0", 422), ("?limit=201", 422), ("?kind=none", 422), ("?state=none", 422)],
)  # fmt: skip
async def test_a_query_that_is_none_is_refused(
    api: httpx.AsyncClient, viewer: dict[str, str], query: str, status: int
) -> None:
    assert (await api.get(f"/api/v1/alerts{query}", headers=viewer)).status_code == status


async def test_a_test_is_raised_by_those_who_may(
    api: httpx.AsyncClient, viewer: dict[str, str], operator: dict[str, str], make_token: Any
) -> None:
    some = await make_token(Role.OPERATOR, projects=["acme"])

    answers = [await api.post("/api/v1/alerts/test", headers=headers) for headers in (viewer, some, operator)]
    shown = (await api.get("/api/v1/alerts?kind=test", headers=viewer)).json()["alerts"]

    assert [answer.status_code for answer in answers] == [403, 403, 200]
    assert [(each["id"], each["severity"], each["is_routed"]) for each in shown] == [
        (answers[2].json()["id"], "info", False)
    ]


async def test_what_is_not_there_is_not_redelivered(
    api: httpx.AsyncClient, viewer: dict[str, str], operator: dict[str, str]
) -> None:
    answers = [
        await api.post(f"/api/v1/alerts/{each}/redeliver", headers=headers)
        for each, headers in ((uuid4(), operator), ("none", operator), (uuid4(), viewer))
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "not_found"), (422, "invalid_parameter"), (403, "forbidden"),
    ]  # fmt: skip
