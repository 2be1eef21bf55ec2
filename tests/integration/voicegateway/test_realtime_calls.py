"""A real agent session whose model hears and speaks by itself: barge-in, its bill, and its end when money is spent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession
from livekit.plugins import openai
from tests.fixtures.job import job
from tests.integration.voicegateway.calls import GOODBYE, JOB, Call, Ear, listen, refusing
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.test_metering_realtime import by_id, responses

from voicegateway import attach
from voicegateway.testing.fleet.phone import Microphone
from voicegateway.testing.vendors import OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

UNHURRIED = OpenAIOptions(
    replies=("I can see it here: it leaves the warehouse today and should reach you on Thursday.",),
    ttft_ms=20,
    token_ms=150,
    transcript_ms=5,
)
"""A little faster than real time: the caller interrupts while the vendor still speaks."""


@asynccontextmanager
async def calling(meter: Meter, model: Any) -> AsyncIterator[Call]:
    """Hold a call with a realtime model alone: no transcription, no voice beside it."""
    with job(JOB) as context:
        session: AgentSession[Any] = AgentSession(llm=model, vad=None, aec_warmup_duration=None)
        attach(session)
        held = Call(session=session, microphone=Microphone(), ear=Ear(), meter=meter, job=context)
        listen(held)
        context._on_shutdown = held.hung_up.append
        session.input.audio, session.output.audio = held.microphone, held.ear
        try:
            await session.start(Agent(instructions="Be brief."), record=False)
            yield held
        finally:
            held.microphone.hang_up()
            await session.aclose()
            await model.aclose()


@pytest.mark.parametrize("is_attached", [False, True], ids=["gateway", "attach"])
async def test_call_with_barge_in_agrees_with_the_vendor(tmp_path: Path, is_attached: bool) -> None:
    async with metering(tmp_path, openai=UNHURRIED) as meter:
        given = meter.sims.openai.plugin_kwargs()
        bare = openai.realtime.RealtimeModel(model="gpt-realtime", **given) if is_attached else None
        async with calling(meter, bare or meter.gateway.realtime("openai/gpt-realtime", **given)) as held:
            await held.microphone.speak(0.8)
            await held.until("speaking")
            await asyncio.sleep(0.3)
            await held.microphone.speak(0.8)
            await held.until("listening")
            await held.until("speaking")
            await held.until("listening")
        records, bills = await responses(meter)
        everything = await meter.records()
        assert meter.runtime.hook_errors == 0

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    assert {record.outcome for record in records} == {"cancelled", "ok"}
    assert not any(record.is_estimated for record in records)
    assert {record[names.SESSION_ID] for record in everything} == {JOB}
    assert {record[names.MODALITY] for record in everything} == {"realtime", "stt"}
    assert len([record for record in everything if not record.usage["requests"]]) == 1


async def test_call_whose_budget_is_spent_hears_the_goodbye_from_its_model_and_ends(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=UNHURRIED) as meter:
        model = meter.gateway.realtime("openai/gpt-realtime", **meter.sims.openai.plugin_kwargs())
        with refusing("realtime", sentence=GOODBYE):
            async with calling(meter, model) as held:
                await held.microphone.speak(0.8)
                await held.until_closed()
        records, bills = await responses(meter)

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    assert GOODBYE in held.said
    assert len(held.hung_up) == 1
    assert sorted(record.outcome for record in records) == ["cancelled", "ok"]
