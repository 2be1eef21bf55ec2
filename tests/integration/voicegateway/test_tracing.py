"""Spans leave by the user's own OTEL settings, whoever ends first; the ledger does not depend on them."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from livekit.agents import telemetry
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.fixtures.otlp_sink import OtlpSink
from tests.integration.testing_vendors.bench import NO_RETRY, conversation
from tests.integration.voicegateway.metering import TOKEN, Record, metering

from voicegateway import tracing
from voicegateway.testing.vendors import OpenAIOptions, VendorSimulators
from voicegateway_shared.telemetry import attributes as names

ENDS_S_MAX = 60.0


async def run_chatting_process(base_url: str, environ: dict[str, str]) -> str:
    """Run it to its end; return what it wrote to the terminal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fixtures.chatting_process",
        base_url,
        env={**os.environ, "OPENAI_API_KEY": "simulated-key", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(ENDS_S_MAX):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def spans_of(sink: OtlpSink) -> list[Span]:
    return [span for post in sink.posts for span in post.spans]


async def test_spans_and_records_of_processes_that_just_end_all_arrive(tmp_path: Path) -> None:
    with OtlpSink() as collector, OtlpSink() as controller:
        async with VendorSimulators(openai=OpenAIOptions(ttft_ms=10, token_ms=1)) as sims:
            output = await run_chatting_process(
                sims.openai.base_url,
                {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                    "OTEL_SERVICE_NAME": "my-agent",
                    "VOICEGATEWAY_URL": controller.url,
                    "VOICEGATEWAY_TOKEN": TOKEN,
                    "VOICEGATEWAY_OUTBOX_DIR": str(tmp_path / "outbox"),
                },
            )
            bills = await sims.settled()

    assert output == ""
    traced = {span.span_id: span for span in spans_of(collector)}
    records = [Record.of(span) for span in spans_of(controller)]
    assert sorted(record[names.RESPONSE_ID] for record in records) == sorted(bill.request_id for bill in bills)
    assert len(records) == 2
    for record in records:
        ours = traced[record.span.span_id]
        assert (ours.name, ours.trace_id) == ("voicegateway.llm", record.span.trace_id)
        [theirs] = [span for span in traced.values() if span.parent_span_id == ours.span_id]
        assert theirs.name == "llm_request"
    assert {post.path for post in collector.posts} == {"/v1/traces"}
    resources = [rs.resource for post in collector.posts for rs in post.message.resource_spans]
    named = {item.value.string_value for resource in resources for item in resource.attributes}
    assert "my-agent" in named
    # What the controller gets comes from us alone, one life a process.
    lives = [rs.resource for post in controller.posts for rs in post.message.resource_spans]
    assert (
        len({item.value.string_value for life in lives for item in life.attributes if item.key == names.INCARNATION})
        == 2
    )
    assert all(post.headers["Authorization"] == f"Bearer {TOKEN}" for post in controller.posts)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_exported_unless_the_environment_says_so(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    before = telemetry.tracer._tracer_provider

    tracing.configure_from_environment()

    assert telemetry.tracer._tracer_provider is before


def test_provider_the_user_has_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    before, own = telemetry.tracer._tracer_provider, TracerProvider()
    telemetry.set_tracer_provider(own)
    try:
        tracing.configure_from_environment()

        assert telemetry.tracer._tracer_provider is own
    finally:
        telemetry.tracer.set_provider(before)
        own.shutdown()


async def test_trace_that_is_not_sampled_is_kept_in_the_record_with_a_span_of_its_own(tmp_path: Path) -> None:
    before, own = telemetry.tracer._tracer_provider, TracerProvider(sampler=ALWAYS_OFF)
    telemetry.set_tracer_provider(own)
    try:
        async with metering(tmp_path) as meter:
            llm = meter.llm()
            for _ in range(2):
                with telemetry.tracer.start_as_current_span("caller") as caller:
                    async with llm.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY) as stream:
                        async for _ in stream:
                            continue
            await llm.aclose()
            records = await meter.records()
    finally:
        telemetry.tracer.set_provider(before)
        own.shutdown()

    assert records[1].span.trace_id == caller.get_span_context().trace_id.to_bytes(16, "big")
    assert any(records[1].span.span_id)
    assert records[0].span.span_id != records[1].span.span_id
    assert not any(record.is_estimated for record in records)
