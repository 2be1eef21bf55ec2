"""Budgets and limits of realtime models: by the vendor's prices, before each response and when it is done."""

from dataclasses import replace
from pathlib import Path

import pytest
from livekit.agents.llm import RealtimeError
from tests.fixtures.budget_controller import BudgetController
from tests.fixtures.limit_controller import LimitController
from tests.fixtures.money_controller import a_budget
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import silence, speech
from tests.integration.voicegateway.calls import JOB
from tests.integration.voicegateway.metering import metering
from tests.integration.voicegateway.test_budgets import budgeted, reserved, spent
from tests.integration.voicegateway.test_metering_realtime import QUICK, hear, realtime, responses
from tests.integration.voicegateway.test_money_in_calls import ACME
from tests.integration.voicegateway.test_realtime_calls import UNHURRIED, calling

from voicegateway_shared.telemetry import attributes as names


async def test_what_responses_cost_is_told_as_the_ledger_will_say(tmp_path: Path) -> None:
    async with budgeted(tmp_path, openai=QUICK) as (meter, controller):
        async with realtime(meter) as session:
            for _ in range(2):
                await hear(await session.generate_reply())
            for frame in (*silence(ms=300), *speech(ms=900), *silence(ms=1_000)):
                session.push_audio(frame)
            await eventually(lambda: len(meter.sims.truth()) >= 4)
        total = await spent(meter, controller)
        # The session itself is priced last.
        await eventually(lambda: reserved(meter) == 0)
        errors = meter.runtime.hook_errors

    # Of three responses and one transcript; the session itself costs nothing.
    assert total > 3 * 4_000_000
    assert controller.used() == total
    assert errors == 0
    assert {"realtime", "stt"} <= {name.modality for name in controller.models()}


async def test_a_budget_that_has_not_enough_refuses_and_the_vendor_never_hears(tmp_path: Path) -> None:
    async with budgeted(tmp_path, a_budget(amount=1_000), openai=QUICK) as (meter, controller):
        async with realtime(meter) as session:
            with pytest.raises(RealtimeError, match="house"):
                await session.generate_reply()
        records, bills = await responses(meter)
        held = reserved(meter)

    [record] = records
    assert bills == []
    assert (record.outcome, record[names.ERROR_TYPE], record[names.BUDGET_ID]) == ("error", "budget_used_up", "house")
    assert (controller.used(), held) == (0, 0)


async def test_a_limit_of_tokens_counts_what_responses_took_and_made(tmp_path: Path) -> None:
    controller = LimitController({"name": "tokens", "provider": "openai", "tokens_per_min": 100_000})
    async with metering(tmp_path, openai=QUICK) as meter:
        meter.sink.decide_sync = controller
        async with realtime(meter) as session:
            for _ in range(2):
                await hear(await session.generate_reply())
        _, bills = await responses(meter)
        used = sum(bill.usage["input_tokens"] + bill.usage["output_tokens"] for bill in bills)
        await eventually(lambda: controller.last_claim("tokens:tokens_per_min").used == used)

    assert len(bills) == 2


async def test_a_controller_that_is_slow_to_answer_silences_no_reply(tmp_path: Path) -> None:
    controller = LimitController({"name": "tokens", "provider": "openai", "tokens_per_min": 100_000})
    async with metering(tmp_path, openai=QUICK) as meter:
        meter.sink.decide_sync = controller
        async with realtime(meter) as session:
            await hear(await session.generate_reply())
            await eventually(lambda: controller.last_claim("tokens:tokens_per_min").used > 0)
            meter.sink.decide_sync = lambda raw: replace(controller(raw), delay_s=0.8)
            claim = controller.last_claim("tokens:tokens_per_min")
            await eventually(lambda: controller.last_claim("tokens:tokens_per_min").target == claim.used)
            await hear(await session.generate_reply())
            meter.sink.decide_sync = controller
        records, bills = await responses(meter)

    assert [record.outcome for record in records] == ["ok", "ok"]
    assert len(bills) == 2


async def test_a_limit_that_is_used_up_refuses_a_response_and_ends_no_call(tmp_path: Path) -> None:
    controller = LimitController({"name": "tokens", "provider": "openai", "tokens_per_min": 100_000})
    controller.budget["tokens:tokens_per_min"] = 10
    async with metering(tmp_path, openai=QUICK) as meter:
        meter.sink.decide_sync = controller
        async with realtime(meter) as session:
            with pytest.raises(RealtimeError, match="limit"):
                await session.generate_reply()
        [record], bills = await responses(meter)

    assert bills == []
    assert (record.outcome, record[names.ERROR_TYPE], record[names.ADMISSION_REFUSED]) == ("error", "limit_used_up", 1)


async def test_call_that_costs_too_much_is_ended_by_its_guard(tmp_path: Path) -> None:
    controller = BudgetController(
        {**ACME, "amount": "100.00", "action": "end_session", "guards": {"max_cost": "0.001"}}
    )
    async with metering(tmp_path, openai=UNHURRIED, project="acme") as meter:
        meter.sink.decide_sync = controller
        model = meter.gateway.realtime("openai/gpt-realtime", **meter.sims.openai.plugin_kwargs())
        async with calling(meter, model) as held:
            await held.microphone.speak(0.8)
            await held.until_closed()
        records, bills = await responses(meter)
        errors = meter.runtime.hook_errors

    assert errors == 0
    assert held.hung_up == ["voicegateway: guard max_cost ($0.001) of budget 'acme' was reached"]
    assert {record[names.SESSION_ID] for record in records} == {JOB}
    assert len(records) == len(bills) == 2
