"""`POST /v1/traces`: what is committed, what is refused, and what the sender is told."""

import asyncio
import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import INCARNATION, a_request, a_span, attribute

from voicegateway_controller import metrics
from voicegateway_controller.access import Role, revoke_token
from voicegateway_shared.telemetry import attributes as names

Connection = asyncpg.Connection
REQUEST_ID = "01930000-0000-7000-8000-000000000001"


async def test_span_is_committed_whole_before_the_answer(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    ended_ns = time.time_ns() // 1000 * 1000
    span = a_span(request_id=REQUEST_ID, ended_ns=ended_ns)
    span.attributes.append(attribute("customer.tier", "gold"))
    span.attributes.append(attribute(names.REPORTED_PREFIX + "input_tokens", 1_199))

    response = await api.post("/v1/traces", content=a_request(span), headers=worker)

    assert (response.status_code, response.content) == (200, b"")
    ended = datetime.fromtimestamp(ended_ns // 10**9, UTC) + timedelta(microseconds=ended_ns % 10**9 // 1000)
    [record] = await db.fetch("SELECT * FROM usage_span")
    row = dict(record)
    assert abs(row.pop("arrived_at") - datetime.now(UTC)) < timedelta(minutes=1)
    assert {key: json.loads(row.pop(key)) for key in ("usage", "reported", "attributes")} == {
        "usage": {"input_tokens": 1_200, "cache_read_tokens": 1_024, "output_tokens": 60},
        "reported": {"input_tokens": 1_199},
        "attributes": {"customer.tier": "gold"},
    }
    assert row == {
        "day": ended.date(), "request_id": UUID(REQUEST_ID), "trace_id": bytes(range(16)), "span_id": bytes(range(8)),
        "incarnation": INCARNATION, "project": "acme", "session_id": "AJ_1", "agent": "receptionist", "room": "call-1",
        "job_id": "AJ_1", "speech_id": "speech_1", "key_id": "k-12345678", "modality": "llm", "provider": "openai",
        "model": "gpt-4.1-mini", "response_model": "gpt-4.1-mini-2025-04-14", "response_id": "chatcmpl-1",
        "language": "", "voice": "", "mode": "streaming", "service_tier": "default", "outcome": "ok",
        "estimated": False, "error_type": "", "status_code": None, "attempts": 1, "ttfb_ms": 400, "duration_ms": 900,
        "started_at": ended - timedelta(milliseconds=900), "ended_at": ended, "clock_suspect": False,
    }  # fmt: skip
    pending = await db.fetch("SELECT day, request_id FROM usage_pending")
    assert [tuple(each) for each in pending] == [(ended.date(), UUID(REQUEST_ID))]


async def test_gzip_is_read(api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]") -> None:
    body = gzip.compress(a_request(a_span(), a_span()))

    response = await api.post("/v1/traces", content=body, headers=worker | {"Content-Encoding": "gzip"})

    assert response.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 2


async def test_every_member_of_a_gzip_body_is_read(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    body = gzip.compress(a_request(a_span())) + gzip.compress(a_request(a_span()))

    response = await api.post("/v1/traces", content=body, headers=worker | {"Content-Encoding": "gzip"})

    assert response.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 2


async def test_the_same_request_is_committed_once_however_often_it_comes(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    span = a_span(request_id=REQUEST_ID)
    duplicates = _counted("duplicate")

    first = await api.post("/v1/traces", content=a_request(span, span), headers=worker)
    again = await asyncio.gather(
        *(api.post("/v1/traces", content=a_request(span, a_span()), headers=worker) for _ in range(4))
    )

    assert [response.status_code for response in (first, *again)] == [200] * 5
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 5
    assert await db.fetchval("SELECT count(*) FROM usage_pending") == 5
    assert _counted("duplicate") - duplicates == 5


async def test_a_late_span_lands_on_the_day_it_ended(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    six_days_ago = time.time_ns() - 6 * 86_400 * 10**9

    await api.post("/v1/traces", content=a_request(a_span(), a_span(ended_ns=six_days_ago)), headers=worker)

    [late] = await db.fetch("SELECT day, clock_suspect, tableoid::regclass::text FROM usage_span ORDER BY day LIMIT 1")
    day = datetime.fromtimestamp(six_days_ago / 10**9, UTC).date()
    assert tuple(late) == (day, False, f"usage_span_{day:%Y%m%d}")


@pytest.mark.parametrize("skew", [timedelta(minutes=6), timedelta(days=-8), timedelta(days=300)])
async def test_an_absurd_clock_is_kept_and_flagged(
    skew: timedelta, api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    ended = datetime.now(UTC) + skew

    response = await api.post(
        "/v1/traces", content=a_request(a_span(ended_ns=int(ended.timestamp() * 10**9))), headers=worker
    )

    assert response.content == b""
    [row] = await db.fetch("SELECT day, clock_suspect FROM usage_span")
    assert tuple(row) == (ended.date(), True)


async def test_a_clock_five_minutes_ahead_is_still_believed(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    await api.post("/v1/traces", content=a_request(a_span(ended_ns=time.time_ns() + 290 * 10**9)), headers=worker)

    assert await db.fetchval("SELECT clock_suspect FROM usage_span") is False


async def test_malformed_spans_are_quarantined_and_the_others_committed(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    spans = [
        a_span(),
        a_span(request_id="not-a-uuid"),
        a_span(without=[names.PROJECT]),
        a_span(usage={"input_tokens": -1}),
    ]

    response = await api.post("/v1/traces", content=a_request(*spans), headers=worker)

    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == 3
    assert partial.error_message == (
        "quarantined: voicegateway.request.id is not a UUID; voicegateway.project is missing; "
        "voicegateway.usage.input_tokens is not a whole number from 0 to 1000000000000000"
    )
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 1
    kept = await db.fetch("SELECT token_id, reason, body FROM usage_quarantine ORDER BY id")
    assert [Span.FromString(each["body"]) for each in kept] == spans[1:]
    assert {each["token_id"] for each in kept} == {_token_id(worker)}


async def test_a_span_that_is_no_text_harms_no_other(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    good, bad = a_span(), a_span(REQUEST_MODEL="MARKER")
    body = a_request(good, bad).replace(b"MARKER", b"\xff\xfe\xfd\xfc\xfb\xfa")

    response = await api.post("/v1/traces", content=body, headers=worker)

    assert response.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 1
    assert await db.fetchval("SELECT reason FROM usage_quarantine") == "gen_ai.request.model is not UTF-8"


async def test_spans_of_others_are_ignored_and_counted(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    foreign = _counted("foreign")

    response = await api.post(
        "/v1/traces", content=a_request(a_span(without=[names.REQUEST_ID]), Span(name="GET /")), headers=worker
    )

    assert (response.status_code, response.content) == (200, b"")
    assert _counted("foreign") - foreign == 2
    assert await db.fetchval("SELECT (SELECT count(*) FROM usage_span) + (SELECT count(*) FROM usage_quarantine)") == 0


async def test_a_project_out_of_the_tokens_reach_is_quarantined(
    api: httpx.AsyncClient, make_token: Any, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    headers = worker | await make_token(projects=["acme"])

    response = await api.post("/v1/traces", content=a_request(a_span(), a_span(PROJECT="rival")), headers=headers)

    assert ExportTraceServiceResponse.FromString(response.content).partial_success.rejected_spans == 1
    assert await db.fetchval("SELECT array_agg(project) FROM usage_span") == ["acme"]
    assert await db.fetchval("SELECT reason FROM usage_quarantine") == "the token may not write to project 'rival'"


@pytest.mark.parametrize(
    ("changes", "encoding", "body", "limit_named"),
    [
        ({"ingest_body_bytes_max": 2_000}, "identity", b"x" * 2_001, "INGEST_BODY_BYTES_MAX"),
        ({"ingest_raw_bytes_max": 2_000}, "identity", b"x" * 2_001, "INGEST_RAW_BYTES_MAX"),
        # 64 MiB of nothing in 64 KiB.
        ({"ingest_raw_bytes_max": 2**20}, "gzip", gzip.compress(bytes(64 * 2**20), mtime=0), "INGEST_RAW_BYTES_MAX"),
    ],
)
async def test_a_body_over_a_limit_is_refused(
    changes: dict[str, int],
    encoding: str,
    body: bytes,
    limit_named: str,
    start_api: Any,
    worker: dict[str, str],
) -> None:
    async with start_api(**changes) as api:
        response = await api.post("/v1/traces", content=body, headers=worker | {"Content-Encoding": encoding})

    problem = response.json()
    assert (response.status_code, problem["code"]) == (413, "body_too_large")
    assert limit_named in problem["detail"]


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(start_api: Any, worker: dict[str, str]) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1_000

    async with start_api(ingest_body_bytes_max=5_000) as api:
        response = await api.post("/v1/traces", content=endless(), headers=worker)

    assert response.status_code == 413
    assert sent <= 10


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415, "unsupported_media_type"),
        ({"Content-Type": ""}, b"", 415, "unsupported_media_type"),
        ({"Content-Encoding": "br"}, b"", 415, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, b"no gzip", 400, "bad_request"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"x" * 999, mtime=0)[:-10], 400, "bad_request"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"", mtime=0) + b"more", 400, "bad_request"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"", mtime=0) * 65, 400, "bad_request"),
        ({}, b"\xff\xff\xff", 400, "bad_request"),
    ],
)
async def test_an_unreadable_body_is_refused_for_good(
    headers: dict[str, str], body: bytes, status: int, code: str, api: httpx.AsyncClient, worker: dict[str, str]
) -> None:
    response = await api.post("/v1/traces", content=body, headers=worker | headers)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


async def test_without_a_good_token_nothing_is_taken(
    api: httpx.AsyncClient, make_token: Any, worker: dict[str, str], engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    revoked = await make_token()
    await revoke_token(engine, _token_id(revoked))
    tokens = [
        {},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer sk-1234"},
        {"Authorization": "Bearer vgw_0123456789abcdef_" + "x" * 43},
        {"Authorization": worker["Authorization"][:-1] + "!"},
        revoked,
        await make_token(expires_at=datetime.now(UTC) - timedelta(seconds=1)),
    ]
    body = a_request(a_span())
    plain = {"Content-Type": worker["Content-Type"]}

    answers = [await api.post("/v1/traces", content=body, headers=plain | token) for token in tokens]
    reader = await api.post("/v1/traces", content=body, headers=plain | await make_token(Role.VIEWER))

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "unauthenticated")] * 7
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert (reader.status_code, reader.json()["code"]) == (403, "forbidden")
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 0


async def test_a_worker_may_not_read(api: httpx.AsyncClient, worker: dict[str, str]) -> None:
    response = await api.get("/api/v1/costs", headers=worker)

    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


def _counted(fate: str) -> float:
    value: float = metrics.INGEST_SPANS.labels(fate)._value.get()
    return value


def _token_id(headers: dict[str, str]) -> str:
    return headers["Authorization"].split("_")[1]
