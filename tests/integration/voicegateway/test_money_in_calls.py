"""Budgets in real calls, from the controller's answer to what the caller hears."""

import time
from pathlib import Path

from tests.fixtures.budget_controller import BudgetController
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.calls import (
    GOODBYE,
    JOB,
    REPLY,
    VOICE,
    call,
    listening_to_the_voice,
    quiet_logs,
)
from tests.integration.voicegateway.metering import metering

from voicegateway.testing.fleet.call import SPEECH_S
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.wire.money import Directive

DOLLAR = 1_000_000_000
ACME = {"name": "acme", "project": "acme", "amount": "1.00", "window": "day", "sentence": GOODBYE}
END_S_MAX = 15.0
"""Generous: a spent budget is heard of with the next message and the call ends two seconds after that."""


async def test_call_of_a_project_without_money_hears_the_sentence_at_its_first_turn(tmp_path: Path) -> None:
    controller = BudgetController({**ACME, "modality": "llm"})
    controller.spent_by_others["acme"] = DOLLAR
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.microphone.speak(SPEECH_S)
                await held.until_closed()
        records = await meter.records()

    assert voice.texts == [GOODBYE]
    assert held.said == [GOODBYE]
    assert held.errors == []
    [turn] = [record for record in records if record[names.MODALITY] == "llm"]
    assert (turn[names.BUDGET_ID], turn[names.ERROR_TYPE], turn.attempts) == ("acme", "budget_used_up", 0)
    assert meter.runtime.hook_errors == 0


async def test_call_that_cannot_even_be_heard_says_goodbye_for_money_that_is_not_there(tmp_path: Path) -> None:
    controller = BudgetController(ACME)
    controller.spent_by_others["acme"] = DOLLAR
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.until_closed()
            await eventually(lambda: any(claim.used > 0 for claim in controller.claims))

    assert voice.texts == [GOODBYE]
    assert held.errors == []


async def test_session_that_has_spent_its_own_amount_ends_by_its_own_prices(tmp_path: Path) -> None:
    controller = BudgetController(
        {**ACME, "amount": "100.00", "action": "end_session", "guards": {"max_cost": "0.002"}}
    )
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        ends = meter.runtime.sessions.end
        ended_s: list[float] = []

        def noted(*args: object, **kwargs: object) -> bool:
            ended_s.append(time.monotonic())
            return ends(*args, **kwargs)  # type: ignore[arg-type]  # as it was called

        meter.runtime.guards._end = noted
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                # Its price is known once a reply's voice has ended, so one after the other.
                while not ended_s:
                    await held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()

    heard_after_s, closed_after_s = held.ear.first_sound_s[-1] - ended_s[0], held.closed_s - ended_s[0]
    print(f"sentence heard {heard_after_s:.2f} s, closed {closed_after_s:.2f} s after")  # noqa: T201 - measured
    assert voice.texts[-1] == GOODBYE
    assert 1 < voice.texts.count(REPLY.replies[0]) < 8
    assert closed_after_s < END_S_MAX
    assert held.hung_up == ["voicegateway: guard max_cost ($0.002) of budget 'acme' was reached"]


async def test_call_that_only_listens_costs_before_it_ends(tmp_path: Path) -> None:
    guards = {"max_cost": "0.0003"}
    controller = BudgetController({**ACME, "action": "end_session", "guards": guards})
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.until_closed()

    assert voice.texts == [GOODBYE]
    assert held.hung_up == ["voicegateway: guard max_cost ($0.0003) of budget 'acme' was reached"]
    assert meter.runtime.hook_errors == 0


async def test_budget_that_others_have_spent_ends_the_calls_it_is_about(tmp_path: Path) -> None:
    controller = BudgetController({**ACME, "action": "end_session"})
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.session.generate_reply(user_input="Where is my parcel?")
                assert held.closings == []
                spent_s = time.monotonic()
                controller.spent_by_others["acme"] = DOLLAR
                await held.until_closed()

    print(f"closed {held.closed_s - spent_s:.2f} s after the fleet had spent it")  # noqa: T201 - measured
    assert voice.texts == [REPLY.replies[0], GOODBYE]
    assert held.hung_up == ["voicegateway: budget 'acme' is spent"]


async def test_controller_s_word_ends_a_call_and_hears_that_it_has(tmp_path: Path) -> None:
    controller = BudgetController(ACME)
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await eventually(lambda: controller.messages != [])
                controller.directives = (Directive(id="d1", session_id=JOB, sentence=GOODBYE, reason="ops"),)
                await held.until_closed()
                await eventually(lambda: controller.done == ["d1"])

    assert voice.texts == [GOODBYE]
    assert list(controller.directives) == []


async def test_throttled_call_goes_on_with_the_cheapest_by_price(tmp_path: Path) -> None:
    controller = BudgetController({"project": "acme", "amount": "0.0001", "window": "day", "action": "throttle"})
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, project="acme") as meter:
        meter.sink.decide_sync = controller
        models = ["openai/gpt-4.1", "openai/gpt-4.1-mini", "openai/gpt-4.1"]
        llm = meter.gateway.llm(models, **meter.sims.openai.plugin_kwargs())
        with quiet_logs():
            async with call(meter, llm=llm, tts=meter.tts()) as held:
                await held.session.generate_reply(user_input="Where is my parcel?")
                await eventually(lambda: controller.claims != [] and controller.claims[-1].used > 100_000)
                await eventually(lambda: len(controller.messages) > 3)
                await held.session.generate_reply(user_input="And when?")
        records = await meter.records()

    turns = [record[names.REQUEST_MODEL] for record in records if record[names.MODALITY] == "llm"]
    assert turns == ["gpt-4.1", "gpt-4.1-mini"]
    assert held.said == [REPLY.replies[0]] * 2
