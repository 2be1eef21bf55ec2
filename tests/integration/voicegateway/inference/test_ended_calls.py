"""Calls of untouched agents that must end: for want of money, or because somebody says so. They say goodbye first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, CloseReason
from tests.fixtures.job import job
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.calls import CLOSED_S_MAX, GOODBYE, VOICE, Ear, listening_to_the_voice, refusing
from tests.integration.voicegateway.inference.serving import close, serving_here, untouched

from voicegateway.testing.fleet.phone import Microphone
from voicegateway.testing.vendors import OpenAIOptions

REPLY = OpenAIOptions(replies=("It should reach you on Thursday.",), ttft_ms=20, token_ms=2)


@dataclass(slots=True, kw_only=True)
class Held:
    """A call of an untouched agent."""

    session: AgentSession[Any]
    microphone: Microphone
    ear: Ear = field(default_factory=Ear)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    reasons: list[CloseReason] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        items = [item for item in self.session.history.items if item.type == "message" and item.role == "assistant"]
        return [item.text_content or "" for item in items]


@asynccontextmanager
async def held() -> AsyncIterator[Held]:
    """Hold a call from inside a job."""
    with job("AJ_7"):
        call = Held(session=untouched(), microphone=Microphone())

        def closed(event: Any) -> None:
            call.reasons.append(event.reason)
            call.closed.set()

        call.session.on("close", closed)
        call.session.input.audio, call.session.output.audio = call.microphone, call.ear
        await call.session.start(Agent(instructions="Be brief."), record=False)
        try:
            yield call
        finally:
            call.microphone.hang_up()
            await call.session.aclose()
            await close(call.session)


async def until_closed(call: Held) -> None:
    async with asyncio.timeout(CLOSED_S_MAX):
        await call.closed.wait()


async def test_refused_reply_is_a_goodbye_that_is_heard_and_the_call_ends(tmp_path: Path) -> None:
    with listening_to_the_voice() as voice, refusing("llm", "tts"):
        async with serving_here(tmp_path, openai=REPLY, cartesia=VOICE), held() as call:
            await call.microphone.speak(0.7)
            await until_closed(call)

    assert call.said[-1] == GOODBYE
    assert voice.texts == [GOODBYE]
    assert call.ear.heard_s > 0.5
    assert call.reasons == [CloseReason.ERROR]


async def test_call_that_somebody_ends_says_so_without_being_asked(tmp_path: Path) -> None:
    with listening_to_the_voice() as voice:
        async with serving_here(tmp_path, openai=REPLY, cartesia=VOICE) as here, held() as call:
            await call.microphone.speak(0.7)
            await eventually(lambda: bool(call.said))
            assert here.meter.runtime.sessions.end("AJ_7", GOODBYE, "somebody said so")
            await until_closed(call)

    assert voice.texts[-1] == GOODBYE
    assert call.said[-1] == GOODBYE
    assert call.reasons == [CloseReason.ERROR]
