"""Ending a session from anywhere: the sentence, then the end, whatever the session is doing and whoever says so."""

import asyncio
import threading
import time
from pathlib import Path

import pytest
from livekit.agents import Agent, CloseReason
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.calls import (
    GOODBYE,
    JOB,
    REPLY,
    VOICE,
    call,
    listening_to_the_voice,
    quiet_logs,
    refusing,
)
from tests.integration.voicegateway.metering import Meter, metering

from voicegateway import attach, goodbye
from voicegateway.testing.vendors import CartesiaOptions, FaultRule
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.limits import Selector
from voicegateway_shared.wire.money import Directive

LONG = "This is a long sentence that takes the simulated voice many seconds to say, for it never comes to an end."
DEAD_S_MAX = 15.0
"""Generous: a voice that is down is given up after five seconds, and the session closes after that."""


def directive(number: int = 1, session_id: str = JOB) -> Directive:
    """Return what the controller says to end a session."""
    return Directive(id=f"d{number}", session_id=session_id, sentence=GOODBYE, reason="ended by ops@example.com")


def said_done(meter: Meter) -> list[str]:
    """Return the directives that the process has said to be obeyed, or will with its next message."""
    told = [each for sync in list(meter.sink.syncs) for each in (sync.message.get("money") or {}).get("done", ())]
    return [*told, *meter.runtime.sessions._obeyed]


async def test_directive_ends_a_silent_call_with_the_sentence(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        sessions = meter.runtime.sessions
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await eventually(lambda: sessions.is_carried(JOB))
                meter.runtime.directed([directive(), directive()])
                assert said_done(meter) == []
                meter.runtime.directed([directive()])
                await held.until_closed()
                await eventually(lambda: said_done(meter) == ["d1"])
                # That word is lost, and the controller says it again.
                sessions.done()
                meter.sink.syncs.clear()
                meter.runtime.directed([directive()])
                await eventually(lambda: "d1" in said_done(meter))

    assert voice.texts == [GOODBYE]
    assert held.said == [GOODBYE]
    assert held.errors == []
    assert [closing.reason for closing in held.closings] == [CloseReason.USER_INITIATED]
    assert held.hung_up == ["voicegateway: ended by ops@example.com"]


async def test_directive_for_a_session_of_another_process_is_neither_obeyed_nor_said_to_be(tmp_path: Path) -> None:
    async with (
        metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter,
        call(meter, llm=meter.llm(), tts=meter.tts()) as held,
    ):
        await held.session.run(user_input="Hello?")
        meter.runtime.directed([directive(session_id="AJ_of_another")])

        assert not meter.runtime.sessions.is_done
        assert held.closings == []


async def test_end_from_two_threads_at_once_is_one_end(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                await held.session.run(user_input="Hello?")
                threads = [
                    threading.Thread(target=meter.runtime.sessions.end, args=(JOB, sentence, "test"))
                    for sentence in (GOODBYE, GOODBYE)
                ]
                for thread in threads:
                    thread.start()
                await held.until_closed()
                for thread in threads:
                    thread.join()

    assert voice.texts.count(GOODBYE) == 1
    assert held.said[-1:] == [GOODBYE]
    assert len(held.closings) == len(held.hung_up) == 1


async def test_end_lets_what_is_being_said_go_on_for_a_moment_only(tmp_path: Path) -> None:
    slow = CartesiaOptions(first_chunk_ms=20, chunk_every_ms=150)
    async with metering(tmp_path, openai=REPLY, cartesia=slow) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, tts=meter.tts()) as held:
                speech = held.session.say(LONG, allow_interruptions=False)
                await held.until("speaking")
                asked_s = time.monotonic()
                assert meter.runtime.sessions.end(JOB, GOODBYE, "test")
                await held.until_closed()

    heard_after_s, closed_after_s = held.ear.first_sound_s[-1] - asked_s, held.closed_s - asked_s
    print(f"sentence heard {heard_after_s:.2f} s, closed {closed_after_s:.2f} s after")  # noqa: T201 - measured
    assert speech.interrupted
    assert voice.texts == [LONG, GOODBYE]
    assert len(held.ear.first_sound_s) == 2
    assert held.ear.first_sound_s[-1] - asked_s >= goodbye.END_WITHIN_S
    assert held.said[-1] == GOODBYE
    assert held.closed_s - asked_s < DEAD_S_MAX


async def test_end_waits_for_a_sentence_that_is_nearly_over(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, tts=meter.tts()) as held:
                speech = held.session.say("Yes, sir.")
                await held.until("speaking")
                meter.runtime.sessions.end(JOB, GOODBYE, "test")
                await held.until_closed()

    assert not speech.interrupted
    assert voice.texts == ["Yes, sir.", GOODBYE]
    assert held.said == ["Yes, sir.", GOODBYE]


async def test_end_while_the_model_thinks_does_not_wait_for_it(tmp_path: Path) -> None:
    faults = (FaultRule(vendor="openai", kind="stall", nth=1, stall_s=30.0, after_chunks=1),)
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, faults=faults) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until("thinking")
                meter.runtime.sessions.end(JOB, GOODBYE, "test")
                await held.until_closed()

    assert voice.texts[-1] == GOODBYE
    assert held.said == [GOODBYE]


@pytest.mark.parametrize("kind", ["server_error", "stall"])
async def test_call_without_a_voice_closes_all_the_same(tmp_path: Path, kind: str) -> None:
    if kind == "stall":
        faults = (FaultRule(vendor="cartesia", kind="stall", endpoint="tts_context", every=1, stall_s=60.0),)
    else:
        faults = (FaultRule(vendor="cartesia", kind="server_error", endpoint="tts_socket", every=1),)
    async with (
        metering(tmp_path, openai=REPLY, cartesia=VOICE, faults=faults) as meter,
        call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held,
    ):
        await eventually(lambda: meter.runtime.sessions.is_carried(JOB))
        asked_s = time.monotonic()
        meter.runtime.sessions.end(JOB, GOODBYE, "test")
        await held.until_closed()

    print(f"{kind}: closed {held.closed_s - asked_s:.2f} s after")  # noqa: T201 - measured
    assert held.ear.heard_s == 0.0
    assert held.closed_s - asked_s < DEAD_S_MAX
    assert len(held.hung_up) == 1
    assert meter.runtime.hook_errors == 0


async def test_call_whose_model_is_refused_and_whose_voice_is_dead_closes(tmp_path: Path) -> None:
    faults = (FaultRule(vendor="cartesia", kind="stall", endpoint="tts_context", every=1, stall_s=60.0),)
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, faults=faults) as meter:
        with refusing("llm"):
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()

    assert held.ear.heard_s == 0.0
    assert len(held.closings) == 1


async def test_tool_that_never_ends_does_not_keep_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goodbye, "CLOSED_WITHIN_S", 0.5)
    released = asyncio.Event()

    class Stuck(Agent):
        async def on_exit(self) -> None:
            await released.wait()

    async with (
        metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter,
        call(meter, llm=meter.llm(), tts=meter.tts(), agent=Stuck(instructions="")) as held,
    ):
        await held.session.run(user_input="Hello?")
        meter.runtime.sessions.end(JOB, GOODBYE, "test")
        await eventually(lambda: held.hung_up != [])
        assert held.closings == []
        released.set()

    assert held.said[-1] == GOODBYE


async def test_attached_session_is_ended_before_its_first_request(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, tts=meter.tts()) as held:
                attach(held.session)
                assert meter.runtime.sessions.end(JOB, GOODBYE, "test")
                await held.until_closed()

    assert voice.texts == [GOODBYE]


async def test_used_up_budget_ends_the_sessions_it_is_about_and_no_others(tmp_path: Path) -> None:
    deepgram = BudgetSpec(
        id="ears", selector=Selector(provider="deepgram"), amount_nano_usd=1, window="day", sentence=GOODBYE
    )
    openai = BudgetSpec(
        id="minds", selector=Selector(provider="openai"), amount_nano_usd=1, window="day", sentence=GOODBYE
    )
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                await held.session.run(user_input="Hello?")
                assert meter.runtime.sessions.end_under(deepgram, "used up") == 0
                assert meter.runtime.sessions.end_under(openai, "used up") == 1
                await held.until_closed()

    assert voice.texts[-1] == GOODBYE
