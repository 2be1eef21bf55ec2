"""Run the demo: set the stage, show it live or wait in silence, settle, and give the verdict."""

import asyncio
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

import requests
from rich.console import Console
from rich.live import Live
from sqlalchemy import text

from voicegateway_controller.client import ApiClient
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.demo import table
from voicegateway_controller.demo.chaos import Chaos
from voicegateway_controller.demo.options import DemoOptions
from voicegateway_controller.demo.stage import Stage
from voicegateway_controller.demo.verdict import LedgerRequest, Verdict, judge
from voicegateway_shared.errors import VoiceGatewayError

REFRESH_S: Final = 0.5
CALL_S_MAX: Final = 60.0
"""No scripted call takes longer; with the number of rounds it bounds a run that must end by itself."""
SETTLE_S_MAX: Final = 60.0
HEADER: Final = "VoiceGateway demo · Ctrl-C stops everything"
BUDGET: Final = {"name": "demo", "amount": "0.50", "window": "hour", "thresholds": [10, 50, 80, 100], "action": "warn"}
"""Something to see: its first threshold is reached within a minute or so. It stops nothing, also with real vendors."""


async def run_demo(options: DemoOptions, console: Console) -> tuple[Verdict | None, dict[str, Any]]:
    """Run until the calls are over (`is_once`) or until Ctrl-C; returns the verdict and what else was seen.

    Raises:
        VoiceGatewayError: it could not start, or did not come to an end in its bound.
    """
    options.check()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    async with Stage(options) as stage:
        api = ApiClient(stage.stack.url, stage.stack.connection.admin_token)
        if not options.is_once:
            await _show(api, stage, console, stopped)
            return None, {}
        kills = await _hold_calls(options, stage, stopped)
        if stopped.is_set():
            return None, {}
        await stage.fleet.stop()
        await stage.drain()
        await _settled(api)
        latency = await asyncio.to_thread(api.get, "/api/v1/latency")
        seen = {"kills": kills, "ttfb_ms": _ttfb(latency), "restarts": stage.stack.restarts}
        return await _verdict(stage), seen


async def _show(api: ApiClient, stage: Stage, console: Console, stopped: asyncio.Event) -> None:
    console.print(f"dashboard  {stage.stack.url}/#token={stage.stack.connection.admin_token}", soft_wrap=True)
    console.print(f"logs       {stage.home / 'logs'}", soft_wrap=True)
    if stage.stack.settings:
        console.print(f"try        voicegw reconcile openai --month {datetime.now(UTC):%Y-%m}", soft_wrap=True)
    await asyncio.to_thread(api.put, "/api/v1/budgets", {"budgets": [BUDGET]})
    with Live(table.waiting(HEADER, "waiting for the first call …"), console=console, refresh_per_second=4) as live:
        while not stopped.is_set():
            try:
                live.update(table.draw(await asyncio.to_thread(_facts, api), header=HEADER))
            except (VoiceGatewayError, requests.RequestException) as error:
                live.update(table.waiting(HEADER, f"the controller does not answer: {error}"))
            try:
                await asyncio.wait_for(stopped.wait(), REFRESH_S)
            except TimeoutError:
                continue
    console.print("stopping: calls that run are ended, then everything else; up to half a minute …")


def _facts(api: ApiClient) -> dict[str, Any]:
    return {
        "live": api.get("/api/v1/live"),
        "status": api.get("/api/v1/ledger/status"),
        "latency": api.get("/api/v1/latency"),
        "sessions": api.get("/api/v1/sessions", limit="100"),
        "budgets": api.get("/api/v1/budgets/status"),
        **{by: api.get("/api/v1/costs", by=by) for by in ("provider", "model", "project")},
    }


async def _hold_calls(options: DemoOptions, stage: Stage, stopped: asyncio.Event) -> Mapping[str, int]:
    """Wait until the fleet has held its calls, killing on the way if asked to; returns what was killed."""
    chaos = Chaos(stage, kills=options.kills, every_s=options.kill_every_s, seed=options.seed)
    killing = asyncio.create_task(chaos.run())
    rounds = options.calls // options.concurrency + 1
    deadline_s = time.monotonic() + CALL_S_MAX + rounds * CALL_S_MAX
    try:
        while not stopped.is_set():
            is_over = stage.fleet.exit_code() == 0
            if is_over and (chaos.is_done or not options.kills):
                break
            if time.monotonic() > deadline_s:
                raise VoiceGatewayError(f"the calls did not end in time: {stage.fleet.last_words()}")
            await asyncio.sleep(REFRESH_S / 5)
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    return dict(chaos.killed)


async def _settled(api: ApiClient) -> None:
    """Wait until nothing is left to rate."""
    deadline_s = time.monotonic() + SETTLE_S_MAX
    while time.monotonic() < deadline_s:
        try:
            if (await asyncio.to_thread(api.get, "/api/v1/ledger/status"))["pending_spans"] == 0:
                return
        except (VoiceGatewayError, requests.RequestException):
            await asyncio.sleep(REFRESH_S)
        await asyncio.sleep(REFRESH_S / 5)
    raise VoiceGatewayError(f"the ledger did not settle within {SETTLE_S_MAX:g} s")


async def _verdict(stage: Stage) -> Verdict:
    if stage.vendors is not None:
        # Its end makes it write the bill of every connection that is still open.
        await stage.vendors.stop()
    bill = await stage.vendor_bill()
    engine = make_engine(stage.stack.services.database_url, pool_size=1, application_name="voicegateway-demo")
    try:
        async with engine.connect() as connection:
            statement = text(files("voicegateway_controller.demo").joinpath("verdict.sql").read_text())
            rows = (await connection.execute(statement)).mappings().all()
    finally:
        await engine.dispose()
    ledger = [LedgerRequest(**{**row, "vendor_request_ids": tuple(row["vendor_request_ids"].split())}) for row in rows]
    return judge(bill, ledger, calls=_calls_held(stage))


def _calls_held(stage: Stage) -> int:
    if not stage.journal.exists():
        return 0
    return len({line for line in stage.journal.read_text().splitlines() if line.startswith("ended ")})


def _ttfb(latency: Mapping[str, Any]) -> dict[str, dict[str, int | None]]:
    return {
        f"{row['modality']} {row['provider']}/{row['model']}": {
            "p50": row["ttfb_p50_ms"],
            "p95": row["ttfb_p95_ms"],
        }
        for row in latency["rows"]
    }


def as_json(verdict: Verdict, seen: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict in the shape that `--json` prints: amounts as decimal strings."""
    document = asdict(verdict)
    document["per_vendor"] = {
        vendor: {**row, "truth_usd": _decimal(row["truth_usd"]), "ledger_usd": _decimal(row["ledger_usd"])}
        for vendor, row in verdict.per_vendor.items()
    }
    document["vendor_truth_usd"] = _decimal(verdict.vendor_truth_usd)
    document["ledger_usd"] = _decimal(verdict.ledger_usd)
    document["outcomes"] = dict(verdict.outcomes)
    document["missing"], document["doubled"] = len(verdict.missing), len(verdict.doubled)
    return {**document, "is_agreed": verdict.is_agreed, **seen}


def _decimal(amount: Any) -> str:
    return f"{amount.normalize():f}" if amount else "0"
