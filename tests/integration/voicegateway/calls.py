"""A call to listen to: a real agent session between a microphone and a loudspeaker, and everything it told."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, CloseEvent
from tests.fixtures.job import job
from tests.integration.voicegateway.metering import Meter

from voicegateway.budgets.refusal import BudgetRefused, MoneyReason, MoneyRefusal
from voicegateway.instrument import admission
from voicegateway.record import RequestRecord
from voicegateway.runtime import Runtime
from voicegateway.testing.fleet.phone import Loudspeaker, Microphone
from voicegateway.testing.vendors import CartesiaOptions, OpenAIOptions
from voicegateway.testing.vendors.cartesia_connection import CartesiaContext
from voicegateway.testing.vendors.cartesia_wire import SynthesisRequest

GOODBYE = "Goodbye now."
"""Short: 0.86 s of the simulated voice."""
REPLY = OpenAIOptions(replies=("It should reach you on Thursday.",), ttft_ms=20, token_ms=2)
VOICE = CartesiaOptions(first_chunk_ms=20, chunk_every_ms=20)
CLOSED_S_MAX = 20.0
"""Generous: what is measured is printed."""
JOB = "AJ_7"


class Ear(Loudspeaker):
    """A loudspeaker that somebody listens to."""

    def __init__(self) -> None:
        super().__init__()
        self.heard_s = 0.0
        self.first_sound_s: list[float] = []
        """When each segment began, monotonic."""
        self._is_segment_new = True

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Play a frame."""
        if self._is_segment_new:
            self.first_sound_s.append(time.monotonic())
        self._is_segment_new = False
        self.heard_s += frame.duration
        await super().capture_frame(frame)

    def flush(self) -> None:
        """End the segment."""
        self._is_segment_new = True
        super().flush()


@dataclass(slots=True, kw_only=True)
class Call:
    """One call and what its session has told."""

    session: AgentSession[Any]
    microphone: Microphone
    ear: Ear
    meter: Meter
    job: Any
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_s: float = 0.0
    closings: list[CloseEvent] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What the agent has said, as the conversation remembers it."""
    states: list[str] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    """Why the job was shut down, each time."""

    async def until_closed(self) -> None:
        """Wait until the session has closed."""
        async with asyncio.timeout(CLOSED_S_MAX):
            await self.closed.wait()

    async def until(self, state: str) -> None:
        """Wait until the agent is in a state."""
        reached = asyncio.Event()

        def look(_: Any) -> None:
            if self.session.agent_state == state:
                reached.set()

        self.session.on("agent_state_changed", look)
        look(None)
        async with asyncio.timeout(CLOSED_S_MAX):
            await reached.wait()
        self.session.off("agent_state_changed", look)


@asynccontextmanager
async def call(
    meter: Meter,
    *,
    stt: Any = None,
    llm: Any = None,
    tts: Any = None,
    agent: Agent | None = None,
    is_heard: bool = True,
    is_preemptive: bool = False,
    is_in_job: bool = True,
) -> AsyncIterator[Call]:
    """Hold a call in a job of its own; whatever is left of it is closed in the end."""
    with job(JOB) if is_in_job else nullcontext() as context:
        session: AgentSession[Any] = AgentSession(
            stt=stt,
            llm=llm,
            tts=tts,
            vad=None,
            aec_warmup_duration=None,
            turn_handling={
                "turn_detection": "stt",
                "endpointing": {"min_delay": 0.05, "max_delay": 0.3},
                "preemptive_generation": {"enabled": is_preemptive},
            },
        )
        held = Call(session=session, microphone=Microphone(), ear=Ear(), meter=meter, job=context)
        listen(held)
        if context is not None:
            context._on_shutdown = held.hung_up.append
        if stt is not None:
            session.input.audio = held.microphone
        if is_heard:
            session.output.audio = held.ear
        try:
            await session.start(agent or Agent(instructions="Be brief."), record=False)
            yield held
        finally:
            held.microphone.hang_up()
            await session.aclose()
            for plugin in (stt, llm, tts):
                if plugin is not None:
                    await plugin.aclose()


def listen(held: Call) -> None:
    """Note what the session of a call tells."""

    def closed(event: CloseEvent) -> None:
        held.closed_s = time.monotonic()
        held.closings.append(event)
        held.closed.set()

    def added(event: Any) -> None:
        if getattr(event.item, "role", "") == "assistant":
            held.said.append(event.item.text_content)

    held.session.on("close", closed)
    held.session.on("error", held.errors.append)
    held.session.on("conversation_item_added", added)
    held.session.on("agent_state_changed", lambda event: held.states.append(event.new_state))


@dataclass(slots=True)
class Voice:
    """What the simulated Cartesia is given to say."""

    _by_context: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """One text for each request, in order, without the blanks at their ends."""
        return [text.strip() for text in self._by_context.values()]


@contextmanager
def listening_to_the_voice() -> Iterator[Voice]:
    """Note what the simulated Cartesia is given to say."""
    add = CartesiaContext.add
    voice = Voice()

    async def noted(self: CartesiaContext, asked: SynthesisRequest) -> None:
        voice._by_context[asked.context_id] = voice._by_context.get(asked.context_id, "") + asked.transcript
        await add(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CartesiaContext, "add", noted)
        yield voice


@contextmanager
def refusing(
    *modalities: str, sentence: str = GOODBYE, reason: MoneyReason = "exhausted", at_most: int = 1_000
) -> Iterator[list[RequestRecord]]:
    """Refuse attempts of these modalities, as a budget does that has nothing left; yields whom it refused."""
    asks = admission.ask
    refused: list[RequestRecord] = []

    def ask(record: RequestRecord, runtime: Runtime) -> Any:
        if record.modality not in modalities or len(refused) >= at_most:
            return asks(record, runtime)
        refused.append(record)
        raise BudgetRefused(refusal(sentence=sentence, reason=reason))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "ask", ask)
        yield refused


def refusal(*, sentence: str = GOODBYE, reason: MoneyReason = "exhausted") -> MoneyRefusal:
    """What a budget says that is used up."""
    return MoneyRefusal(
        budget_id="acme-month",
        pool="acme-month@month:2026-11",
        action="block",
        sentence=sentence,
        reason=reason,
        retry_after_ms=60_000,
    )


@contextmanager
def quiet_logs(*, but: tuple[str, ...] = ()) -> Iterator[None]:
    """Fail when anybody logs an error, save those that are expected."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name}: {record.getMessage()}")

    listener = Listener(level=logging.ERROR)
    loggers = [logging.getLogger(name) for name in ("livekit.agents", "voicegateway", "asyncio")]
    for logger in loggers:
        logger.addHandler(listener)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(listener)
    assert [line for line in lines if not any(word in line for word in but)] == []
