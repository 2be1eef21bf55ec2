"""Projects over HTTP: declared, seen to spend, and out of reach."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role

ACME = {"id": "acme", "name": "Acme Inc.", "owner": "ops", "labels": {"tier": "gold"}}


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


@pytest.fixture
async def spent(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any) -> None:
    """One call of `acme` and one of `beta`, which nobody declares."""
    now_ns = int(datetime.now(UTC).timestamp()) * 10**9
    spans = [a_span(ended_ns=now_ns, PROJECT=each, SESSION_ID=each) for each in ("acme", "beta")]
    await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    await make_ledger().drain(limit_s=10)


@pytest.mark.usefixtures("spent")
async def test_declared_projects_and_those_that_spend_are_listed_together(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    declared = {"projects": [ACME, {"id": "old", "is_archived": True}, {"id": "quiet"}]}
    applied = await api.put("/api/v1/projects", json=declared, headers=operator)
    assert (applied.status_code, applied.json()["is_changed"], applied.json()["projects"]) == (200, True, 3)

    listed = (await api.get("/api/v1/projects", headers=viewer)).json()

    assert [(each["id"], each["is_declared"], each["source"]) for each in listed["projects"]] == [
        ("acme", True, "db"),
        ("beta", False, ""),
        ("quiet", True, "db"),
    ]
    today = datetime.now(UTC).date().isoformat()
    assert listed["projects"][0] == {
        **ACME, "description": "", "is_declared": True, "is_archived": False, "source": "db", "shadows": [],
        "month_usd": "0.0002688", "today_usd": "0.0002688", "requests_today": 1, "unrated_requests": 0,
        "last_seen_on": today, "calls": 0,
    }  # fmt: skip
    everything = (await api.get("/api/v1/projects", params={"with_archived": True}, headers=viewer)).json()
    assert [each["id"] for each in everything["projects"]] == ["acme", "beta", "old", "quiet"]


async def test_pages_follow_one_another(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    names = ["Zeta", "alpha", "b", "ä"]
    await api.put("/api/v1/projects", json={"projects": [{"id": each} for each in names]}, headers=operator)

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": "1", **({"cursor": cursor} if cursor else {})}
        page = (await api.get("/api/v1/projects", params=params, headers=viewer)).json()
        seen += [each["id"] for each in page["projects"]]
        cursor = page["next"]

    assert seen == sorted(names)


@pytest.mark.usefixtures("spent")
async def test_a_token_of_some_projects_sees_no_other(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    await api.put("/api/v1/projects", json={"projects": [ACME, {"id": "secret"}]}, headers=operator)
    beta = await make_token(Role.VIEWER, projects=["beta"])

    listed = (await api.get("/api/v1/projects", headers=beta)).json()
    stranger = await api.get("/api/v1/projects/acme", headers=beta)
    unknown = await api.get("/api/v1/projects/nowhere", headers=beta)

    assert [each["id"] for each in listed["projects"]] == ["beta"]
    assert (stranger.status_code, unknown.status_code) == (404, 404)
    assert stranger.json()["detail"].replace("acme", "nowhere") == unknown.json()["detail"]
    assert (await api.get("/api/v1/projects/beta", headers=beta)).json()["today_usd"] == "0.0002688"


async def test_who_may_declare(api: httpx.AsyncClient, make_token: Any) -> None:
    document = {"projects": [ACME]}
    refused = [
        await api.put("/api/v1/projects", json=document, headers=await make_token(role, **details))
        for role, details in ((Role.VIEWER, {}), (Role.WORKER, {}), (Role.OPERATOR, {"projects": ["acme"]}))
    ]

    assert [each.status_code for each in refused] == [403, 403, 403]


async def test_a_set_that_another_one_replaced_is_a_conflict(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    first = (await api.put("/api/v1/projects", json={"projects": [ACME]}, headers=operator)).json()["revision"]
    match = {**operator, "If-Match": f'"{first}"'}

    changed = await api.put("/api/v1/projects", json={"projects": []}, headers=match)
    late = await api.put("/api/v1/projects", json={"projects": [ACME, {"id": "x"}]}, headers=match)

    assert (changed.status_code, late.status_code, late.json()["code"]) == (200, 409, "conflict")


async def test_what_is_wrong_is_refused_with_its_place(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    answer = await api.put("/api/v1/projects", json={"projects": [{"id": "a", "labels": 7}]}, headers=operator)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "projects[0].labels: must be a mapping" in answer.json()["detail"]
