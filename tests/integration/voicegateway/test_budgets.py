"""Budgets in a worker: attempts hold their worst case before the vendor hears of them, and settle to the truth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIStatusError
from livekit.agents.llm import ChatContext, function_tool
from tests.fixtures.job import job
from tests.fixtures.money_controller import PLENTY, MoneyController, a_budget
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, silence
from tests.integration.voicegateway.metering import Meter, Record, broken, metering
from tests.integration.voicegateway.plugin_use import (
    QUESTION,
    ask,
    converse,
    prerecorded,
    stream_speech,
    synthesize,
    utterance,
)
from tests.unit.voicegateway.records import a_record

from voicegateway import runtime as runtime_module
from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.cashier import Cashier
from voicegateway.budgets.most import prompt_bound
from voicegateway.budgets.pricing import ModelTariff
from voicegateway.guards import SessionGuards
from voicegateway.outbox import Outbox
from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.limits import Selector
from voicegateway_shared.pricing import Catalog, RatingRequest, rate
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.usage import Outcome

CATALOG = Catalog.builtin()


@asynccontextmanager
async def budgeted(
    tmp_path: Path, *budgets: Any, limits: tuple[dict[str, Any], ...] = (), **options: Any
) -> AsyncIterator[tuple[Meter, MoneyController]]:
    """Metering with a controller that knows budgets."""
    controller = MoneyController(*(budgets or (a_budget(),)), limits=limits)
    async with metering(tmp_path, **options) as meter:
        meter.sink.decide_sync = controller
        yield meter, controller


def cost(record: Record) -> int:
    """What the ledger will say of a record, in nano-dollars."""
    facts = record.facts
    outcome: Outcome = facts[names.OUTCOME]
    request = RatingRequest(
        provider=facts[names.PROVIDER],
        model=facts[names.REQUEST_MODEL],
        modality=facts[names.MODALITY],
        at=datetime.fromtimestamp(record.span.end_time_unix_nano / 1e9, UTC),
        usage=record.usage,
        context={
            "mode": facts.get(names.MODE, ""),
            "language": facts.get(names.LANGUAGE, ""),
            "voice": facts.get(names.VOICE, ""),
            "service_tier": facts.get(names.SERVICE_TIER, ""),
        },
        is_failed=outcome == "error" or (outcome == "cancelled" and not record.is_estimated),
    )
    return rate(request, CATALOG).amount_nano_usd


async def spent(meter: Meter, controller: MoneyController, budget: str = "house") -> int:
    """Wait until everything has ended, return what the ledger will say; the controller has heard the same."""
    total = sum(cost(record) for record in await meter.records())
    await eventually(lambda: controller.used(budget) >= total)
    return total


def book(meter: Meter) -> MoneyBook:
    assert meter.runtime.money is not None
    return meter.runtime.money.book


def reserved(meter: Meter) -> int:
    """What open requests hold, of all windows."""
    return sum(lease.reserved for lease in book(meter)._holdings._leases.values())


@pytest.mark.parametrize(
    ("modality", "use"), [("llm", ask), ("stt", converse), ("tts", stream_speech), ("tts", synthesize)]
)
async def test_what_a_request_cost_is_told_as_the_ledger_will_say(modality: str, use: Any, tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin = getattr(meter, modality)()
        await use(plugin)
        await plugin.aclose()
        total = await spent(meter, controller)
        held = reserved(meter)
        errors = meter.runtime.hook_errors

    assert total > 0
    assert controller.used() == total
    assert (held, errors) == (0, 0)
    assert modality in [name.modality for name in controller.models()]


async def test_a_recording_and_a_voice_by_token_are_charged_as_well(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller), prerecorded() as url:
        ears = meter.stt(base_url=url)
        await ears.recognize(list(utterance()), conn_options=NO_RETRY)
        voice = meter.tts("openai/gpt-4o-mini-tts")
        await synthesize(voice)
        await ears.aclose()
        await voice.aclose()
        total = await spent(meter, controller)

    assert controller.used() == total > 0


async def test_the_worst_case_is_held_before_the_vendor_hears_of_it(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm(max_completion_tokens=1_000_000)
        await ask(plugin)
        await eventually(lambda: controller.claims("house") != [])
        first = controller.claims("house")[0]
        await plugin.aclose()
        total = await spent(meter, controller)

    # A million tokens of an answer are $1.60. Asked for by need, or with a message that was leaving anyway.
    assert max(first.need, first.target) >= 1_600_000_000
    assert first.used == 0
    assert 0 < total < 10_000_000


async def test_tools_are_in_what_is_learned_of_a_prompt(tmp_path: Path) -> None:
    @function_tool
    async def hang_up() -> None:
        """End the call."""

    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm()
        async with plugin.chat(chat_ctx=QUESTION, tools=[hang_up], conn_options=NO_RETRY) as stream:
            _ = [chunk async for chunk in stream]
        await plugin.aclose()
        await spent(meter, controller)
        assert meter.runtime.money is not None
        [habit] = meter.runtime.money.experience._habits.values()
        record = await meter.record()

    assert list(habit.ratios) == [record.usage["input_tokens"] / prompt_bound(a_record(chat_ctx=QUESTION, tools=1))]


async def test_a_controller_that_is_slow_refuses_nobody(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin, dear = meter.llm(), meter.llm(max_completion_tokens=1_000_000)
        await ask(plugin)
        await spent(meter, controller)
        # More than twice as long as attempts like to wait.
        controller.delay_s = 0.6
        said = await ask(dear)
        controller.delay_s = 0.0
        await plugin.aclose()
        await dear.aclose()
        outcomes = [record.outcome for record in await meter.records()]

    assert said
    assert outcomes == ["ok", "ok"]


async def test_a_budget_that_has_not_enough_refuses_and_the_vendor_never_hears(tmp_path: Path) -> None:
    async with budgeted(tmp_path, a_budget(amount=1_000)) as (meter, controller):
        plugin = meter.tts()
        with pytest.raises(APIStatusError) as raised:
            await synthesize(plugin, options=NO_RETRY)
        await plugin.aclose()
        record, bills = await meter.record(), await meter.bills()
        held = reserved(meter)

    assert (raised.value.status_code, raised.value.retryable) == (402, False)
    assert bills == []
    assert (record.outcome, record.attempts) == ("error", 0)
    assert (record[names.ERROR_TYPE], record[names.BUDGET_ID]) == ("budget_used_up", "house")
    assert (controller.used(), held) == (0, 0)


async def test_other_projects_go_on(tmp_path: Path) -> None:
    globex = a_budget("globex", amount=1_000, selector=Selector(project="globex"))
    async with budgeted(tmp_path, globex, project="acme") as (meter, controller):
        plugin = meter.llm()
        assert await ask(plugin)
        await plugin.aclose()
        await meter.record()

    assert controller.claims("globex") == []


async def test_many_at_once_never_spend_more_than_there_is(tmp_path: Path) -> None:
    # A request holds about $0.0017 and costs a few hundred-thousandths: the money is used up by what is held.
    async with budgeted(tmp_path, a_budget(amount=5_000_000)) as (meter, controller):
        plugin = meter.llm()
        said = await asyncio.gather(*(ask(plugin) for _ in range(30)))
        await plugin.aclose()
        total = await spent(meter, controller)
        held = reserved(meter)
        bills = await meter.bills()

    assert len(said) == 30
    assert total <= 5_000_000
    assert controller.used() == total
    assert all(claim.granted <= 5_000_000 for claim in controller.claims("house"))
    assert 0 < len(bills) <= 30
    assert held == 0


async def test_a_budget_per_session_is_each_sessions_own(tmp_path: Path) -> None:
    call = a_budget("call", amount=1_000, window="session", window_id="")
    async with budgeted(tmp_path, call) as (meter, controller):
        plugin = meter.tts()
        with pytest.raises(APIStatusError) as raised:
            await synthesize(plugin, "x" * 50, options=NO_RETRY)
        await plugin.aclose()
        await meter.records()

    assert raised.value.body["reason"] == "session"  # type: ignore[index]
    assert controller.claims("call") == []


async def test_a_session_may_spend_what_its_last_request_held_while_the_controller_is_slow(tmp_path: Path) -> None:
    # Of one request that may cost 16 million there is enough, of two at once there is not.
    call = a_budget("call", amount=20_000_000, window="session", window_id="")
    async with budgeted(tmp_path, call, a_budget()) as (meter, controller):
        plugin = meter.llm(max_completion_tokens=10_000)
        await ask(plugin, options=NO_RETRY)
        assert meter.runtime.limits is not None
        controller.delay_s = 1.5
        meter.runtime.limits.syncer.ask()
        said = [await ask(plugin, options=NO_RETRY) for _ in range(3)]
        controller.delay_s = 0.0
        await plugin.aclose()
        bills = await meter.bills()

    assert len(set(said)) == 1
    assert len(bills) == 4


async def test_money_is_given_back_when_a_limit_refuses(tmp_path: Path) -> None:
    limit = {"name": "chats", "provider": "openai", "requests_per_min": 600, "burst": 100}
    async with budgeted(tmp_path, limits=(limit,), admit_wait_ms=20) as (meter, controller):
        plugin = meter.llm()
        with pytest.raises(APIStatusError) as raised:
            await ask(plugin)
        held = reserved(meter)
        await plugin.aclose()
        await meter.records()

    assert raised.value.status_code == 429
    assert held == 0
    assert controller.used() == 0


async def test_who_is_cancelled_while_waiting_for_money_leaves_no_trace(tmp_path: Path) -> None:
    async with budgeted(tmp_path, admit_wait_ms=10_000) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        meter.sink.decide_sync = None
        waiting = asyncio.create_task(ask(meter.llm(max_completion_tokens=100_000_000)))
        await eventually(lambda: book(meter)._line.length == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await eventually(lambda: book(meter)._line.length == 0)
        meter.sink.decide_sync = controller
        await plugin.aclose()
        await meter.records()
        await eventually(lambda: reserved(meter) == 0)
        errors = meter.runtime.hook_errors

    assert errors == 0


async def test_a_retry_holds_what_the_failed_attempt_may_cost_as_well(tmp_path: Path) -> None:
    faults = (FaultRule(vendor="openai", kind="vendor_error", nth=1),)
    async with budgeted(tmp_path, faults=faults) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin, options=RETRY)
        await plugin.aclose()
        record = await meter.record()
        await eventually(lambda: controller.used() >= cost(record))
        held = reserved(meter)

    assert record.attempts == 2
    assert controller.used() == cost(record)
    assert held == 0


async def test_a_long_stream_of_audio_holds_its_next_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "TICK_S", 0.02)
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.stt()
        async with plugin.stream() as stream:
            await eventually(lambda: reserved(meter) > 0)
            first = reserved(meter)
            for frame in silence(ms=4_000):
                stream.push_frame(frame)
            await eventually(lambda: reserved(meter) > first)
        await plugin.aclose()
        total = await spent(meter, controller)
        held = reserved(meter)

    assert controller.used() == total
    assert held == 0


async def test_listening_ends_when_there_is_no_money_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "TICK_S", 0.02)
    # Ten seconds of nova-3 are about $0.0008; forty are not to be had.
    async with budgeted(tmp_path, a_budget(amount=2_500_000)) as (meter, _):
        plugin = meter.stt()
        async with plugin.stream() as stream:
            for _ in range(10):
                for frame in silence(ms=4_000):
                    stream.push_frame(frame)
            async for _ in stream:
                pass
        await plugin.aclose()
        record = await meter.record()
        # What it held is given back once it has been priced.
        await eventually(lambda: reserved(meter) == 0)

    assert record.usage["audio_sent_ms"] > 0


async def test_a_controller_that_is_away_from_the_start_holds_nobody_up(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        controller.is_down = True
        plugin = meter.llm()
        assert await ask(plugin)
        await plugin.aclose()
        controller.is_down = False
        total = await spent(meter, controller)

    assert controller.used() == total > 0, "what was not counted is counted later"


async def test_a_model_whose_prices_do_not_come_is_not_refused(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        controller.is_silent_on_prices = True
        plugin = meter.llm()
        assert await ask(plugin)
        again = await ask(plugin)
        await plugin.aclose()
        await meter.records()

    assert again
    assert controller.used() == 0


async def test_a_controller_without_memory_for_money_is_as_one_that_is_away(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        controller.is_mute = True
        await eventually(lambda: book(meter)._absence.since_ns > 0, within_s=10)
        controller.is_mute = False
        await eventually(lambda: book(meter)._absence.since_ns == 0, within_s=10)
        await plugin.aclose()
        total = await spent(meter, controller)

    assert controller.used() == total


async def test_nothing_is_lost_when_the_process_leaves(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        stream = plugin.chat(chat_ctx=ChatContext.empty())
        await eventually(lambda: len(meter.runtime._open) == 1)
        runtime_module.reset_runtime()
        last = controller.messages[-1]
        await stream.aclose()
        await plugin.aclose()
        records = [Record.of(meter.sink.span(request_id)) for request_id in meter.sink.received]
        total = sum(cost(record) for record in records)

    assert last.is_leaving
    assert last.money is not None
    [claim] = last.money.claims
    assert len(records) == 2
    assert (claim.used, claim.granted) == (total, total)


async def test_a_broken_outbox_does_not_keep_what_requests_held(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        with broken(Outbox, "settle"):
            await ask(plugin)
        await plugin.aclose()
        await eventually(lambda: reserved(meter) == 0)
        await meter.records()

    assert controller.used() > 0


@pytest.mark.parametrize("what", ["try_reserve", "known"])
async def test_a_broken_book_refuses_nobody(what: str, tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, _):
        plugin = meter.llm()
        with broken(MoneyBook, what) as raised:
            assert await ask(plugin)
        await plugin.aclose()
        await meter.records()

    assert raised


async def test_prices_that_cannot_be_worked_out_free_what_was_held(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm()
        with broken(ModelTariff, "cost") as raised:
            assert await ask(plugin)
            await eventually(lambda: bool(raised))
            await eventually(lambda: reserved(meter) == 0)
        await plugin.aclose()
        await meter.records()
        await eventually(lambda: controller.used() > 0)

    assert raised, "it counts as what was held"


async def test_guards_hear_what_requests_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(SessionGuards, "priced", lambda guards, record, cost_nano_usd: told.append(cost_nano_usd))
    async with budgeted(tmp_path) as (meter, controller):
        plugin = meter.llm()
        await ask(plugin)
        await plugin.aclose()
        total = await spent(meter, controller)

    assert told == [total]


async def test_a_job_pays_from_its_own_session(tmp_path: Path) -> None:
    call = a_budget("call", amount=PLENTY, window="session", window_id="")
    async with budgeted(tmp_path, call) as (meter, _):
        plugin = meter.llm()
        with job("AJ_7"):
            await ask(plugin)
        await plugin.aclose()
        record = await meter.record()
        purses = book(meter)._holdings._sessions
        await eventually(lambda: purses["call", "AJ_7"].lease.used == cost(record))

    assert list(purses) == [("call", "AJ_7")]


async def test_errors_of_ours_are_counted_and_go_no_further(tmp_path: Path) -> None:
    async with budgeted(tmp_path) as (meter, _):
        plugin = meter.llm()
        with broken(Cashier, "look") as raised:
            assert await ask(plugin)
        assert await ask(plugin)
        await plugin.aclose()
        await meter.records()
        errors = meter.runtime.hook_errors

    assert len(raised) == errors > 0
