"""Requests over HTTP: pages by filters, one whole, and nothing of other projects."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role
from voicegateway_shared.ids import new_request_id

NOW = datetime.now(UTC).replace(microsecond=0)


def _ns(instant: datetime) -> int:
    return int(instant.timestamp()) * 10**9


@pytest.fixture
async def ids(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any) -> list[str]:
    """Five requests of two projects, the oldest first: the last is not rated."""
    made: list[str] = sorted(new_request_id() for _ in range(5))
    changes: list[dict[str, Any]] = [
        {},
        {"PROVIDER": "deepgram", "REQUEST_MODEL": "nova-3", "MODALITY": "stt", "LANGUAGE": "en", "OUTCOME": "error",
         "usage": {"audio_sent_ms": 60_000}},
        {"PROJECT": "beta", "SESSION_ID": "AJ_2"},
        {"REQUEST_MODEL": "gpt-99"},
    ]  # fmt: skip
    spans = [a_span(request_id=made[index], ended_ns=_ns(NOW), **each) for index, each in enumerate(changes)]
    await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    await make_ledger().drain(limit_s=10)
    await api.post("/v1/traces", content=a_request(a_span(request_id=made[4], ended_ns=_ns(NOW))), headers=worker)
    return made


async def test_the_newest_comes_first_with_what_the_books_have_of_it(
    api: httpx.AsyncClient, viewer: dict[str, str], ids: list[str]
) -> None:
    page = (await api.get("/api/v1/requests", headers=viewer)).json()

    assert [each["request_id"] for each in page["requests"]] == ids[::-1]
    assert [each["amount_usd"] for each in page["requests"]] == [None, "0", "0.0002688", "0.0048", "0.0002688"]
    assert [each["is_unrated"] for each in page["requests"]] == [False, True, False, False, False]
    assert page["next"] is None
    assert page["requests"][4] == {
        "request_id": ids[0], "project": "acme", "session_id": "AJ_1", "agent": "receptionist", "modality": "llm",
        "provider": "openai", "model": "gpt-4.1-mini", "outcome": "ok",
        "started_at": (NOW - timedelta(milliseconds=900)).isoformat().replace("+00:00", "Z").replace("00Z", "Z"),
        "ended_at": NOW.isoformat().replace("+00:00", "Z"), "duration_ms": 900, "ttfb_ms": 400, "attempts": 1,
        "error_type": "", "status_code": None, "amount_usd": "0.0002688", "is_estimated": False, "is_unrated": False,
        "is_corrected": False,
    } | {"started_at": page["requests"][4]["started_at"]}  # fmt: skip


FILTERS: list[tuple[dict[str, str], list[int]]] = [
    ({"project": "beta"}, [2]),
    ({"provider": "deepgram"}, [1]),
    ({"model": "gpt-99"}, [3]),
    ({"modality": "stt"}, [1]),
    ({"session": "AJ_2"}, [2]),
    ({"session": "AJ_9"}, []),
    ({"agent": "nobody"}, []),
    ({"outcome": "error"}, [1]),
    ({"since": (NOW + timedelta(seconds=1)).isoformat()}, []),
    ({"until": NOW.isoformat()}, []),
    ({"since": NOW.isoformat(), "until": (NOW + timedelta(seconds=1)).isoformat()}, [4, 3, 2, 1, 0]),
    ({"provider": "openai", "project": "acme"}, [4, 3, 0]),
]


async def test_filters(api: httpx.AsyncClient, viewer: dict[str, str], ids: list[str]) -> None:
    for query, found in FILTERS:
        page = (await api.get("/api/v1/requests", params=query, headers=viewer)).json()

        assert [each["request_id"] for each in page["requests"]] == [ids[each] for each in found], query


async def test_pages_hold_every_request_once(api: httpx.AsyncClient, viewer: dict[str, str], ids: list[str]) -> None:
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = (await api.get("/api/v1/requests", params=query, headers=viewer)).json()
        seen += [each["request_id"] for each in page["requests"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert seen == ids[::-1]


WRONG: list[tuple[dict[str, str], int]] = [
    ({"since": "2026-01-01T00:00:00Z"}, 400),
    ({"since": "2020-01-01T00:00:00Z", "until": "2019-01-01T00:00:00Z"}, 400),
    ({"until": "1999-01-01T00:00:00Z"}, 400),
    ({"until": "0001-01-01T00:00:00+23:00"}, 422),
    ({"since": "9999-12-31T23:59:59-23:00"}, 422),
    ({"since": "yesterday"}, 422),
    ({"outcome": "fine"}, 422),
    ({"cursor": "AAAA"}, 400),
    ({"session": "a\x00b"}, 422),
    ({"limit": "0"}, 422),
]


async def test_what_cannot_be_asked(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    for query, status in WRONG:
        assert (await api.get("/api/v1/requests", params=query, headers=viewer)).status_code == status, query


async def test_one_request_whole(api: httpx.AsyncClient, viewer: dict[str, str], ids: list[str]) -> None:
    found = (await api.get(f"/api/v1/requests/{ids[1]}", headers=viewer)).json()

    assert (found["amount_usd"], found["outcome"], found["span"]["language"]) == ("0.0048", "error", "en")
    assert found["span"]["usage"] == {"audio_sent_ms": 60_000}
    assert [(each["meter"], each["kind"], each["amount_usd"]) for each in found["entries"]] == [
        ("audio_sent_ms", "usage", "0.0048")
    ]
    assert found["span"]["trace_id"] == bytes(range(16)).hex()


async def test_a_request_whose_id_is_no_time_is_found_too(
    api: httpx.AsyncClient, viewer: dict[str, str], worker: dict[str, str]
) -> None:
    ended = NOW - timedelta(days=40)
    request_id = str(uuid.uuid4())
    span = a_span(request_id=request_id, ended_ns=_ns(ended))
    await api.post("/v1/traces", content=a_request(span), headers=worker)

    found = await api.get(f"/api/v1/requests/{request_id}", headers=viewer)

    assert (found.status_code, found.json()["amount_usd"], found.json()["entries"]) == (200, None, [])


async def test_other_projects_do_not_exist(api: httpx.AsyncClient, make_token: Any, ids: list[str]) -> None:
    beta = await make_token(Role.VIEWER, projects=["beta"])

    page = (await api.get("/api/v1/requests", headers=beta)).json()
    stranger = await api.get(f"/api/v1/requests/{ids[0]}", headers=beta)
    named = await api.get("/api/v1/requests", params={"project": "acme"}, headers=beta)
    session = (await api.get("/api/v1/requests", params={"session": "AJ_1"}, headers=beta)).json()

    assert [each["request_id"] for each in page["requests"]] == [ids[2]]
    assert (stranger.status_code, named.status_code, session["requests"]) == (404, 403, [])
    assert (await api.get("/api/v1/requests/not-an-id", headers=beta)).status_code == 422
