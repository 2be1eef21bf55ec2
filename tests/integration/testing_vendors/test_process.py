"""The simulators as a process: its port file, its control endpoint, its end, and clients that die."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx
import pytest
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import TRUTH_WAIT_S

from voicegateway.testing.vendors import TruthRecord, read_truth

# An agent that sends audio to Deepgram and text to Cartesia, says so, and waits to be killed.
CLIENT = """
import asyncio, json, sys, aiohttp
urls = json.loads(sys.argv[1])
async def main():
    async with aiohttp.ClientSession() as http:
        listen = await http.ws_connect(
            urls["deepgram"] + "?encoding=linear16&sample_rate=16000&channels=1&model=nova-3",
            headers={"Authorization": "Token k"})
        speak = await http.ws_connect(urls["cartesia"] + "/tts/websocket", headers={"X-API-Key": "k"})
        for _ in range(30):
            await listen.send_bytes(bytes(1600))
        await speak.send_json({"model_id": "sonic-3", "transcript": "x" * 1234, "context_id": "c",
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
            "continue": True})
        await speak.receive()
        print("ready", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@asynccontextmanager
async def running(directory: Path, *arguments: str) -> AsyncIterator[tuple[Process, dict[str, str]]]:
    """Run the simulators as users do; give the process and its URLs."""
    port_file = directory / "ports.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "voicegateway.testing.vendors",
        *("--truth-dir", str(directory / "truth"), "--port-file", str(port_file), *arguments),
        stderr=DEVNULL,
    )
    try:
        await eventually(lambda: port_file.exists() or process.returncode is not None)
        yield process, json.loads(port_file.read_text())
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def truth_in(directory: Path, *, count: int) -> list[TruthRecord]:
    await eventually(lambda: len(read_truth(directory / "truth")) >= count, within_s=TRUTH_WAIT_S)
    return read_truth(directory / "truth")


async def test_killed_client_leaves_an_exact_bill(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, urls):
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, json.dumps(urls), stdout=PIPE)
        assert client.stdout is not None
        await client.stdout.readline()
        client.kill()
        await client.wait()
        bills = {bill.vendor: bill for bill in await truth_in(tmp_path, count=2)}

    assert bills["deepgram"].usage == {"audio_sent_ms": 30 * 50}
    assert bills["cartesia"].usage == {"characters_sent": 1234}
    assert {bill.outcome for bill in bills.values()} == {"client_closed"}
    assert all(bill.billed for bill in bills.values())


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_process_ends_open_requests_and_itself_on_a_signal(tmp_path: Path, signal_number: signal.Signals) -> None:
    async with running(tmp_path) as (process, urls), aiohttp.ClientSession() as http:
        url = f"{urls['deepgram']}?encoding=linear16&sample_rate=16000&channels=1"
        async with http.ws_connect(url, headers={"Authorization": "Token k"}) as socket:
            await socket.send_bytes(bytes(3200))
            process.send_signal(signal_number)
            closing = await socket.receive()
        code = await process.wait()
        [bill] = read_truth(tmp_path / "truth")

    assert (code, closing.type, closing.data) == (0, aiohttp.WSMsgType.CLOSE, 1001)
    assert (bill.outcome, bill.billed) == ("vendor_closed", True)


async def test_faults_are_set_at_the_start_and_changed_at_run_time(tmp_path: Path) -> None:
    always = json.dumps([{"vendor": "openai", "kind": "rate_limited", "every": 1, "retry_after_s": 2}])
    chat = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]}
    key = {"Authorization": "Bearer k"}
    async with running(tmp_path, "--faults", always) as (_, urls), httpx.AsyncClient() as http:
        refused = await http.post(f"{urls['openai']}/chat/completions", json=chat, headers=key)
        changed = await http.post(urls["control"], content="none")
        served = await http.post(f"{urls['openai']}/chat/completions", json=chat, headers=key)
        wrong = await http.post(urls["control"], content='[{"vendor": "openai", "kind": "laughs"}]')

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    assert (changed.status_code, served.status_code, wrong.status_code) == (204, 200, 400)
    assert "laughs" in wrong.json()["error"]


async def test_unknown_faults_are_refused_with_the_reason(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "voicegateway.testing.vendors",
        *("--truth-dir", str(tmp_path), "--port-file", str(tmp_path / "p"), "--faults", "dem"),
        stderr=PIPE,
    )
    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert b"faults must be none, demo or a JSON list" in complaint
