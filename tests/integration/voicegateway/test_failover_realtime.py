"""A realtime model that fails is replaced in the middle of a call, and the next one knows what was said."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession
from livekit.agents.llm import RealtimeModel
from tests.fixtures.job import job
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.metering import Meter, metering

from voicegateway.routing.realtime import fall_back
from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.telemetry import attributes as names

MODELS_SERVED = ["gpt-realtime", "gpt-realtime-mini"]
MODELS = ["openai/gpt-realtime", "openai/gpt-realtime-mini"]


def two(meter: Meter) -> Any:
    kwargs = meter.sims.openai.plugin_kwargs()
    return meter.gateway.realtime(MODELS, **kwargs)


def served_by(model: Any) -> str:
    return str(model.metrics_metadata["model_name"])


def has(said: list[str], number: int) -> bool:
    return len(said) >= number


async def converse(
    model: Any, *questions: str, swaps_first: bool = False, swaps_last: bool = False
) -> tuple[list[str], list[Any]]:
    """Hold a call in writing; return what the agent said and the errors that its session told."""
    said: list[str] = []
    errors: list[Any] = []
    with job("AJ_7"):
        session: AgentSession[Any] = AgentSession(llm=model, vad=None)
        session.on("error", errors.append)

        @session.on("conversation_item_added")
        def _(event: Any) -> None:
            if getattr(event.item, "role", "") == "assistant":
                said.append(event.item.text_content or "")

        await session.start(Agent(instructions="Be brief."), record=False)
        if swaps_first:
            await eventually(lambda: served_by(model) == "gpt-realtime-mini", within_s=20)
        for number, question in enumerate(questions, 1):
            session.generate_reply(user_input=question)
            await eventually(partial(has, said, number), within_s=20)
        if swaps_last:
            await eventually(lambda: served_by(model) == "gpt-realtime-mini", within_s=20)
            await eventually(lambda: session.agent_state == "listening" and len(said) > len(questions), within_s=20)
        await session.aclose()
    await model.aclose()
    return said, errors


@pytest.mark.parametrize("kind", ["server_error", "unauthorized", "rate_limited"])
async def test_refused_handshake_brings_the_next(tmp_path: Path, kind: Any) -> None:
    faults = (FaultRule(vendor="openai", endpoint="realtime_socket", kind=kind, nth=1),)
    async with metering(tmp_path, faults=faults) as meter:
        model = two(meter)
        assert isinstance(model, RealtimeModel)
        said, errors = await converse(model, "When will my order arrive?", swaps_first=True)
        records = await meter.records()

    served = {record[names.REQUEST_MODEL] for record in records if record.usage.get("output_tokens")}
    assert len(said) == 1
    assert served == {"gpt-realtime-mini"}
    assert all(error.error.recoverable for error in errors)
    assert meter.runtime.hook_errors == 0


async def test_reply_that_breaks_is_given_by_the_next(tmp_path: Path) -> None:
    faults = (FaultRule(vendor="openai", endpoint="realtime_response", kind="abort_mid_stream", nth=2),)
    async with metering(tmp_path, faults=faults) as meter:
        said, errors = await converse(two(meter), "When will my order arrive?", "And where is it now?", swaps_last=True)
        records = await meter.records()

    served = [record[names.REQUEST_MODEL] for record in records if record.usage.get("output_tokens")]
    assert len(said) == 3, "the broken reply as far as it came, and the whole one"
    assert set(served) == set(MODELS_SERVED)
    assert all(error.error.recoverable for error in errors)


async def test_models_that_differ_in_what_a_call_is_built_upon_are_refused(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugins = [meter.gateway.realtime(model, **meter.sims.openai.plugin_kwargs()) for model in MODELS]
        plugins[1]._capabilities.audio_output = False
        with pytest.raises(ValueError, match="audio_output"):
            fall_back(plugins)
        for plugin in plugins:
            await plugin.aclose()
