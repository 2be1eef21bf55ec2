"""One scripted call: a real AgentSession with gateway plugins, and a caller who talks, waits and interrupts."""

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from livekit.agents import Agent, AgentSession, JobContext

from voicegateway import gateway
from voicegateway.testing.fleet.phone import Loudspeaker, Microphone
from voicegateway.testing.fleet.plan import CallPlan

logger = logging.getLogger("voicegateway.testing.fleet")

VENDOR_URLS_VARIABLE: Final = "VOICEGATEWAY_VENDOR_URLS"
"""Path of the simulators' port file; without it the plugins speak to the real vendors."""
SPEECH_S: Final = 0.7
INTERRUPT_AFTER_S: Final = 0.3
TURN_S_MAX: Final = 20.0
"""A turn that takes longer than this is given up: an outage must not hang the fleet."""
INSTRUCTIONS: Final = (
    "You are a polite and brief telephone agent. Answer in one to three short sentences. "
    "Never invent prices, dates or names. If you do not know, say so and offer a call back."
)


async def run_call(ctx: JobContext, plan: CallPlan) -> None:
    """Hold one call from greeting to goodbye; returns when the session is closed."""
    session: AgentSession[Any] = AgentSession(
        stt=gateway.stt(plan.stt, **_vendor("deepgram", plan.stt)),
        llm=gateway.llm(plan.llm, **_vendor("openai", plan.llm)),
        tts=gateway.tts(plan.tts, **_vendor(plan.tts.partition("/")[0], plan.tts)),
        vad=None,
        aec_warmup_duration=None,
        turn_handling={
            "turn_detection": "stt",
            "endpointing": {"min_delay": 0.05, "max_delay": 0.3},
            # Speculative replies would double the model's cost for nothing to look at.
            "preemptive_generation": {"enabled": False},
        },
    )
    microphone, loudspeaker = Microphone(), Loudspeaker()
    session.input.audio, session.output.audio = microphone, loudspeaker
    await session.start(Agent(instructions=INSTRUCTIONS), record=False)
    caller = Caller(session, microphone)
    try:
        await caller.converse(plan)
    finally:
        microphone.hang_up()
        await session.aclose()


class Caller:
    """Follows its plan by listening to the agent's state. Lives as long as its call."""

    def __init__(self, session: AgentSession[Any], microphone: Microphone) -> None:
        self._session = session
        self._microphone = microphone
        self._state = "initializing"
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        session.on("agent_state_changed", self._on_state)

    async def converse(self, plan: CallPlan) -> None:
        """Take the plan's turns; an interrupting caller talks over every answer but the last."""
        for turn in range(plan.turns):
            await self._microphone.speak(SPEECH_S)
            if not await self._reaches("speaking"):
                logger.warning("call %d: no answer in turn %d", plan.number, turn + 1)
                continue
            if plan.is_interrupting and turn < plan.turns - 1:
                await asyncio.sleep(INTERRUPT_AFTER_S)
                continue
            await self._reaches("listening")

    def _on_state(self, event: Any) -> None:
        task = asyncio.create_task(self._set(event.new_state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _set(self, state: str) -> None:
        async with self._changed:
            self._state = state
            self._changed.notify_all()

    async def _reaches(self, state: str) -> bool:
        try:
            async with asyncio.timeout(TURN_S_MAX), self._changed:
                await self._changed.wait_for(lambda: self._state == state)
        except TimeoutError:
            return False
        return True


def _vendor(vendor: str, model: str) -> dict[str, Any]:
    """Constructor arguments that point a plugin at the simulators; none for real vendors."""
    path = os.environ.get(VENDOR_URLS_VARIABLE)
    if not path:
        return {}
    urls = json.loads(Path(path).read_text())
    return {"base_url": urls[vendor], "api_key": f"simulated-{vendor}-key"}
