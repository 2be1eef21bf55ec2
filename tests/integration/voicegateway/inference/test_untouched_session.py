"""An agent session whose code nobody touched: its strings go to our server, and everything is metered all the same."""

from pathlib import Path

from livekit.agents import Agent
from tests.fixtures.job import job
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.inference.serving import by_modality, close, serving, untouched

from voicegateway.testing.fleet.call import Caller
from voicegateway.testing.fleet.phone import Loudspeaker, Microphone
from voicegateway.testing.fleet.plan import CallPlan
from voicegateway.testing.vendors import CartesiaOptions, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

REPLY = OpenAIOptions(replies=("I can see it here: it should reach you on Thursday.",), ttft_ms=20, token_ms=2)
UNHURRIED = CartesiaOptions(first_chunk_ms=20, chunk_every_ms=150)
"""A little faster than real time: the caller interrupts while the vendor still speaks."""


async def test_call_with_an_interruption_is_metered_to_the_unit(tmp_path: Path) -> None:
    mine = "/projects/acme/agents/front-desk"
    async with serving(tmp_path, openai=REPLY, cartesia=UNHURRIED, prefix=mine) as served:
        with job("AJ_7") as context:
            context.job.room.sid = "RM_7"
            session, microphone = untouched(), Microphone()
            session.input.audio, session.output.audio = microphone, Loudspeaker()
            heard: list[str] = []
            session.on("user_input_transcribed", lambda event: heard.append(event.transcript))
            await session.start(Agent(instructions="Be brief."), record=False)
            plan = CallPlan(number=0, project="", turns=2, is_interrupting=True)
            try:
                await Caller(session, microphone).converse(plan)
            finally:
                microphone.hang_up()
                await session.aclose()
                await close(session)
            said = [item.text_content for item in session.history.items if item.type == "message"]
        bills = {bill.request_id: bill for bill in await served.bills()}
        assert await served.stop() == 0
        records = served.settled()

    assert sorted(record[names.RESPONSE_ID] for record in records) == sorted(bills)
    for record in records:
        usage = bills[record[names.RESPONSE_ID]].usage
        assert record.billed(*usage) == usage, record
        assert [record[name] for name in (names.PROJECT, names.SESSION_ID, names.JOB_ID, names.AGENT_NAME)] == [
            "acme",
            "AJ_7",
            "AJ_7",
            "front-desk",
        ]
        assert record[names.ROOM_NAME] == "RM_7"
    found = by_modality(records)
    assert {modality: len(each) for modality, each in found.items()} == {"stt": 1, "llm": 2, "tts": 2}
    assert [record.outcome for record in found["tts"]] == ["cancelled", "ok"]
    assert heard
    assert said[-1] == REPLY.replies[0]


async def test_server_that_is_stopped_in_a_call_delivers_all_it_has_counted(tmp_path: Path) -> None:
    hasty = {"VOICEGATEWAY_INFERENCE_DRAIN_S": "1"}
    async with serving(tmp_path, openai=REPLY, environment=hasty) as served:
        with job("AJ_8"):
            session, microphone = untouched(), Microphone()
            session.input.audio, session.output.audio = microphone, Loudspeaker()
            await session.start(Agent(instructions="Be brief."), record=False)
            await microphone.speak(0.7)
            await eventually(lambda: session.agent_state == "speaking")
            code = await served.stop()
            microphone.hang_up()
            await session.aclose()
            await close(session)
        bills = {bill.request_id: bill for bill in await served.bills()}
        records = served.settled()

    assert code == 0
    assert {record[names.SESSION_ID] for record in records} == {"AJ_8"}
    assert sorted(record[names.RESPONSE_ID] for record in records) == sorted(bills)
    for record in records:
        usage = bills[record[names.RESPONSE_ID]].usage
        assert record.billed(*usage) == usage, record
