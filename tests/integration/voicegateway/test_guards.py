"""Guards in real agent sessions: a call that costs too much, lasts too long or goes round in circles is ended."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
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

from voicegateway.record import RequestRecord
from voicegateway.runtime import Runtime
from voicegateway_shared.budgets import BudgetSpec, Guards, LoopGuard
from voicegateway_shared.budgets.budget import BudgetAction
from voicegateway_shared.limits import Selector
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.usage import Outcome

NANO_USD_PER_CHARACTER = 100_000
NEVER_ENDS_S = 10.0
"""Generous: from the crossing to the end, which takes two seconds."""


def a_budget(action: BudgetAction = "end_session", **guards: Any) -> BudgetSpec:
    """Return a budget with these guards, about everything."""
    return BudgetSpec(
        id="acme-month",
        selector=Selector(),
        amount_nano_usd=10**12,
        window="month",
        action=action,
        sentence=GOODBYE,
        guards=Guards(**guards),
    )


@contextmanager
def pricing(runtime: Runtime) -> Iterator[list[float]]:
    """Price each finished voice by its characters, off the loop as the runtime does; yields when each was priced."""
    ended: queue.SimpleQueue[RequestRecord | None] = queue.SimpleQueue()
    settle: Callable[[RequestRecord, Outcome], None] = runtime.settle
    priced: list[float] = []

    def settled(record: RequestRecord, outcome: Outcome) -> None:
        settle(record, outcome)
        if record.modality == "tts":
            ended.put(record)

    def price() -> None:
        while (record := ended.get()) is not None:
            priced.append(time.monotonic())
            runtime.guards.priced(record, record.pushed * NANO_USD_PER_CHARACTER)

    thread = threading.Thread(target=price)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runtime, "settle", settled)
            yield priced
    finally:
        ended.put(None)
        thread.join()


async def test_call_that_costs_too_much_hears_the_sentence_and_ends(tmp_path: Path) -> None:
    most = 2 * len(REPLY.replies[0]) * NANO_USD_PER_CHARACTER
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        meter.runtime.guards.know([a_budget(max_cost_nano_usd=most)])
        with listening_to_the_voice() as voice, quiet_logs(), pricing(meter.runtime) as priced:
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                for _ in range(3):
                    held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()
        crossed_s = priced[1]

    heard_after_s, closed_after_s = held.ear.first_sound_s[-1] - crossed_s, held.closed_s - crossed_s
    print(f"sentence heard {heard_after_s:.2f} s, closed {closed_after_s:.2f} s after the crossing")  # noqa: T201 - measured
    assert closed_after_s < NEVER_ENDS_S
    assert voice.texts[-1] == GOODBYE
    assert voice.texts.count(REPLY.replies[0]) in (2, 3)
    assert held.said[-1] == GOODBYE
    assert held.errors == []
    assert held.hung_up == ["voicegateway: guard max_cost ($0.0064) of budget 'acme-month' was reached"]
    assert meter.runtime.hook_errors == 0


async def test_blocked_call_may_finish_its_speech_and_is_refused_the_next_turn(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        meter.runtime.guards.know([a_budget("block", max_cost_nano_usd=1)])
        with listening_to_the_voice() as voice, quiet_logs(), pricing(meter.runtime) as priced:
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                await held.session.generate_reply(user_input="Where is my parcel?")
                await eventually(lambda: priced != [])
                assert held.closings == []
                held.session.generate_reply(user_input="And when?")
                await held.until_closed()
        records = await meter.records()

    assert voice.texts == [REPLY.replies[0], GOODBYE]
    assert held.said == [REPLY.replies[0], GOODBYE]
    turns = [record for record in records if record[names.MODALITY] == "llm"]
    assert [record.facts.get(names.BUDGET_ID) for record in turns] == [None, "acme-month"]


async def test_call_that_lasts_too_long_ends_though_nobody_says_a_word(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        meter.runtime.guards.know([a_budget(max_duration_s=1)])
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.until_closed()

    assert voice.texts == [GOODBYE]
    assert held.hung_up == ["voicegateway: guard max_duration_s (1 s) of budget 'acme-month' was reached"]


async def test_agent_that_repeats_itself_is_ended(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        meter.runtime.guards.know([a_budget(loop=LoopGuard(repeats=3, within_s=60))])
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts(), is_heard=False) as held:
                for _ in range(2):
                    await held.session.run(user_input="Where is my parcel?")
                assert held.closings == []
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()

    assert voice.texts == []
    assert held.said[-1] == GOODBYE


async def test_sessions_of_a_closed_call_are_not_watched_any_more(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        meter.runtime.guards.know([a_budget(max_duration_s=600)])
        async with call(meter, llm=meter.llm(), is_heard=False) as held:
            await held.session.run(user_input="Hello?")
            assert JOB in meter.runtime.guards._watches
        await meter.records()

        assert JOB not in meter.runtime.guards._watches
