"""What the tests of the vendor simulators share: running simulators, audio to send, a look at the truth."""

import math
from array import array
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from livekit import rtc
from livekit.agents import APIConnectOptions, utils
from livekit.agents.llm import ChatContext
from tests.fixtures.waiting import eventually

from voicegateway.testing.vendors import FaultPlan, OpenAIOptions, TruthRecord, VendorSimulators

SAMPLE_RATE = 16_000
FRAME_MS = 50
TRUTH_WAIT_S = 5.0
"""A request ends milliseconds after its client left; a slow machine gets more."""

QUICK = OpenAIOptions(ttft_ms=10, token_ms=1, speech_first_chunk_ms=10)
"""No need to wait as long as for a real model."""
NO_RETRY = APIConnectOptions(max_retry=0, timeout=5.0)
RETRY = APIConnectOptions(max_retry=3, retry_interval=0.05, timeout=5.0)
IMPATIENT = APIConnectOptions(max_retry=0, timeout=0.3)


@asynccontextmanager
async def started(*, faults: FaultPlan = (), openai: OpenAIOptions = QUICK) -> AsyncIterator[VendorSimulators]:
    """Run simulators inside the HTTP session context that LiveKit's plugins need."""
    async with utils.http_context.open(), VendorSimulators(faults=faults, openai=openai) as sims:
        yield sims


def speech(*, ms: int) -> Iterator[rtc.AudioFrame]:
    """Return loud frames."""
    samples = array("h", (round(9000 * math.sin(n * 0.2)) for n in range(SAMPLE_RATE * FRAME_MS // 1000)))
    return _frames(samples.tobytes(), ms=ms)


def silence(*, ms: int) -> Iterator[rtc.AudioFrame]:
    """Return frames of zeros."""
    return _frames(bytes(SAMPLE_RATE * FRAME_MS // 1000 * 2), ms=ms)


def _frames(pcm: bytes, *, ms: int) -> Iterator[rtc.AudioFrame]:
    for _ in range(ms // FRAME_MS):
        yield rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)


def conversation(*said: str, system: str = "You are a shop's assistant.") -> ChatContext:
    """Return a chat context with what the user said, turn by turn, each answered with `Yes.`."""
    context = ChatContext.empty()
    context.add_message(role="system", content=system)
    for position, text in enumerate(said):
        if position:
            context.add_message(role="assistant", content="Yes.")
        context.add_message(role="user", content=text)
    return context


async def truth_of(sims: VendorSimulators, *, count: int = 1) -> list[TruthRecord]:
    """Return the truth once `count` requests have ended."""
    await eventually(lambda: len(sims.truth()) >= count, within_s=TRUTH_WAIT_S)
    return sims.truth()
