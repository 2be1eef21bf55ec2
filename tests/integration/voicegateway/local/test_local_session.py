"""A call in which everything but the language model is local: real engines on tiny models, through the gateway."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, ChatMessage
from tests.fixtures.job import job
from tests.fixtures.tiny_voices import make_kokoro, make_piper
from tests.fixtures.tiny_whisper import make_whisper
from tests.integration.voicegateway.calls import REPLY, Ear, quiet_logs
from tests.integration.voicegateway.local.loudness import LoudnessVAD
from tests.integration.voicegateway.metering import metering

from voicegateway.local import loaded
from voicegateway.testing.fleet.phone import Microphone
from voicegateway_shared.telemetry import attributes as names

TURN_S_MAX = 60.0


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(make_piper(make_kokoro(tmp_path_factory.mktemp("models"))))


@pytest.mark.parametrize("voice", ["kokoro/v1.0:af_sarah", "piper/en_US-tiny-low"])
async def test_caller_is_heard_and_answered_and_may_interrupt(tmp_path: Path, models: Path, voice: str) -> None:
    microphone, ear = Microphone(), Ear()
    said: list[tuple[str, str]] = []
    async with metering(tmp_path, openai=REPLY) as meter:
        with job("AJ_7", attributes={names.PROJECT: "acme"}), quiet_logs():
            stt = meter.gateway.stt("whisper/tiny:en", model_dir=models)
            tts = meter.gateway.tts(voice, model_dir=models)
            session: AgentSession[Any] = AgentSession(
                stt=stt,
                llm=meter.llm(),
                tts=tts,
                vad=LoudnessVAD(),
                aec_warmup_duration=None,
                turn_handling={
                    "turn_detection": "vad",
                    "endpointing": {"min_delay": 0.05, "max_delay": 0.3},
                    "interruption": {"min_duration": 0.1, "mode": "vad"},
                    "preemptive_generation": {"enabled": False},
                },
            )

            def added(event: Any) -> None:
                if isinstance(event.item, ChatMessage):
                    said.append((event.item.role, event.item.text_content or ""))

            session.on("conversation_item_added", added)
            session.input.audio, session.output.audio = microphone, ear
            await session.start(Agent(instructions="Be brief."), record=False)
            await turn(session, microphone, until="speaking")
            await turn(session, microphone, until="speaking")
            await reaches(session, "listening")
            microphone.hang_up()
            await session.aclose()
        await stt.aclose()
        await tts.aclose()
        records = await meter.records()

    assert said[0] == ("user", "hello world")
    assert said[-1] == ("assistant", "It should reach you on Thursday.")
    assert ear.heard_s > 0
    heard = [record for record in records if record[names.MODALITY] == "stt"]
    spoken = [record for record in records if record[names.MODALITY] == "tts"]
    assert {record[names.PROVIDER] for record in heard} == {"whisper"}
    assert {record[names.PROVIDER] for record in spoken} == {voice.partition("/")[0]}
    assert len(heard) >= 2
    assert {(record.outcome, record.is_estimated) for record in heard} == {("ok", False)}
    assert [record.is_estimated for record in spoken] == [False] * len(spoken)
    assert spoken[-1].outcome == "ok"
    assert all(record.usage["node_busy_ms"] > 0 for record in [*heard, *spoken[-1:]])
    assert {record[names.PROJECT] for record in records} == {"acme"}
    assert all(names.SPEECH_ID in record.facts for record in spoken)


async def turn(session: AgentSession[Any], microphone: Microphone, *, until: str) -> None:
    """Say something, over the agent's voice if need be, and wait for its answer."""
    answered = asyncio.Event()

    def look(event: Any) -> None:
        if event.new_state == until and event.old_state != until:
            answered.set()

    session.on("agent_state_changed", look)
    await microphone.speak(0.5)
    async with asyncio.timeout(TURN_S_MAX):
        await answered.wait()
    session.off("agent_state_changed", look)


async def reaches(session: AgentSession[Any], state: str) -> None:
    """Wait until the agent is in a state."""
    reached = asyncio.Event()

    def look(_: Any) -> None:
        if session.agent_state == state:
            reached.set()

    session.on("agent_state_changed", look)
    look(None)
    async with asyncio.timeout(TURN_S_MAX):
        await reached.wait()
    session.off("agent_state_changed", look)
