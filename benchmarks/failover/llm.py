"""First token of a reply whose first model is refused, in a real agent session."""

import contextlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.failover.refusals import Refusals, fresh_runtime
from livekit.agents import Agent, AgentSession, APIError, llm
from livekit.plugins import openai

from voicegateway import Gateway
from voicegateway.instrument import stand_together
from voicegateway.routing.route import Member, Route
from voicegateway.runtime import current_runtime
from voicegateway.testing.vendors import FaultPlan, FaultRule, OpenAIOptions, VendorSimulators

TTFT_MS: Final = 20
QUICK: Final = OpenAIOptions(replies=("It should reach you on Thursday.",), ttft_ms=TTFT_MS, token_ms=1)
MODEL: Final = "gpt-4.1-mini"

Make = Callable[[VendorSimulators, VendorSimulators], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to have an answer."""

    label: str
    make: Make
    faults: FaultPlan = ()


def refusing(kind: Any, status: int, **when: int) -> FaultPlan:
    """Return the plan of a vendor that refuses."""
    return (FaultRule(vendor="openai", endpoint="chat", kind=kind, status=status, **(when or {"every": 1})),)


def bare(sims: VendorSimulators) -> Any:
    """Return the stock plugin."""
    return openai.LLM(model=MODEL, **sims.openai.plugin_kwargs())


def routed(down: VendorSimulators, well: VendorSimulators) -> Any:
    """Return the front of a route through both."""
    gateway = Gateway()
    plugins = [gateway.llm(f"openai/{MODEL}", **sims.openai.plugin_kwargs()) for sims in (down, well)]
    members = [Member(plugin=plugin, model=f"openai/{index}", position=index) for index, plugin in enumerate(plugins)]
    stand_together(Route(members, runtime=current_runtime))
    return members[0].plugin


def adapted(down: VendorSimulators, well: VendorSimulators) -> Any:
    """Return LiveKit's own."""
    return llm.FallbackAdapter([bare(down), bare(well)])


def cases() -> list[Case]:
    """Each refusal, each way."""
    found = [Case(label="stock, well: from the request", make=lambda down, well: bare(well))]
    for kind, status in (("rate_limited", 429), ("unauthorized", 401), ("server_error", 503)):
        faults = refusing(kind, status)
        found += [
            Case(label=f"{status}: VoiceGateway", make=routed, faults=faults),
            Case(label=f"{status}: LiveKit FallbackAdapter", make=adapted, faults=faults),
            Case(
                label=f"{status}, once: stock, retried",
                make=lambda down, well: bare(down),
                faults=refusing(kind, status, nth=1),
            ),
        ]
    return found


class Listener(Agent):
    """Notes when the first token of each reply comes."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.asked_s = self.first_s = float("inf")

    async def llm_node(self, *args: Any, **kwargs: Any) -> Any:
        """Pass on what the model says."""
        self.asked_s, self.first_s = time.perf_counter(), float("inf")
        async for chunk in Agent.default.llm_node(self, *args, **kwargs):
            delta = getattr(chunk, "delta", None)
            if self.first_s == float("inf") and delta is not None and delta.content:
                self.first_s = time.perf_counter()
            yield chunk


async def measure(runs: int) -> list[tuple[str, list[float]]]:
    """Return, for each case, the seconds from the vendor's refusal to the first token; `inf` where none came."""
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            for case in cases():
                async with (
                    fresh_runtime(Path(folder)),
                    VendorSimulators(faults=case.faults, openai=QUICK) as down,
                    VendorSimulators(openai=QUICK) as well,
                ):
                    taken.setdefault(case.label, []).append(await _first_token(case, down, well))
    return list(taken.items())


async def _first_token(case: Case, down: VendorSimulators, well: VendorSimulators) -> float:
    plugin = case.make(down, well)
    agent = Listener()
    session: AgentSession[Any] = AgentSession(llm=plugin, vad=None)
    logging.disable(logging.CRITICAL)
    try:
        await session.start(agent, record=False)
        # Where nobody answers, the error is the session's.
        with Refusals(down.openai) as refusals, contextlib.suppress(APIError):
            await session.run(user_input="Where is my parcel?")
        return agent.first_s - refusals.first_s(since_s=agent.asked_s)
    finally:
        await session.aclose()
        await plugin.aclose()
        logging.disable(logging.NOTSET)
