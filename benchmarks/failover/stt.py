"""First final transcript while the primary refuses every handshake, in a real agent session; and while it is well."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from livekit.agents import Agent, AgentSession, stt
from livekit.plugins import deepgram

from voicegateway import Gateway, Options
from voicegateway.instrument import stand_together
from voicegateway.routing.route import Member, Route
from voicegateway.runtime import current_runtime, reset_runtime
from voicegateway.testing.fleet.phone import Microphone
from voicegateway.testing.vendors import FaultRule, VendorSimulators

SPEECH_S: Final = 0.7
PATIENCE_S: Final = 12.0
"""Who has not understood the caller by then is said not to have."""
DOWN: Final = (FaultRule(vendor="deepgram", endpoint="listen", kind="server_error", every=1),)

Make = Callable[[VendorSimulators, VendorSimulators], Any]


def bare(*sims: VendorSimulators) -> list[Any]:
    """Return a stock plugin for each."""
    return [deepgram.STT(**each.deepgram.plugin_kwargs()) for each in sims]


def routed(*sims: VendorSimulators) -> Any:
    """Return the front of a route through them."""
    gateway = Gateway()
    plugins = [gateway.stt("deepgram/nova-3", **each.deepgram.plugin_kwargs()) for each in sims]
    members = [Member(plugin=plugin, model=f"deepgram/{index}", position=index) for index, plugin in enumerate(plugins)]
    stand_together(Route(members, runtime=current_runtime))
    return members[0].plugin


CASES: Final[tuple[tuple[str, Make], ...]] = (
    ("stock, primary well", lambda down, well: bare(well)[0]),
    ("VoiceGateway, primary down", routed),
    ("LiveKit FallbackAdapter, primary down", lambda down, well: stt.FallbackAdapter(bare(down, well))),
    ("stock, primary down", lambda down, well: bare(down)[0]),
)


async def measure(runs: int) -> list[tuple[str, list[float]]]:
    """Return, for each case, the seconds from the session's start, at which the caller speaks, to the first final.

    `inf` where nobody was understood within `PATIENCE_S`. Cases take turns, so that all see the same machine.
    """
    taken: dict[str, list[float]] = {label: [] for label, _ in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            for label, make in CASES:
                # Nothing is learned from one case to the next: each begins with a vendor that nobody has asked.
                current_runtime(Options(outbox_dir=Path(folder) / "outbox"))
                async with VendorSimulators(faults=DOWN) as down, VendorSimulators() as well:
                    taken[label].append(await _first_final(make(down, well)))
                await asyncio.to_thread(reset_runtime)
    return list(taken.items())


async def _first_final(plugin: Any) -> float:
    session: AgentSession[Any] = AgentSession(stt=plugin, vad=None, turn_handling={"turn_detection": "stt"})
    microphone = Microphone()
    session.input.audio = microphone
    heard = asyncio.Event()
    session.on("user_input_transcribed", lambda event: heard.set() if event.is_final else None)
    logging.disable(logging.CRITICAL)
    try:
        began = time.perf_counter()
        await session.start(Agent(instructions=""), record=False)
        speaking = asyncio.ensure_future(microphone.speak(SPEECH_S))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await heard.wait()
            return time.perf_counter() - began
        except TimeoutError:
            return float("inf")
        finally:
            speaking.cancel()
    finally:
        microphone.hang_up()
        await session.aclose()
        await plugin.aclose()
        logging.disable(logging.NOTSET)
