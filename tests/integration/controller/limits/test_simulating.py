"""Would a limit have held: recorded spans replayed, of the projects in reach, within bounds that are told."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role
from voicegateway_controller.limits import simulations

START_NS = (time.time_ns() // 60_000_000_000 - 60) * 60_000_000_000
"""The beginning of a minute, an hour ago."""
TIGHT = {"provider": "openai", "requests_per_min": 60, "burst": 2}


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture
async def traffic(api: httpx.AsyncClient, worker: dict[str, str]) -> httpx.AsyncClient:
    """Five requests within 0.4 s for acme, one for beta a minute later, one transcription."""
    second = 1_000_000_000
    spans = [
        *(a_span(ended_ns=START_NS + second + n * 100_000_000, lasted_ms=900) for n in range(5)),
        a_span(ended_ns=START_NS + 61 * second, lasted_ms=500, PROJECT="beta"),
        a_span(
            ended_ns=START_NS + 30 * second,
            lasted_ms=20_000,
            usage={"audio_sent_ms": 20_000},
            MODALITY="stt",
            PROVIDER="deepgram",
            REQUEST_MODEL="nova-3",
        ),
    ]
    response = await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    assert response.content == b""
    return api


async def _simulate(api: httpx.AsyncClient, headers: dict[str, str], **asked: Any) -> tuple[int, dict[str, Any]]:
    response = await api.post("/api/v1/limits/simulate", json=asked, headers=headers)
    return response.status_code, response.json()


async def test_it_tells_what_a_limit_would_have_done(traffic: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    limits = [TIGHT, {"provider": "deepgram", "concurrent": 1, "audio_seconds_per_hour": 7_200}]

    status, answer = await _simulate(traffic, viewer, limits=limits, admit_wait_ms=250)

    assert (status, answer["requests"], answer["is_truncated"]) == (200, 7, False)
    meters = ("requests", "slots", "audio_ms")
    tight, slots, audio = sorted(answer["pools"], key=lambda pool: meters.index(pool["meter"]))
    assert tight.pop("smallest") > 60
    assert tight == {
        "id": "openai:requests_per_min",
        "meter": "requests",
        "units": 60,
        "period_ms": 60_000,
        "burst": 2,
        "slots": 0,
        "holds": False,
        "matched": 6,
        "admitted_at_once": 3,
        "delayed": 0,
        "refused": 3,
        "delay_p50_ms": 0,
        "delay_p95_ms": 0,
        "peak_per_min": 5,
        "peak_open": 5,
        "first_refused_at": _iso(START_NS + 300_000_000),
        "worst_minute": _iso(START_NS),
        "worst_minute_refused": 3,
    }
    assert (slots["holds"], slots["matched"], slots["peak_open"], slots["smallest"]) == (True, 1, 1, 1)
    assert (audio["holds"], audio["peak_per_min"]) == (True, 20_000)


async def test_the_declared_limits_are_tried_when_no_others_are_given(
    traffic: httpx.AsyncClient, viewer: dict[str, str], make_token: Any
) -> None:
    operator = await make_token(Role.OPERATOR)
    await traffic.put("/api/v1/limits", json={"limits": [{"provider": "openai", "concurrent": 5}]}, headers=operator)

    _, answer = await _simulate(traffic, viewer)
    _, earlier = await _simulate(
        traffic, viewer, since=_iso(START_NS - 7_200 * 10**9), until=_iso(START_NS - 3_600 * 10**9)
    )

    assert [(pool["id"], pool["holds"], pool["smallest"]) for pool in answer["pools"]] == [
        ("openai:concurrent", True, 5)
    ]
    assert [pool["matched"] for pool in earlier["pools"]] == [0]


async def test_a_token_of_one_project_replays_its_own_requests(traffic: httpx.AsyncClient, make_token: Any) -> None:
    _, answer = await _simulate(traffic, await make_token(Role.VIEWER, projects=["beta"]), limits=[TIGHT])

    assert (answer["requests"], answer["pools"][0]["matched"]) == (1, 1)


async def test_more_traffic_than_is_replayed_is_said(
    traffic: httpx.AsyncClient, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "REQUESTS_MAX", 3)

    _, answer = await _simulate(traffic, viewer, limits=[TIGHT])

    assert (answer["requests"], answer["is_truncated"]) == (3, True)
    assert answer["covered_until"] == _iso(START_NS + 300_000_000)


async def test_more_replays_than_are_worth_it_are_refused(
    traffic: httpx.AsyncClient, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "REPLAYS_MAX", 5)

    status, problem = await _simulate(traffic, viewer, limits=[TIGHT])

    assert (status, problem["code"]) == (400, "bad_request")
    assert "shorter span" in problem["detail"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"limits": [{"provider": "acme-ai", "concurrent": 1}]}, "unknown provider"),
        ({"since": "2026-11-21T00:00:00"}, "since"),
        ({"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"}, "before until"),
        ({"since": "2026-01-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"}, "31 days"),
        ({"admit_wait_ms": -1}, "admit_wait_ms"),
        ({"more": 1}, "more"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: httpx.AsyncClient, viewer: dict[str, str], asked: dict[str, Any], words: str
) -> None:
    status, problem = await _simulate(api, viewer, **asked)

    assert (status, problem["code"]) == (400, "bad_request")
    assert words in problem["detail"]


async def test_only_one_simulation_runs_at_a_time(
    start_api: Any, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[int] = []
    async with start_api() as api:

        async def reading(*args: Any, **named: Any) -> list[Any]:
            answers.append((await _simulate(api, viewer, limits=[]))[0])
            return []

        monkeypatch.setattr(simulations, "read_traffic", reading)
        answers.append((await _simulate(api, viewer, limits=[]))[0])

    assert answers == [429, 200]


async def test_the_default_window_ends_now(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    _, answer = await _simulate(api, viewer)

    since, until = (datetime.fromisoformat(answer[name]) for name in ("since", "until"))
    assert until - since == timedelta(hours=24)
    assert abs(until - datetime.now(UTC)) < timedelta(minutes=1)
