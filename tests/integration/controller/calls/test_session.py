"""`voicegw session`: the whole call, to the last digit of the books."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span
from tests.integration.controller.calls.conftest import KEY, SECRET, TELEPHONY

from voicegateway.testing.livekit_webhooks import CallScript, WebhookSender
from voicegateway_controller import runner
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.ledger import verify_rollups
from voicegateway_controller.ledger.audit import audit
from voicegateway_controller.ledger.books import Correction, book, record_correction
from voicegateway_controller.ledger.rules import ENTRY_COLUMNS, HourSums, Posting, SessionSums
from voicegateway_controller.months import next_month

CALL = CallScript(room="call-1", job_id="AJ_1", duration_s=180)
WITHIN_S = 60.0
"""Only ends a broken test."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _spans() -> bytes:
    """The models' part of C07."""
    return a_request(
        a_span(
            ended_ns=_ns(170), MODALITY="stt", PROVIDER="deepgram", REQUEST_MODEL="nova-3",
            usage={"audio_sent_ms": 180_000},
        ),
        a_span(ended_ns=_ns(60), usage={"input_tokens": 24_000, "cache_read_tokens": 15_000, "output_tokens": 900}),
        a_span(
            ended_ns=_ns(65), MODALITY="tts", PROVIDER="elevenlabs", REQUEST_MODEL="eleven_flash_v2_5",
            usage={"characters_sent": 1_500},
        ),
    )  # fmt: skip


def _ns(after_s: float) -> int:
    return int((CALL.started_at + timedelta(seconds=after_s)).timestamp() * 1_000) * 1_000_000


@pytest_asyncio.fixture
async def url(make_settings: Any) -> AsyncIterator[str]:
    """The address of a controller that listens, with LiveKit keys."""
    settings = make_settings(livekit_api_key=KEY, livekit_api_secret=SECRET, telephony=TELEPHONY)
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_the_whole_call_of_the_worked_examples_costs_what_it_must(
    url: str, engine: AsyncEngine, worker: dict[str, str], db: Any, make_settings: Any, tmp_path: Path
) -> None:
    """C07: 180 s with Deepgram, OpenAI, ElevenLabs, an agent and a local number, over real HTTP and through a real
    runner, to the terminal. The webhooks are quicker than the spans, and wait for them to say who pays."""
    sender = WebhookSender(url, api_key=KEY, api_secret=SECRET)
    settings = make_settings(telephony=TELEPHONY, calls_settle_s=0, sweep_interval_s=0.1)
    stop = asyncio.Event()
    runs = asyncio.create_task(runner.run(settings, stop))
    try:
        for event in CALL.events():
            assert (await asyncio.to_thread(sender.send, event)).status_code == 200
        assert (await asyncio.to_thread(sender.send, CALL.events()[0], is_tampered=True)).status_code == 401
        async with httpx.AsyncClient() as client:
            await client.post(f"{url}/v1/traces", content=_spans(), headers=worker)
        async with asyncio.timeout(WITHIN_S):
            while True:
                if await db.fetchval("SELECT count(DISTINCT request_id) FROM ledger_entry") == 5:
                    break
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await runs
    environment = {
        **os.environ, "VOICEGATEWAY_URL": url, "VOICEGATEWAY_HOME": str(tmp_path), "COLUMNS": "200",
        "VOICEGATEWAY_TOKEN": await create_token(engine, role=Role.VIEWER, name="test"),
    }  # fmt: skip

    async def voicegw(*arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "voicegateway_controller", *arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, error = await asyncio.wait_for(process.communicate(), timeout=120)
        return process.returncode or 0, out.decode(), error.decode()

    told, as_json, unknown = await asyncio.gather(
        voicegw("session", "AJ_1"), voicegw("session", "AJ_1", "--json"), voicegw("session", "AJ_nobody")
    )

    assert told[0] == 0, told[2]
    lines = [" ".join(line.split()) for line in told[1].splitlines()]
    assert lines[0].startswith("AJ_1 · acme · receptionist · call-1 · ")
    # Both legs begin with the call.
    assert sorted(lines[2:4]) == [
        "0:00.0 telephony livekit/us-local-inbound 180 s 0.03 inbound",
        "0:00.0 transport livekit/agent-session 180 s 0.03",
    ]
    assert lines[4:7] == [
        "0:59.1 llm openai/gpt-4.1-mini 15000 cache read tokens, 24000 input tokens, 900 output tokens 0.00654",
        "1:04.1 tts elevenlabs/eleven_flash_v2_5 1500 characters sent 0.075",
        "2:49.1 stt deepgram/nova-3 180 s audio sent 0.0144",
    ]
    assert "total 5 0.15594" in lines
    document = json.loads(as_json[1])
    assert document["total_usd"] == document["so_far_usd"] == "0.15594"
    assert {part["part"]: part["amount_usd"] for part in document["parts"]} == {
        "stt": "0.0144", "llm": "0.00654", "tts": "0.075", "transport": "0.03", "telephony": "0.03",
    }  # fmt: skip
    assert [part["part"] for part in document["parts"]] == ["stt", "llm", "tts", "transport", "telephony"]
    assert Decimal(document["total_usd"]) == await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry")
    assert (unknown[0], "no session 'AJ_nobody' is known" in unknown[2]) == (2, True)
    month = CALL.started_at.date().replace(day=1)
    audited = await audit(engine, since=month, until=next_month(next_month(month)))
    assert [check.name for check in audited.checks if check.findings] == []


async def test_a_live_call_is_shown_with_what_it_costs_so_far(
    calls_api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], make_token: Any, deliver: Any,
    make_ledger: Any,
) -> None:  # fmt: skip
    live = replace(CALL, is_recorded=True)
    await deliver(*(each for each in live.events() if each.event in ("room_started", "participant_joined")))
    only_legs = (await calls_api.get("/api/v1/sessions/AJ_1", headers=viewer)).json()
    stranger = await make_token(Role.VIEWER, projects=["other"])
    hidden = await calls_api.get("/api/v1/sessions/AJ_1", headers=stranger)
    await calls_api.post("/v1/traces", content=_spans(), headers=worker)
    waiting = (await calls_api.get("/api/v1/sessions/AJ_1", headers=viewer)).json()
    await make_ledger().drain(limit_s=20)

    shown = (await calls_api.get("/api/v1/sessions/AJ_1", headers=viewer)).json()

    assert (only_legs["total_usd"], len(only_legs["open_legs"]), only_legs["items"]) == ("0", 2, [])
    assert hidden.status_code == 404
    assert (waiting["pending"], shown["pending"]) == (3, 0)
    assert (shown["total_usd"], shown["is_live"]) == ("0.09594", False)
    legs = {leg["model"]: leg for leg in shown["open_legs"]}
    assert set(legs) == {"agent-session", "us-local-inbound"}
    assert all(leg["ended_at"] is None and leg["duration_ms"] >= 180_000 for leg in legs.values())
    so_far = Decimal("0.09594") + sum(Decimal(leg["amount_usd"]) for leg in legs.values())
    assert Decimal(shown["so_far_usd"]) == so_far >= Decimal("0.15594")


async def test_who_has_a_request_of_that_session_does_not_see_the_legs_that_another_project_pays(
    calls_api: httpx.AsyncClient, make_token: Any, deliver: Any, db: Any
) -> None:
    await deliver(*CallScript(room="call-1", job_id="AJ_1", duration_s=180).events()[:-3])
    await db.execute("UPDATE call_leg SET session_id = 'AJ_1', present_project = 'acme' WHERE kind = 'agent'")
    await db.execute(
        "INSERT INTO rollup_session (session_id, project, agent, room, first_started_at, last_ended_at, requests, "
        "errors, estimated_requests, unrated_requests, amount_usd) "
        "VALUES ('AJ_1', 'other', '', '', now(), now(), 1, 0, 0, 0, 0)"
    )

    shown = {}
    for project in ("other", "acme"):
        viewer = await make_token(Role.VIEWER, projects=[project])
        shown[project] = (await calls_api.get("/api/v1/sessions/AJ_1", headers=viewer)).json()

    assert shown["other"]["open_legs"] == []
    assert len(shown["acme"]["open_legs"]) > 0


async def test_corrections_are_part_of_the_call(
    calls_api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], make_token: Any, engine: AsyncEngine,
    make_ledger: Any, db: Any,
) -> None:  # fmt: skip
    unpriced = a_span(
        ended_ns=_ns(50), MODALITY="tts", PROVIDER="elevenlabs", REQUEST_MODEL="unheard-of", ESTIMATED=True,
        usage={"characters_sent": 10},
    )  # fmt: skip
    await calls_api.post("/v1/traces", content=_spans(), headers=worker)
    await calls_api.post("/v1/traces", content=a_request(unpriced), headers=worker)
    await make_ledger().drain(limit_s=20)
    before = (await calls_api.get("/api/v1/sessions/AJ_1", headers=viewer)).json()
    await _correct(engine, next(each for each in before["items"] if each["part"] == "tts" and not each["is_unrated"]))

    shown = (await calls_api.get("/api/v1/sessions/AJ_1", headers=viewer)).json()
    stranger = await calls_api.get("/api/v1/sessions/AJ_1", headers=await make_token(Role.VIEWER, projects=["other"]))

    assert (before["total_usd"], before["unrated_requests"], before["estimated_requests"]) == ("0.09594", 1, 1)
    assert (shown["total_usd"], shown["corrected_requests"], shown["requests"]) == ("0.07094", 1, 4)
    [corrected] = [each for each in shown["items"] if each["is_corrected"]]
    assert corrected["amount_usd"] == "0.05"
    assert [(line["kind"], line["amount_usd"]) for line in corrected["lines"]] == [
        ("usage", "0.075"), ("adjustment", "-0.025"),
    ]  # fmt: skip
    assert sum(Decimal(each["amount_usd"]) for each in shown["items"]) == Decimal(shown["total_usd"])
    assert Decimal(shown["total_usd"]) == await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry")
    assert await verify_rollups(engine, since=LONG_AGO) == []
    assert stranger.status_code == 404


async def _correct(engine: AsyncEngine, item: dict[str, Any]) -> None:
    """Take two and a half cents off a synthesis, as an accepted reconciliation does."""
    pico_usd, at_us = -25_000_000_000, _ns(65) // 1_000
    correction = Correction(id=uuid.uuid4(), kind="manual", reason="agreed", actor="test")
    values = {
        "meter": "characters_sent", "quantity": "0", "billed_quantity": "0", "amount": f"{pico_usd}e-12",
        "list_amount": "0", "price_id": "", "unrated_reason": "", "day": item["ended_at"][:10],
        "request_id": item["request_id"], "project": "acme", "session_id": "AJ_1", "agent": "receptionist",
        "provider": "elevenlabs", "model": "eleven_flash_v2_5", "modality": "tts", "estimated": "f",
        "charged_us": str(at_us), "key_id": "", "response_id": "", "incarnation": "",
    }  # fmt: skip
    posting = Posting(entries=[tuple(values[name] for name in ENTRY_COLUMNS)])
    hour_us = at_us - at_us % 3_600_000_000
    posting.hours[hour_us, "acme", "receptionist", "elevenlabs", "eleven_flash_v2_5", "tts"] = HourSums(
        meters={"characters_sent": [0, 0, 0, pico_usd, 0, 0]}
    )
    posting.sessions["AJ_1", "acme"] = SessionSums("receptionist", "call-1", at_us, at_us, pico_usd=pico_usd)
    async with raw_connection(engine) as connection, connection.transaction():
        await record_correction(connection, correction)
        await book(connection, posting, kind="adjustment", correction_id=correction.id)
