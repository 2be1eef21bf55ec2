"""Chat completions: one record a request, its tokens those of the vendor's bill, whatever became of it."""

import asyncio
from pathlib import Path

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError
from livekit.agents.llm import FallbackAdapter, LLMStream
from livekit.plugins import openai
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import IMPATIENT, NO_RETRY, RETRY, conversation
from tests.integration.voicegateway.metering import metering
from tests.integration.voicegateway.plugin_use import QUESTION, ask

from voicegateway.instrument import instrument, is_instrumented
from voicegateway.record import PluginFacts
from voicegateway.testing.vendors import FaultKind, FaultRule, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

REPLY = "Of course. I can see it here: it leaves the warehouse today and should reach you on Thursday."
REPLY_TOKENS = 20
SLOW = OpenAIOptions(replies=(REPLY,), ttft_ms=10, token_ms=20)
VERY_SLOW = OpenAIOptions(replies=(REPLY,), ttft_ms=60_000)
BILLED = ("input_tokens", "cache_read_tokens", "output_tokens")


async def hear(stream: LLMStream, chunks: int) -> None:
    """Take so many chunks with content."""
    while chunks:
        chunk = await anext(stream)
        chunks -= bool(chunk.delta and chunk.delta.content)


async def test_finished_chat_is_billed_as_the_vendor_says(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        llm = meter.llm(temperature=0.2)
        said = await ask(llm)
        await llm.aclose()
        record, bill = await meter.record(), await meter.bill()

    assert said.startswith(("Of course", "Thank", "Yes", "There", "Happy"))
    assert record.billed(*BILLED) == bill.usage
    assert record.usage["chunks_received"] == bill.usage["output_tokens"]
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    assert record[names.RESPONSE_ID] == bill.request_id
    assert record[names.SERVICE_TIER] == bill.context["service_tier"]
    assert 0 < record[names.TTFB_MS] <= record[names.DURATION_MS]
    assert record.reported == record.told == {key: value for key, value in bill.usage.items() if value}


async def test_long_prompt_is_billed_with_its_cached_part(tmp_path: Path) -> None:
    long = conversation("And then?", system="Remember this. " * 600)
    async with metering(tmp_path) as meter:
        llm = meter.llm()
        for _ in range(2):
            await ask(llm, long)
        await llm.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert [record.billed(*BILLED) for record in records] == [bill.usage for bill in bills]
    assert records[1].usage["cache_read_tokens"] > 1024


async def test_chat_cancelled_before_its_first_chunk_is_one_estimated_record(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=VERY_SLOW) as meter:
        llm = meter.llm()
        stream = llm.chat(chat_ctx=QUESTION, conn_options=NO_RETRY)
        await eventually(lambda: not meter.sims.openai.truth.is_settled.is_set())
        await stream.aclose()
        await llm.aclose()
        record, bill = await meter.record(), await meter.bill()

    assert (record.outcome, record.is_estimated) == ("cancelled", True)
    assert record.usage["output_tokens"] == bill.usage["output_tokens"] == 0
    assert record.usage["input_tokens"] > 0
    assert bill.billed
    assert names.TTFB_MS not in record.facts


async def test_chat_cancelled_before_it_was_sent_costs_nothing(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        llm = meter.llm()
        await llm.chat(chat_ctx=QUESTION, conn_options=NO_RETRY).aclose()
        await llm.aclose()
        record = await meter.record()
        truth = await meter.sims.settled()

    assert truth == []
    assert (record.outcome, record.is_estimated, record.usage) == ("cancelled", False, {"requests": 1})


async def test_chat_cancelled_mid_way_is_one_estimated_record(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        llm = meter.llm()
        stream = llm.chat(chat_ctx=QUESTION, conn_options=NO_RETRY)
        await hear(stream, 3)
        await stream.aclose()
        await llm.aclose()
        record, bill = await meter.record(), await meter.bill()

    assert (record.outcome, record.is_estimated) == ("cancelled", True)
    assert 3 <= record.usage["output_tokens"] <= bill.usage["output_tokens"] < REPLY_TOKENS
    assert record[names.RESPONSE_ID] == bill.request_id


@pytest.mark.parametrize(("kind", "status"), [("unauthorized", 401), ("rate_limited", 429)])
async def test_refused_chat_is_one_record_that_costs_nothing(tmp_path: Path, kind: FaultKind, status: int) -> None:
    async with metering(tmp_path, faults=(FaultRule(vendor="openai", kind=kind, nth=1),)) as meter:
        llm = meter.llm()
        with pytest.raises(APIStatusError):
            await ask(llm)
        await llm.aclose()
        record, bills = await meter.record(), await meter.bills()

    assert bills == []
    assert (record.outcome, record.is_estimated, record.attempts) == ("error", False, 1)
    assert record.usage == {"requests": 1}
    assert (record[names.ERROR_TYPE], record[names.STATUS_CODE]) == (str(status), status)


async def test_chat_that_fails_every_time_counts_its_attempts(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", kind="server_error", every=1, status=500)
    async with metering(tmp_path, faults=(rule,)) as meter:
        llm = meter.llm()
        with pytest.raises(APIConnectionError):
            await ask(llm, options=RETRY)
        await llm.aclose()
        record, bills = await meter.record(), await meter.bills()

    assert bills == []
    assert (record.outcome, record.is_estimated, record.attempts) == ("error", False, 4)
    assert record.usage == {"requests": 1}
    assert record[names.STATUS_CODE] == 500


@pytest.mark.parametrize(("kind", "status"), [("rate_limited", 429), ("server_error", 500)])
async def test_chat_that_succeeds_after_a_retry_is_one_record(tmp_path: Path, kind: FaultKind, status: int) -> None:
    rule = FaultRule(vendor="openai", kind=kind, status=status, nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        llm = meter.llm()
        await ask(llm, options=RETRY)
        await llm.aclose()
        record, bill = await meter.record(), await meter.bill()

    assert record.billed(*BILLED) == bill.usage
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)
    assert record[names.STATUS_CODE] == status
    assert names.ERROR_TYPE not in record.facts


async def test_stream_that_breaks_after_content_is_estimated(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", kind="abort_mid_stream", nth=1, after_chunks=5)
    async with metering(tmp_path, faults=(rule,)) as meter:
        llm = meter.llm()
        with pytest.raises(APIConnectionError):
            await ask(llm, options=RETRY)
        await llm.aclose()
        record, bill = await meter.record(), await meter.bill()

    assert (record.outcome, record.is_estimated, record.attempts) == ("error", True, 1)
    assert 0 < record.usage["output_tokens"] <= bill.usage["output_tokens"] == 5
    assert record.usage["input_tokens"] > 0


async def test_attempt_that_timed_out_may_be_billed_and_is_estimated(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", kind="stall", nth=1, stall_s=60)
    impatient = APIConnectOptions(max_retry=1, retry_interval=0.05, timeout=IMPATIENT.timeout)
    async with metering(tmp_path, faults=(rule,)) as meter:
        llm = meter.llm()
        await ask(llm, options=impatient)
        await llm.aclose()
        record, bills = await meter.record(), await meter.bills()

    assert [bill.outcome for bill in bills] == ["fault:stall", "ok"]
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", True, 2)
    assert record.billed(*BILLED) == {meter: sum(bill.usage[meter] for bill in bills) for meter in BILLED}


async def test_concurrent_chats_of_one_plugin_do_not_mix(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        llm = meter.llm()
        questions = [conversation("word " * length) for length in (1, 20, 300)]
        await asyncio.gather(*(ask(llm, question) for question in questions))
        await llm.aclose()
        records, bills = await meter.records(), await meter.bills()

    by_id = {bill.request_id: bill.usage for bill in bills}
    assert len(records) == len(by_id) == 3
    assert {record[names.RESPONSE_ID]: record.billed(*BILLED) for record in records} == by_id
    assert all(record.reported["input_tokens"] == record.usage["input_tokens"] for record in records)


@pytest.mark.parametrize("event", ["metrics_collected", "error"])
async def test_what_a_listener_asks_is_a_request_of_its_own(tmp_path: Path, event: str) -> None:
    rule = FaultRule(vendor="openai", kind="server_error", nth=1, status=500)
    async with metering(tmp_path, faults=(rule,)) as meter:
        llm = meter.llm()
        asked: list[asyncio.Task[str]] = []

        def ask_once(_: object) -> None:
            if not asked:
                asked.append(asyncio.create_task(ask(llm)))

        llm.on(event, ask_once)
        await ask(llm, options=RETRY)
        await asked[0]
        await llm.aclose()
        records, bills = await meter.records(), await meter.bills()

    billed = {record[names.RESPONSE_ID]: record.billed(*BILLED) for record in records}
    assert billed == {bill.request_id: bill.usage for bill in bills}
    assert len(billed) == 2


async def test_attempts_inside_a_fallback_adapter_are_records_of_their_own(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", kind="server_error", nth=1, status=500)
    async with metering(tmp_path, faults=(rule,)) as meter:
        first, second = meter.llm("openai/gpt-4.1"), meter.llm("openai/gpt-4.1-mini")
        adapter = FallbackAdapter([first, second])
        await ask(adapter)
        # The adapter asks the failed vendor the whole question again to see whether it is back: that is billed.
        await eventually(lambda: adapter._status[0].available)
        await adapter.aclose()
        await first.aclose()
        await second.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert sorted((record[names.REQUEST_MODEL], record.outcome) for record in records) == [
        ("gpt-4.1", "error"),
        ("gpt-4.1", "ok"),
        ("gpt-4.1-mini", "ok"),
    ]
    billed = {record[names.RESPONSE_ID]: record.billed(*BILLED) for record in records if record.outcome == "ok"}
    assert billed == {bill.request_id: bill.usage for bill in bills}


async def test_plugin_is_what_it_was(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        bare = openai.LLM(model="gpt-4.1-mini", **meter.sims.openai.plugin_kwargs())
        label, before, kind = bare.label, dict(vars(bare)), repr(type(bare))
        facts = PluginFacts(provider="openai", modality="llm", project=None, key_id="")
        metered = instrument(instrument(bare, facts), facts)
        await ask(metered)
        await metered.aclose()
        records = await meter.records()

    assert metered is bare
    assert is_instrumented(bare)
    assert isinstance(bare, openai.LLM)
    assert (bare.label, repr(type(bare))) == (label, kind)
    assert {key: vars(bare)[key] for key in before} == before
    assert len(records) == 1
