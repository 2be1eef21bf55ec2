"""Chains and fallbacks behind the inference server: the agent hears of nothing that another model mends."""

import asyncio
from pathlib import Path
from typing import Any

from livekit.agents import inference, llm
from tests.fixtures.job import job
from tests.integration.testing_vendors.bench import NO_RETRY, conversation
from tests.integration.voicegateway.inference.serving import TTS, serving_here
from tests.integration.voicegateway.metering import metering

from voicegateway.testing.vendors import FaultRule, OpenAIOptions
from voicegateway_shared.routing import parse_routing
from voicegateway_shared.telemetry import attributes as names

QUICK = OpenAIOptions(replies=("It should reach you on Thursday.",), ttft_ms=5, token_ms=1)
BROKEN_ONCE = (FaultRule(vendor="openai", endpoint="chat", kind="unauthorized", nth=1),)


async def said(model: Any) -> str:
    """Ask a model, and return what it says."""
    stream = model.chat(chat_ctx=conversation("Where is it?"), conn_options=NO_RETRY)
    return "".join([chunk.delta.content or "" async for chunk in stream if chunk.delta is not None])


async def test_name_of_a_chain_is_a_model_and_its_next_takes_over(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    routing = parse_routing({"chains": {"llm": {"fast": ["openai/gpt-4.1-mini", "openai/gpt-4.1"]}}})
    async with serving_here(tmp_path, openai=QUICK, faults=BROKEN_ONCE, routing=routing) as here:
        monkeypatch.setenv("OPENAI_BASE_URL", here.meter.sims.openai.base_url)
        model = inference.LLM("fast")
        with job("AJ_1"):
            text = await said(model)
        await model.aclose()
        records = await here.meter.records()

    assert text == "It should reach you on Thursday."
    assert [(record[names.REQUEST_MODEL], record.outcome) for record in records] == [
        ("gpt-4.1-mini", "error"),
        ("gpt-4.1", "ok"),
    ]
    assert {record[names.SESSION_ID] for record in records} == {"AJ_1"}


async def test_fallback_of_the_client_stands_behind_its_model(tmp_path: Path) -> None:
    # The first socket is the one that is opened ahead.
    faults = tuple(FaultRule(vendor="cartesia", endpoint="tts_socket", kind="server_error", nth=nth) for nth in (1, 2))
    async with serving_here(tmp_path, faults=faults) as here:
        voice = inference.TTS(TTS, fallback=["cartesia/sonic-2:another"])
        async with voice.stream(conn_options=NO_RETRY) as stream:
            stream.push_text("It is on its way.")
            stream.end_input()
            audio = [each async for each in stream]
        await voice.aclose()
        records = await here.meter.records()

    assert audio
    assert [(record[names.REQUEST_MODEL], record.outcome) for record in records] == [
        ("sonic-3", "error"),
        ("sonic-2", "ok"),
    ]


async def test_models_of_many_callers_are_shared_only_as_far_as_their_clients_reach(tmp_path: Path) -> None:
    slow = OpenAIOptions(replies=("Yes.",), ttft_ms=300, token_ms=1)
    async with serving_here(tmp_path, openai=slow) as here:
        model = inference.LLM("openai/gpt-4.1-mini")
        answers = await asyncio.gather(*(said(model) for _ in range(45)))
        [shared] = here.server._plugins._shared.values()
        plugins = len(shared)
        await model.aclose()
        records = await here.meter.records()

    assert set(answers) == {"Yes."}
    assert plugins == 2
    assert len(records) == 45


async def test_import_line_alone_is_metered_like_the_gateway(tmp_path: Path, monkeypatch: Any) -> None:
    from voicegateway import inference as ours

    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    async with metering(tmp_path, openai=QUICK) as meter:
        monkeypatch.setenv("OPENAI_BASE_URL", meter.sims.openai.base_url)
        monkeypatch.setattr("voicegateway.gateway", meter.gateway)
        model: llm.LLM[Any] = ours.LLM("openai/gpt-4.1-mini", extra_kwargs={"temperature": 0.3})
        with job("AJ_1"):
            text = await said(model)
        await model.aclose()
        record, bill = await meter.record(), await meter.bill()

    assert text == "It should reach you on Thursday."
    assert record.billed(*bill.usage) == bill.usage
    assert record[names.SESSION_ID] == "AJ_1"
