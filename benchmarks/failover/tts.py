"""First sound of a sentence whose first voice is refused, in a real agent session."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.failover.refusals import Refusals, fresh_runtime
from livekit import rtc
from livekit.agents import Agent, AgentSession, tts
from livekit.plugins import cartesia

from voicegateway import Gateway
from voicegateway.instrument import stand_together
from voicegateway.routing.route import Member, Route
from voicegateway.runtime import current_runtime
from voicegateway.testing.fleet.phone import Loudspeaker
from voicegateway.testing.vendors import CartesiaOptions, FaultRule, VendorSimulators

SENTENCE: Final = "It is here."
QUICK: Final = CartesiaOptions(first_chunk_ms=20, chunk_every_ms=5)
DOWN: Final = (FaultRule(vendor="cartesia", endpoint="tts_socket", kind="rate_limited", every=1),)
ONCE: Final = tuple(
    # The first is the socket that is opened ahead.
    FaultRule(vendor="cartesia", endpoint="tts_socket", kind="server_error", nth=nth)
    for nth in (1, 2)
)
PATIENCE_S: Final = 12.0

Make = Callable[[VendorSimulators, VendorSimulators], Any]


class Ear(Loudspeaker):
    """Notes when the first sound comes."""

    def __init__(self) -> None:
        super().__init__()
        self.first_s = float("inf")
        self.heard = asyncio.Event()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Play a frame."""
        self.first_s = min(self.first_s, time.perf_counter())
        self.heard.set()
        await super().capture_frame(frame)


def bare(sims: VendorSimulators) -> Any:
    """Return the stock plugin."""
    return cartesia.TTS(**sims.cartesia.plugin_kwargs())


def routed(down: VendorSimulators, well: VendorSimulators) -> Any:
    """Return the front of a route through both."""
    gateway = Gateway()
    plugins = [gateway.tts("cartesia/sonic-3", **sims.cartesia.plugin_kwargs()) for sims in (down, well)]
    members = [Member(plugin=plugin, model=f"cartesia/{index}", position=index) for index, plugin in enumerate(plugins)]
    stand_together(Route(members, runtime=current_runtime))
    return members[0].plugin


CASES: Final[tuple[tuple[str, Make, tuple[FaultRule, ...]], ...]] = (
    ("stock, well: from the request", lambda down, well: bare(well), ()),
    ("429: VoiceGateway", routed, DOWN),
    ("429: LiveKit FallbackAdapter", lambda down, well: tts.FallbackAdapter([bare(down), bare(well)]), DOWN),
    (
        "429: LiveKit FallbackAdapter, max_retry_per_tts=0",
        lambda down, well: tts.FallbackAdapter([bare(down), bare(well)], max_retry_per_tts=0),
        DOWN,
    ),
    ("503, once: stock, retried", lambda down, well: bare(down), ONCE),
)


async def measure(runs: int) -> list[tuple[str, list[float]]]:
    """Return, for each case, the seconds from the vendor's refusal to the first sound; `inf` where none came."""
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            for label, make, faults in CASES:
                async with (
                    fresh_runtime(Path(folder)),
                    VendorSimulators(faults=faults, cartesia=QUICK) as down,
                    VendorSimulators(cartesia=QUICK) as well,
                ):
                    taken.setdefault(label, []).append(await _first_sound(make(down, well), down))
    return list(taken.items())


async def _first_sound(plugin: Any, down: VendorSimulators) -> float:
    session: AgentSession[Any] = AgentSession(tts=plugin, vad=None)
    ear = Ear()
    session.output.audio = ear
    logging.disable(logging.CRITICAL)
    try:
        await session.start(Agent(instructions=""), record=False)
        # What is opened ahead has come, or was refused.
        await asyncio.sleep(0.1)
        with Refusals(down.cartesia) as refusals:
            asked_s = time.perf_counter()
            speech = session.say(SENTENCE)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await ear.heard.wait()
            except TimeoutError:
                pass
            await speech
        return ear.first_s - refusals.first_s(since_s=asked_s)
    finally:
        await session.aclose()
        await plugin.aclose()
        logging.disable(logging.NOTSET)
