"""What a caller hears when a budget refuses: a sentence and the end of the call, in real agent sessions."""

from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, APIConnectOptions, APIStatusError, CloseReason
from livekit.agents.llm import ChatContext, FallbackAdapter
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
from tests.integration.voicegateway.metering import Record, metering
from tests.integration.voicegateway.plugin_use import utterance

from voicegateway.testing.fleet.call import SPEECH_S
from voicegateway_shared.telemetry import attributes as names

SPOKEN_S = 0.8
"""What the goodbye takes at least in the simulated voice."""


def refused(record: Record) -> tuple[object, ...]:
    """Return what an honest record says of a refused request."""
    facts = record.facts
    return record.outcome, record.attempts, facts[names.ERROR_TYPE], facts[names.BUDGET_ID], record.is_estimated


HONEST = ("error", 0, "budget_used_up", "acme-month", False)


async def test_refused_turn_is_a_sentence_and_the_end_of_the_call(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm", "tts"), listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.microphone.speak(SPEECH_S)
                await held.until_closed()
        records = await meter.records()

    assert voice.texts == [GOODBYE]
    assert held.said == [GOODBYE]
    assert held.ear.heard_s == pytest.approx(SPOKEN_S, abs=0.3)
    assert [closing.reason for closing in held.closings] == [CloseReason.USER_INITIATED]
    assert held.errors == []
    assert held.hung_up == ["voicegateway: budget 'acme-month' refused a request (llm, exhausted)"]
    [turn] = [record for record in records if record[names.MODALITY] == "llm"]
    assert refused(turn) == HONEST
    assert turn.usage == {"requests": 1}
    assert meter.runtime.hook_errors == 0


async def test_money_that_is_elsewhere_for_a_moment_ends_no_call(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm", "tts", reason="scarce", at_most=2) as turned_away, listening_to_the_voice() as voice:
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.microphone.speak(SPEECH_S)
                await held.until("speaking")
                await eventually(lambda: len(held.said) > 0)
        records = await meter.records()

    assert len(turned_away) == 2
    assert GOODBYE not in voice.texts
    assert GOODBYE not in held.said
    [turn] = [record for record in records if record[names.MODALITY] == "llm"]
    assert (turn.outcome, turn.attempts, turn.facts[names.ADMISSION_REFUSED]) == ("ok", 1, 2)


async def test_money_that_stays_elsewhere_is_a_sentence_after_the_last_retry(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm", reason="scarce") as turned_away, listening_to_the_voice() as voice:
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()

    assert len(turned_away) == APIConnectOptions().max_retry + 1
    assert voice.texts == [GOODBYE]
    assert [closing.reason for closing in held.closings] == [CloseReason.USER_INITIATED]


async def test_refused_reply_that_was_begun_ahead_of_the_turn_s_end_is_the_same(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm", "tts") as turned_away, listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts(), is_preemptive=True) as held:
                await held.microphone.speak(SPEECH_S)
                await held.until_closed()

    assert [record.modality for record in turned_away].count("llm") == 1
    assert voice.texts[-1] == GOODBYE
    assert held.said == [GOODBYE]
    assert held.ear.heard_s == pytest.approx(SPOKEN_S, abs=0.3)
    assert held.errors == []


async def test_turn_that_comes_while_the_goodbye_is_said_is_silent(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm"), listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until("speaking")
                held.session.generate_reply(user_input="Hello?")
                await held.until_closed()
        records = await meter.records()

    assert voice.texts == [GOODBYE]
    assert held.said == [GOODBYE]
    assert held.errors == []
    turns = [record for record in records if record[names.MODALITY] == "llm"]
    assert [record[names.ERROR_TYPE] for record in turns] == ["budget_used_up", "session_ended"]
    assert [record.usage for record in turns] == [{"requests": 1}] * 2


async def test_goodbye_cannot_be_talked_over(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm"), listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until("speaking")
                await held.microphone.speak(SPEECH_S)
                await held.until_closed()

    assert voice.texts == [GOODBYE]
    assert held.ear.heard_s == pytest.approx(SPOKEN_S, abs=0.3)
    assert held.said == [GOODBYE]


async def test_text_session_reads_the_sentence_and_closes(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        with refusing("llm"), quiet_logs():
            async with call(meter, llm=meter.llm(), is_heard=False) as held:
                result: Any = held.session.run(user_input="Where is my parcel?")
                await held.until_closed()
                await result

    assert held.said == [GOODBYE]
    assert held.errors == []


async def test_model_outside_of_a_session_says_the_sentence(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.llm()
        with refusing("llm"), quiet_logs():
            answer = await llm.chat(chat_ctx=ChatContext.empty()).collect()
        await llm.aclose()
        record = await meter.record()

    assert answer.text == GOODBYE
    assert refused(record) == HONEST


async def test_ear_and_voice_outside_of_a_session_raise_and_are_not_tried_again(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        stt, tts = meter.stt(), meter.tts()
        with refusing("stt", "tts"):
            for stream in (stt.stream(), tts.synthesize("Hello.")):
                with pytest.raises(APIStatusError) as caught:
                    async for _ in stream:
                        pass
                assert (caught.value.status_code, caught.value.retryable) == (402, False)
                assert caught.value.body == {
                    "budget": "acme-month",
                    "reason": "exhausted",
                    "retry_after_ms": 60_000,
                }
                await stream.aclose()
            with pytest.raises(APIStatusError):
                await stt.recognize(list(utterance()))
        await stt.aclose()
        await tts.aclose()
        records = await meter.records()

    assert [refused(record) for record in records] == [HONEST] * 3


async def test_call_that_may_not_be_heard_says_so_and_ends(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("stt", "tts") as turned_away, listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, stt=meter.stt(), llm=meter.llm(), tts=meter.tts()) as held:
                await held.until_closed()
        records = await meter.records()

    assert voice.texts == [GOODBYE]
    assert held.said == [GOODBYE]
    assert held.errors == []
    assert [closing.reason for closing in held.closings] == [CloseReason.USER_INITIATED]
    assert [record.modality for record in turned_away].count("stt") == 1
    [ear] = [record for record in records if record[names.MODALITY] == "stt"]
    assert refused(ear) == HONEST


async def test_sentence_of_the_user_s_own_is_not_said_for_money_that_is_not_there(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("tts"), listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts()) as held:
                await held.session.say("Our offices are open from nine to five.")
                await held.until_closed()
        records = await meter.records()

    assert voice.texts == [GOODBYE]
    assert held.errors == []
    assert [record.outcome for record in records] == ["error", "ok"]
    assert refused(records[0]) == HONEST


async def test_voice_that_is_no_stream_is_refused_as_quietly(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        with refusing("tts") as turned_away, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts("openai/gpt-4o-mini-tts")) as held:
                await held.session.say("Our offices are open from nine to five.")
                await held.until_closed()
        records = await meter.records()

    assert held.errors == []
    assert held.said[-1] == GOODBYE
    assert held.ear.heard_s == pytest.approx(SPOKEN_S, abs=0.3)
    assert [record.outcome for record in records] == ["error", "ok"]
    assert refused(records[0]) == HONEST
    assert records[0].billed("characters_sent", "input_tokens", "output_tokens") == dict.fromkeys(
        ("characters_sent", "input_tokens", "output_tokens"), 0
    )
    assert len(turned_away) == 2


async def test_next_model_of_an_adapter_is_asked_before_anybody_says_goodbye(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        first, second, tts = meter.llm("openai/gpt-4.1"), meter.llm("openai/gpt-4.1-mini"), meter.tts()
        with refusing("llm") as turned_away:
            async with call(meter, llm=FallbackAdapter([first, second]), tts=tts) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()
        await first.aclose()
        await second.aclose()

    assert held.said == [GOODBYE]
    assert {record.model for record in turned_away} == {"gpt-4.1", "gpt-4.1-mini"}
    assert [closing.reason for closing in held.closings] == [CloseReason.USER_INITIATED]


async def test_what_an_agent_says_on_its_way_out_does_not_hold_up_the_end(tmp_path: Path) -> None:
    class Polite(Agent):
        async def on_exit(self) -> None:
            self.session.say("It was a pleasure.")

    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with refusing("llm", "tts"), listening_to_the_voice() as voice, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=meter.tts(), agent=Polite(instructions="")) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()

    assert voice.texts == [GOODBYE]
    assert held.job.job.id == JOB


@pytest.mark.parametrize("refused_modality", ["stt", "llm"])
async def test_session_outside_of_a_job_ends_alone(tmp_path: Path, refused_modality: str) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        with listening_to_the_voice() as voice, quiet_logs():
            with refusing(refused_modality):
                plugins = {"stt": meter.stt(), "llm": meter.llm(), "tts": meter.tts()}
                async with call(meter, **plugins, is_in_job=False) as first:
                    await first.microphone.speak(SPEECH_S)
                    await first.until_closed()
            async with call(meter, llm=meter.llm(), is_heard=False, is_in_job=False) as second:
                await second.session.run(user_input="Where is my parcel?")
                assert second.closings == []

    assert voice.texts == [GOODBYE]
    assert first.said == [GOODBYE]
    assert second.said == [REPLY.replies[0]]
