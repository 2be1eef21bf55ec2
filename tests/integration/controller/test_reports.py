"""The reports' JSON, whole; and that a token sees its own projects and no other."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role
from voicegateway_shared.telemetry import attributes as names

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = NOW.replace(minute=0, second=0)
SINCE = (HOUR - timedelta(hours=3)).isoformat().replace("+00:00", "Z")
TOTAL = {"amount_usd": "0.0550688", "requests": 4, "estimated_requests": 1, "unrated_requests": 1, "sessions": 2}


def _ns(instant: datetime) -> int:
    return int(instant.timestamp()) * 10**9


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@pytest.fixture
async def books(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any) -> httpx.AsyncClient:
    """Two projects, three vendors, two hours."""
    earlier = NOW - timedelta(hours=2)
    spans = [
        a_span(ended_ns=_ns(NOW)),
        a_span(
            ended_ns=_ns(NOW),
            usage={"characters_sent": 1_000},
            MODALITY="tts",
            PROVIDER="cartesia",
            REQUEST_MODEL="sonic-3",
            ESTIMATED=True,
            TTFB_MS=100,
        ),
        a_span(
            ended_ns=_ns(earlier),
            usage={"audio_sent_ms": 60_000},
            MODALITY="stt",
            PROVIDER="deepgram",
            REQUEST_MODEL="nova-3",
            LANGUAGE="en",
            PROJECT="beta",
            SESSION_ID="AJ_2",
            ROOM_NAME="call-2",
            OUTCOME="error",
            TTFB_MS=200,
        ),
        a_span(
            ended_ns=_ns(NOW),
            REQUEST_MODEL="gpt-99",
            PROJECT="beta",
            SESSION_ID="AJ_2",
            ROOM_NAME="call-2",
            without=[names.TTFB_MS],
        ),
    ]
    response = await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    assert response.content == b""
    await make_ledger().drain(limit_s=10)
    return api


async def test_costs_by_provider(books: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    response = await books.get("/api/v1/costs", params={"since": SINCE}, headers=viewer)

    costs = response.json()
    assert abs(datetime.fromisoformat(costs.pop("as_of")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert datetime.fromisoformat(costs.pop("until")) > NOW
    assert costs == {
        "since": SINCE,
        "by": "provider",
        "total": TOTAL,
        "rows": [
            {
                "key": "cartesia", "amount_usd": "0.05", "requests": 1, "estimated_requests": 1, "unrated_requests": 0,
                "usage": {"characters_sent": 1_000},
            },
            {
                "key": "deepgram", "amount_usd": "0.0048", "requests": 1, "estimated_requests": 0,
                "unrated_requests": 0, "usage": {"audio_sent_ms": 60_000},
            },
            {
                "key": "openai", "amount_usd": "0.0002688", "requests": 2, "estimated_requests": 0,
                "unrated_requests": 1,
                "usage": {"input_tokens": 2_400, "cache_read_tokens": 1_024, "output_tokens": 120},
            },
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("model", ["cartesia/sonic-3", "deepgram/nova-3", "openai/gpt-4.1-mini", "openai/gpt-99"]),
        ("project", ["acme", "beta"]),
        ("session", ["AJ_1", "AJ_2"]),
        ("agent", ["receptionist"]),
        ("modality", ["tts", "stt", "llm"]),
        ("hour", [_iso(HOUR - timedelta(hours=2)), _iso(HOUR)]),
        ("day", sorted({f"{NOW - timedelta(hours=2):%Y-%m-%d}", f"{NOW:%Y-%m-%d}"})),
    ],
)
async def test_costs_add_up_whatever_they_are_cut_by(
    by: str, rows: list[str], books: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    response = await books.get("/api/v1/costs", params={"by": by, "since": SINCE}, headers=viewer)

    costs = response.json()
    assert [row["key"] for row in costs["rows"]] == rows
    assert costs["total"] == TOTAL
    assert sum(row["requests"] for row in costs["rows"]) == 4


async def test_costs_of_an_hour_without_calls(books: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    window = {"since": "2026-01-01T10:20:00Z", "until": "2026-01-01T11:40:00+01:00"}

    costs = (await books.get("/api/v1/costs", params=window, headers=viewer)).json()

    costs.pop("as_of")
    assert costs == {
        "since": "2026-01-01T10:00:00Z",
        "until": "2026-01-01T11:00:00Z",
        "by": "provider",
        "total": {"amount_usd": "0", "requests": 0, "estimated_requests": 0, "unrated_requests": 0, "sessions": 0},
        "rows": [],
    }


async def test_a_token_sees_its_own_projects_only(books: httpx.AsyncClient, make_token: Any) -> None:
    headers = await make_token(Role.VIEWER, projects=["beta"])
    paths = ("costs?by=project&", "costs?by=session&", "spend?by=project&", "spend?by=project&bucket=minute&")

    seen = [(await books.get(f"/api/v1/{path}since={SINCE}", headers=headers)).json() for path in paths]
    sessions = (await books.get("/api/v1/sessions", headers=headers)).json()
    latency = (await books.get(f"/api/v1/latency?since={SINCE}", headers=headers)).json()
    refused = await books.get("/api/v1/costs?project=acme", headers=headers)

    assert [row["key"] for row in seen[0]["rows"] + seen[1]["rows"]] == ["beta", "AJ_2"]
    assert {point["key"] for answer in seen[2:] for point in answer["points"]} == {"beta"}
    assert [row["session_id"] for row in sessions["rows"]] == ["AJ_2"]
    assert [row["provider"] for row in latency["rows"]] == ["deepgram"]
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_spend_by_hour(books: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    response = await books.get("/api/v1/spend", params={"since": SINCE, "by": "project"}, headers=viewer)

    assert response.json() == {
        "bucket": "hour",
        "by": "project",
        "points": [
            {"at": _iso(HOUR - timedelta(hours=2)), "key": "beta", "amount_usd": "0.0048", "requests": 1},
            {"at": _iso(HOUR), "key": "acme", "amount_usd": "0.0502688", "requests": 2},
            {"at": _iso(HOUR), "key": "beta", "amount_usd": "0", "requests": 1},
        ],
    }


async def test_spend_by_minute_reaches_back_an_hour(books: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    response = await books.get("/api/v1/spend", params={"since": SINCE, "bucket": "minute"}, headers=viewer)

    minute = _iso(NOW.replace(second=0))
    assert response.json() == {
        "bucket": "minute",
        "by": "provider",
        "points": [
            {"at": minute, "key": "cartesia", "amount_usd": "0.05", "requests": 1},
            {"at": minute, "key": "openai", "amount_usd": "0.0002688", "requests": 2},
        ],
    }


async def test_latency(books: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    response = await books.get("/api/v1/latency", params={"since": SINCE}, headers=viewer)

    rows = response.json()["rows"]
    assert [(row["provider"], row["model"], row["modality"], row["requests"]) for row in rows] == [
        ("cartesia", "sonic-3", "tts", 1),
        ("deepgram", "nova-3", "stt", 1),
        ("openai", "gpt-4.1-mini", "llm", 1),
    ]
    for row, true_ms in zip(rows, (100, 200, 400), strict=True):
        assert abs(row["ttfb_p50_ms"] - true_ms) / true_ms < 0.045
        assert row["ttfb_p95_ms"] == row["ttfb_p50_ms"]


async def test_sessions_and_what_is_live(
    books: httpx.AsyncClient, viewer: dict[str, str], worker: dict[str, str], make_token: Any
) -> None:
    running = {
        "session_id": "AJ_1", "project": "acme", "agent": "receptionist", "room": "call-1", "started_at": _iso(NOW),
    }  # fmt: skip
    fresh = running | {"session_id": "AJ_9", "room": "call-9", "started_at": _iso(NOW + timedelta(seconds=1))}
    for pid, sessions in ((1, [running]), (2, [fresh]), (3, [])):
        message = {
            "incarnation": f"i-{pid}", "seq": 1, "host": "h", "pid": pid, "shim_version": "0.1.0", "sessions": sessions,
        }  # fmt: skip
        assert (await books.post("/v1/sync", content=json.dumps(message), headers=worker)).status_code == 200

    live = (await books.get("/api/v1/live", headers=viewer)).json()
    others = (await books.get("/api/v1/live", headers=await make_token(Role.VIEWER, projects=["beta"]))).json()
    sessions = (await books.get("/api/v1/sessions", params={"limit": 5}, headers=viewer)).json()

    assert live == {
        "calls": 2,
        "workers": 3,
        "sessions": [fresh | {"amount_usd": "0"}, running | {"amount_usd": "0.0502688"}],
        "may_end": False,
    }
    assert others == {"calls": 0, "workers": 0, "sessions": [], "may_end": False}
    assert sessions == {
        "rows": [
            {
                "session_id": "AJ_1", "project": "acme", "agent": "receptionist", "room": "call-1",
                "started_at": _iso(NOW - timedelta(milliseconds=900)), "ended_at": _iso(NOW),
                "live": True, "requests": 2, "errors": 0, "estimated_requests": 1, "unrated_requests": 0,
                "amount_usd": "0.0502688",
            },
            {
                "session_id": "AJ_2", "project": "beta", "agent": "receptionist", "room": "call-2",
                "started_at": _iso(NOW - timedelta(hours=2, milliseconds=900)),
                "ended_at": _iso(NOW), "live": False, "requests": 2, "errors": 1, "estimated_requests": 0,
                "unrated_requests": 1, "amount_usd": "0.0048",
            },
        ],
        "next": None,
    }  # fmt: skip


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
async def test_live_says_who_may_end_calls(api: httpx.AsyncClient, make_token: Any, role: Role) -> None:
    live = (await api.get("/api/v1/live", headers=await make_token(role))).json()

    assert live["may_end"] is (role is not Role.VIEWER)


async def test_ledger_status(books: httpx.AsyncClient, viewer: dict[str, str], worker: dict[str, str]) -> None:
    await books.post("/v1/traces", content=a_request(a_span(), a_span(request_id="bad")), headers=worker)

    status = (await books.get("/api/v1/ledger/status", headers=viewer)).json()

    assert 0 <= status.pop("oldest_pending_age_ms") < 60_000
    assert abs(datetime.fromisoformat(status.pop("last_rated_at")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert status == {
        "pending_spans": 1,
        "rated_spans_total": 4,
        "quarantined_total": 1,
        "unrated_requests_total": 1,
    }


@pytest.mark.parametrize(
    "query", ["by=colour", "since=2026", "since=2026-11-21T00:00:00", "since=yesterday", "bucket=second"]
)
async def test_a_wrong_parameter_is_named(query: str, api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    response = await api.get(f"/api/v1/spend?{query}", headers=viewer)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")
    assert response.json()["detail"].startswith(query.partition("=")[0])


async def test_an_instant_beyond_the_calendar_is_refused(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    paths = ("costs", "spend", "latency", "requests", "validation", "validation/requests")
    ends = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
    asked = [(path, {"since": at}) for path in paths for at in ends]

    answers = [(await api.get(f"/api/v1/{path}", params=query, headers=viewer)).status_code for path, query in asked]

    assert answers == [422] * len(asked)


async def test_a_zero_byte_is_refused(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    asked = ("costs?project=a%00", "alerts?project=%00", "sessions/%00", "projects/%00", "prices/a%00b")

    answers = [await api.get(f"/api/v1/{address}", headers=viewer) for address in asked]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(400, "bad_request")] * len(asked)


async def test_costs_of_any_hours_are_the_sum_of_them(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], make_ledger: Any
) -> None:
    """Whole days come from the daily sums, the hours at both ends from the hourly ones."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    ends = [midnight - timedelta(hours=hours) for hours in (1, 23, 24, 25, 47, 48, 49, 72, 73)]
    await api.post("/v1/traces", content=a_request(*(a_span(ended_ns=_ns(end)) for end in ends)), headers=worker)
    await make_ledger().drain(limit_s=10)

    async def counted(since: datetime, until: datetime, by: str) -> int:
        query = {"by": by, "since": _iso(since), "until": _iso(until)}
        answer = (await api.get("/api/v1/costs", params=query, headers=viewer)).json()
        assert sum(row["requests"] for row in answer["rows"]) == answer["total"]["requests"]
        return int(answer["total"]["requests"])

    for first in (73, 72, 60, 49, 48, 47, 25, 24, 3):
        for last in (48, 47, 30, 24, 23, 2, 0):
            since, until = midnight - timedelta(hours=first), midnight - timedelta(hours=last)
            if since < until:
                wanted = sum(since <= end < until for end in ends)
                assert [await counted(since, until, by) for by in ("provider", "hour")] == [wanted, wanted]
