"""Limits in a worker: attempts wait for the fleet, get a 429 that LiveKit retries, and settle to the truth."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError, llm
from tests.fixtures.job import job
from tests.fixtures.limit_controller import LimitController
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, silence
from tests.integration.voicegateway.metering import Meter, broken, metering
from tests.integration.voicegateway.plugin_use import (
    SAID,
    TEXT,
    ask,
    converse,
    prerecorded,
    stream_speech,
    synthesize,
    utterance,
)

from voicegateway import Options
from voicegateway import runtime as runtime_module
from voicegateway.instrument import turn
from voicegateway.limits.book import LeaseBook, Ticket
from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.telemetry import attributes as names

CHATS = {"name": "chats", "provider": "openai", "requests_per_min": 600, "burst": 100}
TOKENS = {"name": "tokens", "provider": "openai", "tokens_per_min": 100_000}
EARS = {"name": "ears", "provider": "deepgram", "concurrent": 1}
AUDIO = {"name": "audio", "provider": "deepgram", "audio_seconds_per_hour": 7200}
VOICE = {"name": "voice", "provider": "cartesia", "characters_per_min": 50_000}
BATCH = {"name": "batch", "provider": "openai", "requests_per_min": 600}
LONG_MS = 5_000
"""Longer than anything takes here, so that only what is tested ends a wait."""


@asynccontextmanager
async def limited(
    tmp_path: Path, *declared: dict[str, Any], **options: Any
) -> AsyncIterator[tuple[Meter, LimitController]]:
    """Metering with a controller that knows limits."""
    controller = LimitController(*declared)
    async with metering(tmp_path, **options) as meter:
        meter.sink.decide_sync = controller
        yield meter, controller


def waiters(controller: LimitController, pool: str) -> int:
    """How many attempts were said to wait."""
    return controller.last_claim(pool).waiters if controller.has_heard(pool) else 0


async def test_process_that_has_just_started_asks_before_its_first_request(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS) as (meter, controller):
        plugin = meter.llm()
        said = await ask(plugin)
        await plugin.aclose()
        record = await meter.record()

    assert said
    assert controller.has_heard("chats:requests_per_min")
    assert record.attempts == 1
    assert names.ADMISSION_REFUSED not in record.facts
    assert record[names.ADMISSION_WAIT_MS] > 0


async def test_controller_that_is_slow_to_answer_refuses_nobody(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS) as (meter, controller):
        plugin = meter.llm()
        said = [await ask(plugin)]
        meter.sink.decide_sync = lambda raw: replace(controller(raw), delay_s=0.8)
        for _ in range(2):
            # What the last request held goes back.
            await eventually(lambda: controller.last_claim("chats:requests_per_min").target == len(said))
            said.append(await ask(plugin, options=NO_RETRY))
        meter.sink.decide_sync = controller
        await plugin.aclose()
        records = await meter.records()

    assert len(set(said)) == 1
    assert [names.ADMISSION_REFUSED in record.facts for record in records] == [False] * 3


async def test_request_that_no_limit_is_about_is_not_held_up(tmp_path: Path) -> None:
    async with limited(tmp_path, EARS) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        with broken(LeaseBook, "wait") as raised:
            await ask(plugin)
        await plugin.aclose()
        records = await meter.records()

    assert raised == []
    assert names.ADMISSION_WAIT_MS not in records[1].facts
    assert all(not message.claims for message in controller.messages)


async def test_without_a_controller_there_are_no_limits(tmp_path: Path) -> None:
    runtime = runtime_module.Runtime(Options(outbox_dir=tmp_path))

    assert runtime.limits is None
    runtime.close()


async def test_refused_attempt_is_a_429_that_names_the_limit(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS, admit_wait_ms=30) as (meter, controller):
        controller.budget["chats:requests_per_min"] = 0
        plugin = meter.llm()
        with pytest.raises(APIStatusError) as raised:
            await ask(plugin)
        await plugin.aclose()
        record, bills = await meter.record(), await meter.bills()

    assert (raised.value.status_code, raised.value.retryable) == (429, True)
    assert "chats:requests_per_min" in raised.value.message
    assert "try again in" in raised.value.message
    assert raised.value.body["pool"] == "chats:requests_per_min"  # type: ignore[index]
    assert bills == []
    assert (record.outcome, record.attempts, record.is_estimated) == ("error", 0, False)
    assert (record[names.ADMISSION_REFUSED], record[names.ERROR_TYPE]) == (1, "limit_used_up")
    assert record.usage == {"requests": 1}


async def test_livekit_retries_what_was_refused(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS, admit_wait_ms=20) as (meter, controller):
        controller.budget["chats:requests_per_min"] = 0
        plugin = meter.llm()
        errors: list[Any] = []

        def on_error(event: Any) -> None:
            errors.append(event)
            controller.budget["chats:requests_per_min"] = 100

        plugin.on("error", on_error)
        said = await ask(plugin, options=APIConnectOptions(max_retry=3, retry_interval=0.1))
        await plugin.aclose()
        record, bills = await meter.record(), await meter.bills()

    assert said
    assert len(bills) == 1
    assert all(event.recoverable and event.error.status_code == 429 for event in errors)
    assert record.outcome == "ok"
    assert (record.attempts, record[names.ADMISSION_REFUSED]) == (1, len(errors))
    assert record.billed("input_tokens", "output_tokens") == {
        meter: bills[0].usage[meter] for meter in ("input_tokens", "output_tokens")
    }


async def test_request_refused_to_the_end_is_livekits_own_error(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS, admit_wait_ms=0) as (meter, controller):
        controller.budget["chats:requests_per_min"] = 0
        plugin = meter.llm()
        with pytest.raises(APIConnectionError):
            await ask(plugin, options=APIConnectOptions(max_retry=1, retry_interval=0.01))
        await plugin.aclose()
        record = await meter.record()

    assert (record.attempts, record[names.ADMISSION_REFUSED]) == (0, 2)


async def test_fallback_adapter_takes_over_from_a_model_that_is_limited(tmp_path: Path) -> None:
    limit = {"name": "first", "model": "gpt-4.1", "requests_per_min": 600}
    async with limited(tmp_path, limit, admit_wait_ms=20) as (meter, controller):
        controller.budget["first:requests_per_min"] = 0
        first, second = meter.llm("openai/gpt-4.1"), meter.llm("openai/gpt-4.1-mini")
        adapter = llm.FallbackAdapter([first, second], attempt_timeout=5)
        said = await ask(adapter)
        await adapter.aclose()
        await first.aclose()
        await second.aclose()
        bills = await meter.bills()

    assert said
    assert [bill.model for bill in bills] == ["gpt-4.1-mini"]


async def test_second_stream_waits_for_the_only_slot(tmp_path: Path) -> None:
    async with limited(tmp_path, EARS, admit_wait_ms=LONG_MS) as (meter, controller):
        first, second = meter.stt(), meter.stt()
        one = first.stream(conn_options=RETRY)
        for frame in silence(ms=100):
            one.push_frame(frame)
        await eventually(lambda: one._stt is first and bool(meter.sims.deepgram.sockets))
        heard = asyncio.create_task(converse(second))
        await eventually(lambda: waiters(controller, "ears:concurrent") == 1)
        assert len(meter.sims.deepgram.sockets) == 1
        await one.aclose()

        assert await heard == SAID
        await first.aclose()
        await second.aclose()
        records = await meter.records()

    assert [record.outcome for record in records] == ["ok", "ok"]
    assert records[1][names.ADMISSION_WAIT_MS] > 0
    assert meter.runtime.hook_errors == 0


async def test_second_stream_is_refused_when_the_slot_stays_taken(tmp_path: Path) -> None:
    async with limited(tmp_path, EARS, admit_wait_ms=50) as (meter, _):
        first, second = meter.stt(), meter.stt()
        one = first.stream(conn_options=RETRY)
        await eventually(lambda: bool(meter.sims.deepgram.sockets))
        with pytest.raises(APIStatusError) as raised:
            await converse(second, options=NO_RETRY)
        await one.aclose()
        await first.aclose()
        await second.aclose()
        records = await meter.records()

    assert raised.value.status_code == 429
    assert "ears:concurrent" in raised.value.message
    assert [record.outcome for record in records] == ["ok", "error"]
    assert "audio_sent_ms" not in records[1].usage or records[1].usage["audio_sent_ms"] == 0


async def test_who_is_cancelled_while_waiting_leaves_the_line(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS, admit_wait_ms=LONG_MS) as (meter, controller):
        controller.budget["chats:requests_per_min"] = 0
        plugin = meter.llm()
        asking = asyncio.create_task(ask(plugin))
        await eventually(lambda: waiters(controller, "chats:requests_per_min") == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        controller.budget["chats:requests_per_min"] = 100
        said = await ask(plugin)
        await plugin.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert said
    assert len(bills) == 1
    assert [(record.outcome, record.attempts) for record in records] == [("cancelled", 0), ("ok", 1)]
    assert records[0].usage == {"requests": 1}
    assert meter.runtime.hook_errors == 0


async def test_tokens_settle_to_what_the_vendor_counted(tmp_path: Path) -> None:
    async with limited(tmp_path, TOKENS) as (meter, controller):
        plugin = meter.llm()
        for _ in range(3):
            await ask(plugin)
        await plugin.aclose()
        bills = await meter.bills()
        used = sum(bill.usage["input_tokens"] + bill.usage["output_tokens"] for bill in bills)
        await eventually(lambda: controller.last_claim("tokens:tokens_per_min").used == used)

    assert len(bills) == 3
    assert meter.runtime.hook_errors == 0


async def test_audio_of_a_stream_settles_to_what_was_sent(tmp_path: Path) -> None:
    async with limited(tmp_path, AUDIO) as (meter, controller):
        plugin = meter.stt()
        assert await converse(plugin) == SAID
        await plugin.aclose()
        bills = await meter.bills()
        sent_ms = sum(bill.usage["audio_sent_ms"] for bill in bills)
        await eventually(lambda: controller.last_claim("audio:audio_seconds_per_hour").used == sent_ms)


async def test_recording_counts_as_long_as_it_is(tmp_path: Path) -> None:
    async with limited(tmp_path, AUDIO) as (meter, controller), prerecorded() as url:
        plugin = meter.stt(base_url=url)
        await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()
        record = await meter.record()
        await eventually(
            lambda: controller.last_claim("audio:audio_seconds_per_hour").used == record.usage["audio_sent_ms"]
        )


async def test_recording_is_refused_and_not_billed(tmp_path: Path) -> None:
    async with limited(tmp_path, AUDIO, admit_wait_ms=10) as (meter, controller), prerecorded() as url:
        controller.budget["audio:audio_seconds_per_hour"] = 0
        plugin = meter.stt(base_url=url)
        with pytest.raises(APIStatusError):
            await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()
        record = await meter.record()

    assert (record.attempts, record[names.ADMISSION_REFUSED]) == (0, 1)
    assert "audio_sent_ms" not in record.usage


@pytest.mark.parametrize("say", [stream_speech, synthesize])
async def test_characters_settle_to_what_was_sent(tmp_path: Path, say: Any) -> None:
    async with limited(tmp_path, VOICE) as (meter, controller):
        plugin = meter.tts()
        await say(plugin)
        await plugin.aclose()
        record = await meter.record()
        sent = record.usage["characters_sent"]
        await eventually(lambda: controller.last_claim("voice:characters_per_min").used == sent)

    assert sent >= len(TEXT)


async def test_long_stream_tells_what_it_sends_while_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "TICK_S", 0.02)
    told: list[tuple[str, int]] = []
    async with limited(tmp_path, AUDIO) as (meter, _):
        plugin = meter.stt()
        async with plugin.stream(conn_options=RETRY) as stream:
            [record] = await opened(meter)
            monkeypatch.setattr(type(record.ticket._ticket), "progress", lambda _, *said: told.append(said))
            for frame in silence(ms=300):
                stream.push_frame(frame)
            await eventually(lambda: ("audio_ms", 300) in told or any(units >= 250 for _, units in told))
        await plugin.aclose()

    assert {name for name, _ in told} == {"audio_ms"}
    assert [units for _, units in told] == sorted(units for _, units in told)


async def opened(meter: Meter) -> list[Any]:
    """The records of open requests, once each was admitted."""
    await eventually(lambda: all(record.ticket for record in meter.runtime._open.values()))
    return list(meter.runtime._open.values())


async def test_call_says_for_whom_and_how_urgently_it_asks(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS) as (meter, controller):
        with job("AJ_9", attributes={names.PROJECT: "acme", names.PRIORITY: "batch"}):
            plugin = meter.llm()
            await ask(plugin)
        await plugin.aclose()
        claim = controller.last_claim("chats:requests_per_min")

    assert (claim.project, claim.priority) == ("acme", "batch")


async def test_controller_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS) as (meter, controller):
        controller.is_down = True
        plugin = meter.llm()
        said = await ask(plugin)
        await plugin.aclose()
        record = await meter.record()

    assert said
    assert record.attempts == 1


async def test_controller_that_hangs_holds_up_for_a_moment_only(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS) as (meter, controller):

        def hangs(raw: dict[str, Any]) -> Any:
            time.sleep(1.5)
            return controller(raw)

        meter.sink.decide_sync = hangs
        plugin = meter.llm()
        asking = asyncio.create_task(ask(plugin))
        gaps = await loop_gaps_until(asking)
        await plugin.aclose()
        record = await meter.record()

    assert asking.result()
    assert 400 <= record[names.ADMISSION_WAIT_MS] < 1400
    # Whatever waits, the loop does not.
    assert max(gaps) < 0.3


async def loop_gaps_until(task: "asyncio.Task[Any]") -> list[float]:
    """How long each turn of the loop took until a task was done."""
    gaps, before = [], time.monotonic()
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.monotonic()
        gaps.append(now - before)
        before = now
    return gaps


BROKEN = ["plan_for", "try_admit", "wait"]


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_leases_admit(tmp_path: Path, name: str) -> None:
    async with limited(tmp_path, CHATS) as (meter, _):
        plugin = meter.llm()
        with broken(LeaseBook, name) as raised:
            said = await ask(plugin)
        await plugin.aclose()
        [record] = await meter.records()

    assert said
    assert len(raised) >= 1
    assert record.outcome == "ok"


async def test_broken_settlement_is_not_heard(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS) as (meter, _):
        plugin = meter.llm()
        await ask(plugin)
        with broken(Ticket, "settle") as raised:
            said = await ask(plugin)
        await plugin.aclose()

    assert said
    assert len(raised) == 1
    assert meter.runtime.hook_errors == 1


async def test_vendors_limits_are_told_to_the_fleet(tmp_path: Path) -> None:
    async with limited(tmp_path) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        await ask(plugin)
        await plugin.aclose()
        sink = meter.sink
    said = [signal for sync in sink.syncs for signal in sync.message["signals"]]

    assert controller.signals()
    assert [(signal["kind"], signal["meter"], signal["limit"], signal["period_ms"]) for signal in said] == [
        ("limit", "requests", 10_000, 60_000),
        ("limit", "tokens", 2_000_000, 60_000),
    ]
    assert said[0]["target"]["model"] == "gpt-4.1-mini"


REFUSALS = [
    (FaultRule(vendor="openai", kind="rate_limited", nth=1, retry_after_s=7), "llm", "openai"),
    (FaultRule(vendor="deepgram", kind="rate_limited", nth=1, retry_after_s=7), "stt", "deepgram"),
    (
        FaultRule(vendor="cartesia", endpoint="tts_bytes", kind="rate_limited", nth=1, retry_after_s=7),
        "tts",
        "cartesia",
    ),
]


@pytest.mark.parametrize(("fault", "modality", "provider"), REFUSALS, ids=[provider for _, _, provider in REFUSALS])
async def test_vendors_429_is_told_at_once_with_its_wait(
    tmp_path: Path, fault: FaultRule, modality: str, provider: str
) -> None:
    once = APIConnectOptions(max_retry=1, retry_interval=0.01)
    async with limited(tmp_path, faults=(fault,)) as (meter, controller):
        plugin = {"llm": meter.llm, "stt": meter.stt, "tts": meter.tts}[modality]()
        use: Any = {"llm": ask, "stt": converse, "tts": synthesize}[modality]
        assert await use(plugin, options=once)
        await eventually(lambda: any(signal.kind == "refused" for signal in controller.signals()))
        await plugin.aclose()
        told = [signal for signal in controller.signals() if signal.kind == "refused"]

    assert [(signal.target.provider, signal.retry_after_ms) for signal in told] == [(provider, 7000)]
    assert meter.runtime.hook_errors == 0


async def test_our_own_429_is_not_taken_for_the_vendors(tmp_path: Path) -> None:
    async with limited(tmp_path, CHATS, admit_wait_ms=0) as (meter, controller):
        controller.budget["chats:requests_per_min"] = 0
        plugin = meter.llm()
        with pytest.raises(APIStatusError):
            await ask(plugin)
        await plugin.aclose()

    assert controller.signals() == []


async def test_outcome_that_does_not_come_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "LAST_MOMENT_S", 0.05)
    # As if it had been woken, by a thread that does not get to say so.
    monkeypatch.setattr(LeaseBook, "cancel", lambda book, waiter: None)
    async with limited(tmp_path, CHATS, admit_wait_ms=20) as (meter, controller):
        controller.budget["chats:requests_per_min"] = 0
        plugin = meter.llm()
        with pytest.raises(APIStatusError) as raised:
            await ask(plugin, options=NO_RETRY)
        await plugin.aclose()
        bills = await meter.bills()

    assert raised.value.status_code == 429
    assert bills == []
