"""The same call with and without the gateway, side by side: a session tells its user the same of both."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession
from livekit.plugins import cartesia, deepgram, openai
from tests.fixtures.job import job
from tests.integration.voicegateway.calls import quiet_logs
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.test_session import REPLY, UNHURRIED, session_of

from voicegateway import attach
from voicegateway.testing.fleet.call import Caller
from voicegateway.testing.fleet.phone import Loudspeaker, Microphone
from voicegateway.testing.fleet.plan import CallPlan
from voicegateway.testing.vendors import FaultPlan, FaultRule

TROUBLE: FaultPlan = (
    FaultRule(vendor="openai", endpoint="chat", kind="rate_limited", nth=2),
    FaultRule(vendor="cartesia", endpoint="tts_context", kind="vendor_error", nth=3),
)
"""What LiveKit's own retries survive, and tell of."""
EVENTS = (
    "user_state_changed",
    "agent_state_changed",
    "user_input_transcribed",
    "conversation_item_added",
    "function_tools_executed",
    "metrics_collected",
    "speech_created",
    "error",
    "close",
)
_COARSE = ("conversation_item_added", "agent_state_changed", "speech_created", "error", "close")
"""Whose order among one another does not hang on the machine's pace."""
_FLEETING = {
    *("created_at", "timestamp", "created", "duration", "audio_duration", "acquire_time", "ttft", "ttfb", "metrics"),
    *("id", "request_id", "speech_id", "segment_id", "item_id", "speaker_id", "speech_handle", "connection_reused"),
    *("completion_tokens", "total_tokens", "prompt_tokens", "tokens_per_second", "characters_count", "content"),
    *("confidence", "transcript_confidence", "extra"),
}
"""What differs from call to call: instants, ids, and how far an interruption let a reply come."""
_PORT = re.compile(r":\d{4,5}\b")
"""Of a simulated vendor: each call has its own."""
Plugins = tuple[Any, Any, Any]


@dataclass(slots=True)
class Tape:
    """Everything a session told."""

    events: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    usage: list[tuple[str, str, str]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    """The classes of its plugins, and what each says of itself."""

    def of(self, name: str) -> list[str]:
        return [text for event, text in self.events if event == name]

    @property
    def coarse(self) -> list[tuple[str, str]]:
        return [(event, text) for event, text in self.events if event in _COARSE]


def bare(meter: Meter) -> Plugins:
    return (
        deepgram.STT(**meter.sims.deepgram.plugin_kwargs()),
        openai.LLM(model="gpt-4.1-mini", **meter.sims.openai.plugin_kwargs()),
        cartesia.TTS(model="sonic-3", **meter.sims.cartesia.plugin_kwargs()),
    )


def through_the_gateway(meter: Meter) -> Plugins:
    return meter.stt(), meter.llm(), meter.tts()


def through_routes(meter: Meter) -> Plugins:
    sims = meter.sims
    return (
        meter.gateway.stt(["deepgram/nova-3", "deepgram/nova-2"], **sims.deepgram.plugin_kwargs()),
        meter.gateway.llm(["openai/gpt-4.1-mini", "openai/gpt-4.1"], **sims.openai.plugin_kwargs()),
        meter.gateway.tts(["cartesia/sonic-3", "cartesia/sonic-2"], **sims.cartesia.plugin_kwargs()),
    )


_stock: dict[FaultPlan, Tape] = {}


async def stock_tape(folder: Path, faults: FaultPlan) -> Tape:
    """The call without us, held once for each plan of faults."""
    if faults not in _stock:
        _stock[faults] = await record(folder, bare, faults, is_attached=False)
    return _stock[faults]


async def record(folder: Path, make: Callable[[Meter], Plugins], faults: FaultPlan, *, is_attached: bool) -> Tape:
    """Hold the scripted call: three turns, the caller talks over the second answer."""
    tape = Tape()
    async with metering(folder, openai=REPLY, cartesia=UNHURRIED, faults=faults) as meter:
        with job("AJ_7"), quiet_logs(but=("failed to",)):
            plugins = make(meter)
            session = session_of(*plugins)
            if is_attached:
                attach(session)
            _listen(session, tape)
            tape.kinds = [_kind(plugin) for plugin in plugins]
            microphone = Microphone()
            session.input.audio, session.output.audio = microphone, Loudspeaker()
            await session.start(Agent(instructions="Be brief."), record=False)
            caller = Caller(session, microphone)
            for is_interrupting in (False, True):
                plan = CallPlan(number=0, project="", turns=1 + is_interrupting, is_interrupting=is_interrupting)
                await caller.converse(plan)
            microphone.hang_up()
            await session.aclose()
            used = session.usage.model_usage
            tape.usage = sorted((each.type, _PORT.sub(":port", each.provider), each.model) for each in used)
        for plugin in plugins:
            await plugin.aclose()
        if meter.sink.received:
            assert meter.runtime.hook_errors == 0
    return tape


def _listen(session: AgentSession[Any], tape: Tape) -> None:
    def note(name: str, event: Any) -> None:
        text = json.dumps(_lasting(event.model_dump(mode="python")), sort_keys=True, default=_kind)
        tape.events.append((name, _PORT.sub(":port", text)))
        item = getattr(event, "item", None)
        if item is not None and getattr(item, "role", "") == "user":
            tape.said.append(item.text_content or "")

    for name in EVENTS:
        session.on(name, lambda event, name=name: note(name, event))  # type: ignore[arg-type]


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in _FLEETING}
    return [_lasting(each) for each in value] if isinstance(value, list | tuple) else value


def _kind(value: Any) -> str:
    """What a user can see of an object that has no JSON."""
    status = getattr(value, "status_code", "")
    return f"{type(value).__module__}.{type(value).__qualname__} {getattr(value, 'label', '')} {status}".strip()


@pytest.mark.parametrize(
    ("make", "faults", "is_attached"),
    [
        pytest.param(through_the_gateway, TROUBLE, False, id="gateway"),
        pytest.param(bare, TROUBLE, True, id="attach"),
        pytest.param(through_routes, (), False, id="routes"),
    ],
)
async def test_session_tells_the_same(
    tmp_path: Path, make: Callable[[Meter], Plugins], faults: FaultPlan, is_attached: bool
) -> None:
    stock = await stock_tape(tmp_path / "stock", faults)
    ours = await record(tmp_path / "ours", make, faults, is_attached=is_attached)

    assert stock.of("close")
    assert len(stock.of("error")) == len(faults)
    assert len(stock.of("conversation_item_added")) >= 5
    assert ours.kinds == stock.kinds
    assert ours.coarse == stock.coarse
    assert {name: ours.of(name) for name in EVENTS if name != "metrics_collected"} == {
        name: stock.of(name) for name in EVENTS if name != "metrics_collected"
    }
    assert sorted(set(ours.of("metrics_collected"))) == sorted(set(stock.of("metrics_collected")))
    assert ours.said == stock.said
    assert ours.usage == stock.usage
