"""`voicegw logs`, `top`, `projects`, `requests` and `models` against a controller that listens."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role
from voicegateway_controller.events import Event, EventStream
from voicegateway_controller.redis_client import open_redis
from voicegateway_shared.ids import new_request_id

ENDS_S = 60.0
Start = Callable[..., Any]


@pytest.fixture
async def start(url: str, make_token: Any, tmp_path: Path) -> Start:
    """Return what starts a command as an operator."""
    token = (await make_token(Role.OPERATOR))["Authorization"].removeprefix("Bearer ")
    environment = {
        **os.environ, "VOICEGATEWAY_URL": url, "VOICEGATEWAY_TOKEN": token, "VOICEGATEWAY_HOME": str(tmp_path),
        "COLUMNS": "240",
    }  # fmt: skip

    async def started(*arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "voicegateway_controller", *arguments, env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    return started


async def _run(start: Start, *arguments: str) -> str:
    process = await start(*arguments)
    out, err = await asyncio.wait_for(process.communicate(), timeout=ENDS_S)
    assert process.returncode == 0, err.decode()
    return str(out.decode())


async def test_projects_requests_and_models_are_shown(
    start: Start, url: str, worker: dict[str, str], make_ledger: Any
) -> None:
    request_id = new_request_id()
    async with httpx.AsyncClient() as client:
        await client.post(f"{url}/v1/traces", content=a_request(a_span(request_id=request_id)), headers=worker)
    await make_ledger().drain(limit_s=10)

    made = await _run(start, "projects", "set", "acme", "--name", "Acme", "--label", "tier=gold", "--owner", "ops")
    changed = await _run(start, "projects", "set", "acme", "--owner", "sales")
    listed = json.loads(await _run(start, "projects", "list", "--json"))
    requests = await _run(start, "requests")
    one = await _run(start, "requests", request_id)
    models = await _run(start, "models", "--only", "used")
    top = await _run(start, "top", "--once")

    assert made.startswith("acme is declared")
    assert changed.startswith("acme is declared")
    [acme] = listed
    assert (acme["name"], acme["owner"], acme["labels"], acme["today_usd"]) == (
        "Acme", "sales", {"tier": "gold"}, "0.0002688",
    )  # fmt: skip
    assert request_id in requests
    assert "0.0002688" in requests
    assert "input_tokens" in one
    assert "openai/gpt-4.1-mini" in models
    assert "0 calls" in top


async def test_logs_follow_and_print_one_document_per_line(start: Start, redis_url: str) -> None:
    redis: Redis = open_redis(redis_url)
    events = EventStream(redis)
    await events.append([_event("before")])
    process = await start("logs", "-f", "--json", "--kind", "request", "--project", "acme")
    lines = []
    async with asyncio.timeout(ENDS_S):
        lines.append(json.loads(await process.stdout.readline()))
        await events.append([_event("other", project="beta"), _event("now")])
        lines.append(json.loads(await process.stdout.readline()))
    process.terminate()
    await process.wait()
    await redis.aclose()

    assert [each["data"]["request_id"] for each in lines] == ["before", "now"]
    assert set(lines[1]) == {"id", "kind", "at", "project", "data"}


def _event(name: str, *, project: str = "acme") -> Event:
    return Event(kind="request.settled", at="2026-01-01T00:00:00Z", project=project, data={"request_id": name})
