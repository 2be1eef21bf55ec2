"""A real agent session on gateway plugins: who pays, which trace it is in, and that attaching is as good."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, telemetry
from livekit.plugins import cartesia, deepgram, openai
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.fixtures.job import job
from tests.fixtures.limit_controller import LimitController
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.metering import Meter, Record, metering

from voicegateway import attach
from voicegateway.testing.fleet.call import Caller
from voicegateway.testing.fleet.phone import Loudspeaker, Microphone
from voicegateway.testing.fleet.plan import CallPlan
from voicegateway.testing.vendors import CartesiaOptions, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

REPLY = OpenAIOptions(replies=("I can see it here: it should reach you on Thursday.",), ttft_ms=20, token_ms=2)
UNHURRIED = CartesiaOptions(first_chunk_ms=20, chunk_every_ms=150)
"""A little faster than real time: the caller interrupts while the vendor still speaks."""


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Trace into memory, as a user would who has set a tracer provider."""
    before = telemetry.tracer._tracer_provider
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.set_tracer_provider(provider)
    yield exporter
    telemetry.tracer.set_provider(before)
    provider.shutdown()


def session_of(stt: Any, llm: Any, tts: Any) -> AgentSession[Any]:
    """Return a session without anything of LiveKit's own that would guess or speculate."""
    return AgentSession(
        stt=stt,
        llm=llm,
        tts=tts,
        vad=None,
        aec_warmup_duration=None,
        turn_handling={
            "turn_detection": "stt",
            "endpointing": {"min_delay": 0.05, "max_delay": 0.3},
            "preemptive_generation": {"enabled": False},
        },
    )


async def hold(session: AgentSession[Any], *, turns: int, is_interrupting: bool = False) -> None:
    """Hold a call from hello to hanging up."""
    microphone = Microphone()
    session.input.audio, session.output.audio = microphone, Loudspeaker()
    await session.start(Agent(instructions="Be brief."), record=False)
    plan = CallPlan(number=0, project="", turns=turns, is_interrupting=is_interrupting)
    try:
        await Caller(session, microphone).converse(plan)
    finally:
        microphone.hang_up()
        await session.aclose()


def bare_plugins(meter: Meter) -> tuple[Any, Any, Any]:
    """Plugins as a user builds them, who knows nothing of a gateway."""
    return (
        deepgram.STT(**meter.sims.deepgram.plugin_kwargs()),
        openai.LLM(model="gpt-4.1-mini", **meter.sims.openai.plugin_kwargs()),
        cartesia.TTS(**meter.sims.cartesia.plugin_kwargs()),
    )


async def close(*plugins: Any) -> None:
    for plugin in plugins:
        await plugin.aclose()


async def agrees_with_the_vendors(meter: Meter) -> list[Record]:
    """Return the records, once each has been held against the vendor's own line."""
    records, bills = await meter.records(), {bill.request_id: bill for bill in await meter.bills()}
    assert meter.runtime.hook_errors == 0
    assert sorted(record[names.RESPONSE_ID] for record in records) == sorted(bills)
    for record in records:
        bill = bills[record[names.RESPONSE_ID]]
        assert record.billed(*bill.usage) == bill.usage, record
    return records


def path_of(span: ReadableSpan, spans: tuple[ReadableSpan, ...]) -> list[str]:
    """Return the names from the root down to a span."""
    by_id = {each.context.span_id: each for each in spans if each.context}
    path = [span.name]
    while span.parent is not None and span.parent.span_id in by_id:
        span = by_id[span.parent.span_id]
        path.insert(0, span.name)
    return path


async def test_call_with_an_interruption_is_metered_to_the_unit_and_traced(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=UNHURRIED, project="fallback") as meter:
        with job("AJ_7", attributes={names.PROJECT: "acme"}):
            plugins = meter.stt("deepgram/nova-3:en-US"), meter.llm(), meter.tts()
            await hold(session_of(*plugins), turns=2, is_interrupting=True)
        await close(*plugins)
        records = await agrees_with_the_vendors(meter)
    finished = spans.get_finished_spans()

    by_modality = {m: [r for r in records if r[names.MODALITY] == m] for m in ("stt", "llm", "tts")}
    assert {modality: len(found) for modality, found in by_modality.items()} == {"stt": 1, "llm": 2, "tts": 2}
    assert [record.outcome for record in by_modality["tts"]] == ["cancelled", "ok"]
    assert not any(record.is_estimated for record in records)
    for record in records:
        assert [record[name] for name in (names.PROJECT, names.SESSION_ID, names.JOB_ID, names.AGENT_NAME)] == [
            "acme",
            "AJ_7",
            "AJ_7",
            "front-desk",
        ]
        assert record[names.ROOM_NAME] == "room-1"
        assert (names.SPEECH_ID in record.facts) == (record[names.MODALITY] != "stt")

    ours = {span.context.span_id: span for span in finished if span.context and span.name.startswith("voicegateway.")}
    assert {int.from_bytes(record.span.span_id, "big") for record in records} == set(ours)
    for record in records:
        span = ours[int.from_bytes(record.span.span_id, "big")]
        assert span.context is not None
        assert span.context.trace_id == int.from_bytes(record.span.trace_id, "big")
        given = dict(span.attributes or {})
        assert given[names.REQUEST_ID] == record[names.REQUEST_ID]
        assert {key: given[key] for key in record.facts if key in given} == {
            key: value for key, value in record.facts.items() if key in given
        }
        assert {f"{names.USAGE_PREFIX}{meter}" for meter in record.usage} <= set(given)

    paths = [path_of(span, finished) for span in finished]
    assert ["agent_session", "voicegateway.stt"] in paths
    assert sum(path[-3:] == ["llm_node", "voicegateway.llm", "llm_request"] for path in paths) == 2
    assert sum(path[-3:] == ["tts_node", "voicegateway.tts", "tts_request"] for path in paths) == 2
    assert all(path[0] == "agent_session" for path in paths if "voicegateway" in path[-1])


async def test_attached_session_is_metered_like_one_of_the_gateway(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        with job("AJ_8", metadata=json.dumps({names.PROJECT: "globex"})):
            plugins = bare_plugins(meter)
            session = session_of(*plugins)
            assert attach(attach(session)) is session
            await hold(session, turns=1)
        await close(*plugins)
        records = await agrees_with_the_vendors(meter)

    assert sorted(record[names.MODALITY] for record in records) == ["llm", "stt", "tts"]
    assert {record[names.PROJECT] for record in records} == {"globex"}
    assert {record[names.PROVIDER] for record in records} == {"deepgram", "openai", "cartesia"}
    assert len({record[names.KEY_ID] for record in records}) == 1
    for record in records:
        assert any(record.span.trace_id)
        assert any(record.span.span_id)
    # Nobody traces, so each request has a trace of its own.
    assert len({record.span.trace_id for record in records}) == len(records)


async def test_agent_with_plugins_of_its_own_is_metered_too(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        with job():
            stt, llm, tts = bare_plugins(meter)
            session = attach(session_of(None, None, None), project="initech")
            await session.start(Agent(instructions="Be brief.", llm=llm), record=False)
            await session.run(user_input="Hello?")
            other = openai.LLM(model="gpt-4.1", **meter.sims.openai.plugin_kwargs())
            session.current_agent.update_options(llm=other)
            await session.run(user_input="And now?")
            third = openai.LLM(model="gpt-4o", **meter.sims.openai.plugin_kwargs())
            briefer = Agent(instructions="Be briefer.", llm=third)
            session.update_agent(briefer)
            await eventually(lambda: session._activity is not None and session._activity.agent is briefer)
            await session.run(user_input="And then?")
            await session.aclose()
        await close(stt, llm, tts, other, third)
        records = await agrees_with_the_vendors(meter)

    assert [record[names.REQUEST_MODEL] for record in records] == ["gpt-4.1-mini", "gpt-4.1", "gpt-4o"]
    assert {record[names.PROJECT] for record in records} == {"initech"}


@pytest.mark.parametrize(
    ("attributes", "metadata", "project"),
    [
        ({}, "", "from-options"),
        ({}, "not json", "from-options"),
        ({}, '{"voicegateway.project": 7}', "from-options"),
        ({}, "{broken", "from-options"),
        ({}, '{"voicegateway.project": "from-metadata"}', "from-metadata"),
        ({names.PROJECT: "from-attributes"}, '{"voicegateway.project": "from-metadata"}', "from-attributes"),
    ],
)
async def test_project_is_that_of_the_nearest_who_names_one(
    tmp_path: Path, attributes: dict[str, str], metadata: str, project: str
) -> None:
    async with metering(tmp_path, openai=REPLY, project="from-options") as meter:
        with job(attributes=attributes, metadata=metadata):
            llm = meter.llm()
            session = session_of(None, llm, None)
            await session.start(Agent(instructions="Be brief."), record=False)
            await session.run(user_input="Hello?")
            await session.aclose()
        await llm.aclose()
        record = await meter.record()

    assert record[names.PROJECT] == project


async def test_call_under_limits_is_what_it_is_without_and_gives_everything_back(tmp_path: Path) -> None:
    controller = LimitController(
        {"name": "ears", "provider": "deepgram", "concurrent": 1},
        {"name": "tokens", "provider": "openai", "tokens_per_min": 100_000},
        {"name": "voice", "provider": "cartesia", "characters_per_min": 50_000, "concurrent": 2},
    )
    async with metering(tmp_path, openai=REPLY, cartesia=UNHURRIED) as meter:
        meter.sink.decide_sync = controller
        with job("AJ_7", attributes={names.PROJECT: "acme"}):
            plugins = meter.stt("deepgram/nova-3:en-US"), meter.llm(), meter.tts()
            await hold(session_of(*plugins), turns=2, is_interrupting=True)
        await close(*plugins)
        records = await agrees_with_the_vendors(meter)
        tokens = sum(sum(record.billed("input_tokens", "output_tokens").values()) for record in records)
        await eventually(lambda: controller.last_claim("tokens:tokens_per_min").used == tokens)
        await eventually(lambda: controller.last_claim("ears:concurrent").used == 0)
        await eventually(lambda: controller.last_claim("voice:concurrent").used == 0)

    assert sorted(record[names.MODALITY] for record in records) == ["llm", "llm", "stt", "tts", "tts"]
    assert all(record.attempts == 1 and names.ADMISSION_REFUSED not in record.facts for record in records)
    assert {claim.project for message in controller.messages for claim in message.claims} == {"acme"}


async def test_project_of_the_call_to_the_gateway_wins(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        with job(attributes={names.PROJECT: "from-attributes"}):
            llm = meter.gateway.llm("openai/gpt-4.1-mini", project="given", **meter.sims.openai.plugin_kwargs())
            session = session_of(None, llm, None)
            await session.start(Agent(instructions="Be brief."), record=False)
            await session.run(user_input="Hello?")
            await session.aclose()
        await llm.aclose()
        record = await meter.record()

    assert record[names.PROJECT] == "given"
