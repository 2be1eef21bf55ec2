"""Realtime models: each response is one record with the tokens of the vendor's bill, whatever became of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectOptions
from livekit.agents.llm import RealtimeError
from livekit.plugins import openai
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import silence, speech
from tests.integration.voicegateway.calls import GOODBYE, refusing
from tests.integration.voicegateway.metering import Meter, Record, metering

from voicegateway.instrument import is_instrumented
from voicegateway.testing.vendors import FaultKind, FaultRule, OpenAIOptions, TruthRecord
from voicegateway_shared.telemetry import attributes as names

QUICK = OpenAIOptions(ttft_ms=5, token_ms=2, transcript_ms=2)
SLOW = OpenAIOptions(ttft_ms=5, token_ms=50, transcript_ms=2)
BILLED = (
    "input_tokens",
    "input_audio_tokens",
    "cache_read_tokens",
    "cache_read_audio_tokens",
    "output_tokens",
    "output_audio_tokens",
)
NO_RETRY = APIConnectOptions(max_retry=0, timeout=5.0)


@asynccontextmanager
async def realtime(meter: Meter, **kwargs: Any) -> AsyncIterator[Any]:
    """Hold a session of a metered model; both are closed in the end."""
    given = {**meter.sims.openai.plugin_kwargs(), "conn_options": NO_RETRY, **kwargs}
    model = meter.gateway.realtime("openai/gpt-realtime", **given)
    assert isinstance(model, openai.realtime.RealtimeModel)
    assert is_instrumented(model)
    session = model.session()
    try:
        yield session
    finally:
        await session.aclose()
        await model.aclose()


async def hear(generation: Any) -> float:
    """Hear a response to its end; return the seconds of its audio."""
    heard_s = 0.0
    async for message in generation.message_stream:
        async for frame in message.audio_stream:
            heard_s += frame.duration
    return heard_s


async def responses(meter: Meter) -> tuple[list[Record], list[TruthRecord]]:
    """Return our records of responses, and the vendor's bills for them."""
    records = [each for each in await meter.records() if each[names.MODALITY] == "realtime" and each.usage["requests"]]
    bills = [bill for bill in await meter.bills() if bill.modality == "realtime" and bill.billed]
    return records, bills


def by_id(records: list[Record], bills: list[TruthRecord]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both by the vendor's id: what we counted, what is billed."""
    ours = {record[names.RESPONSE_ID]: record.billed(*BILLED) for record in records}
    return ours, {bill.request_id: dict(bill.usage) for bill in bills}


async def test_each_response_is_billed_as_the_vendor_says_with_the_conversation_before_it(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        async with realtime(meter) as session:
            await session.update_instructions("You are a shop's assistant. Be brief.")
            for _ in range(3):
                assert await hear(await session.generate_reply()) > 1
        records, bills = await responses(meter)
        assert meter.runtime.hook_errors == 0

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    assert len(ours) == 3
    assert [(record.outcome, record.is_estimated, record.attempts) for record in records] == [("ok", False, 1)] * 3
    assert all(0 < record[names.TTFB_MS] <= record[names.DURATION_MS] for record in records)
    assert records[2].usage["cache_read_audio_tokens"] > 0
    assert records[2].reported == {key: value for key, value in records[2].billed(*BILLED).items() if value}
    assert {record[names.OPERATION] for record in records} == {"realtime"}


async def test_turn_that_the_vendor_takes_is_billed_and_so_is_its_transcript(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        async with realtime(meter) as session:
            for frame in (*silence(ms=300), *speech(ms=900), *silence(ms=1_000)):
                session.push_audio(frame)
            await eventually(lambda: len(meter.sims.truth()) >= 2)
        records, bills = await responses(meter)
        transcripts = [each for each in await meter.records() if each[names.MODALITY] == "stt"]
        heard = [bill for bill in await meter.bills() if bill.modality == "stt"]

    assert by_id(records, bills)[0] == by_id(records, bills)[1]
    assert [record.outcome for record in records] == ["ok"]
    [transcript], [bill] = transcripts, heard
    meters = ("input_tokens", "input_audio_tokens", "output_tokens")
    assert transcript.billed(*meters) == {meter: bill.usage[meter] for meter in meters}
    assert (transcript[names.REQUEST_MODEL], transcript[names.PROVIDER]) == (bill.model, "openai")
    assert (transcript[names.MODE], transcript.is_estimated) == ("realtime", False)


async def test_turn_that_is_transcribed_when_the_session_closes_is_estimated(tmp_path: Path) -> None:
    options = OpenAIOptions(ttft_ms=5, token_ms=2, transcript_ms=500)
    async with metering(tmp_path, openai=options) as meter:
        async with realtime(meter) as session:
            for frame in (*silence(ms=300), *speech(ms=900), *silence(ms=1_000)):
                session.push_audio(frame)
            await eventually(lambda: any(bill.modality == "realtime" for bill in meter.sims.truth()))
        [transcript] = [each for each in await meter.records() if each[names.MODALITY] == "stt"]
        [bill] = [bill for bill in await meter.bills() if bill.modality == "stt"]

    heard = ("input_tokens", "input_audio_tokens")
    assert transcript.billed(*heard) == {meter: bill.usage[meter] for meter in heard}
    assert transcript.usage["output_tokens"] > 0
    assert (transcript.outcome, transcript.is_estimated) == ("cancelled", True)
    assert bill.request_id in transcript.vendor_ids


async def test_response_that_is_told_twice_was_made_once(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        async with realtime(meter) as session:
            told: list[Any] = []
            session.on("openai_server_event_received", told.append)
            await hear(await session.generate_reply())
            await eventually(lambda: told[-1]["type"] == "response.done")
            session.emit("openai_server_event_received", told[-1])
        records, bills = await responses(meter)

    ours, theirs = by_id(records, bills)
    assert (ours, len(records)) == (theirs, 1)


async def test_interrupted_response_is_billed_for_what_was_made(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        async with realtime(meter) as session:
            generation = await session.generate_reply()
            message = await anext(generation.message_stream)
            await anext(message.audio_stream)
            session.interrupt()
            await hear(generation)
            await eventually(lambda: bool(meter.sims.truth()))
        records, bills = await responses(meter)

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    [record] = records
    assert (record.outcome, record.is_estimated) == ("cancelled", False)
    assert 0 < record.usage["output_audio_tokens"] < 80


async def test_response_that_is_dropped_before_it_is_created_is_billed_all_the_same(tmp_path: Path) -> None:
    late = OpenAIOptions(ttft_ms=5, token_ms=100, created_ms=100)
    async with metering(tmp_path, openai=late) as meter:
        async with realtime(meter) as session:
            sent: list[str] = []
            session.on("openai_client_event_queued", lambda event: sent.append(event["type"]))
            asked = session.generate_reply()
            await eventually(lambda: "response.create" in sent)
            asked.cancel()
            await eventually(lambda: bool(meter.sims.truth()))
        records, bills = await responses(meter)

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    # LiveKit's plugin tells nothing of it.
    assert [(record.outcome, record.is_estimated, record.reported) for record in records] == [("cancelled", False, {})]


async def test_reply_that_is_given_up_before_it_was_admitted_is_never_asked_for(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        async with realtime(meter) as session:
            session.generate_reply().cancel()
            await hear(await session.generate_reply())
        records, bills = await responses(meter)

    assert [(record.outcome, record.usage.get("output_tokens", 0) > 0) for record in records] == [
        ("cancelled", False),
        ("ok", True),
    ]
    assert len(bills) == 1


async def test_response_that_is_being_made_when_its_session_closes_is_estimated(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        async with realtime(meter) as session:
            await hear(await session.generate_reply())
            generation = await session.generate_reply()
            message = await anext(generation.message_stream)
            await anext(message.audio_stream)
        records, bills = await responses(meter)

    [first, cut] = records
    [_, bill] = bills
    assert (first.is_estimated, cut.is_estimated, cut.outcome) == (False, True, "cancelled")
    # All of the conversation is known from the response before it.
    assert cut.usage["input_tokens"] == bill.usage["input_tokens"]
    assert 0 < cut.usage["output_audio_tokens"] <= bill.usage["output_audio_tokens"]


async def test_session_is_a_record_of_its_time_that_costs_no_tokens(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        async with realtime(meter) as session:
            await hear(await session.generate_reply())
            for frame in silence(ms=600):
                session.push_audio(frame)
            await eventually(lambda: session._msg_ch.empty())
        [held] = [record for record in await meter.records() if not record.usage["requests"]]
        [bill] = [bill for bill in await meter.bills() if not bill.billed]

    assert held.billed("input_tokens", "output_tokens") == {"input_tokens": 0, "output_tokens": 0}
    assert abs(held.usage["session_ms"] - bill.usage["session_ms"]) < 1_000
    assert held.usage["audio_sent_ms"] == bill.usage["audio_sent_ms"]
    assert (held.outcome, held.is_estimated) == ("ok", False)
    assert held["voicegateway.vendor.organization"] == "org-simulated"


@pytest.mark.parametrize(("kind", "status"), [("rate_limited", 429), ("server_error", 500)])
async def test_response_that_the_vendor_fails_is_free_and_keeps_the_reason(
    tmp_path: Path, kind: FaultKind, status: int
) -> None:
    rule = FaultRule(vendor="openai", endpoint="realtime_response", kind=kind, nth=1)
    async with metering(tmp_path, openai=QUICK, faults=(rule,)) as meter:
        async with realtime(meter) as session:
            done: list[asyncio.Future[None]] = []
            session.on("generation_created", lambda _: done.append(session._current_generation._done_fut))
            await hear(await session.generate_reply())
            assert isinstance(done[0].exception(), RealtimeError)
        records, bills = await responses(meter)

    [record] = records
    assert bills == []
    assert (record.outcome, record.is_estimated, record.usage) == ("error", False, {"requests": 1})
    assert record[names.STATUS_CODE] == status


async def test_connection_that_breaks_ends_its_response_with_an_estimate(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", endpoint="realtime_response", kind="abort_mid_stream", nth=1)
    async with metering(tmp_path, openai=QUICK, faults=(rule,)) as meter:
        async with realtime(
            meter, conn_options=APIConnectOptions(max_retry=2, retry_interval=0.01, timeout=5.0)
        ) as session:
            await hear(await session.generate_reply())
            again = await session.generate_reply()
            await hear(again)
        records, _ = await responses(meter)

    broken, whole = records
    assert (broken.outcome, broken.is_estimated, broken[names.ERROR_TYPE]) == ("error", True, "APIConnectionError")
    assert broken.usage["output_audio_tokens"] > 0
    assert (whole.outcome, whole.is_estimated) == ("ok", False)


async def test_refused_handshake_is_the_sessions_error(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", endpoint="realtime_socket", kind="rate_limited", every=1)
    async with metering(tmp_path, openai=QUICK, faults=(rule,)) as meter:
        model = meter.gateway.realtime(
            "openai/gpt-realtime", **meter.sims.openai.plugin_kwargs(), conn_options=NO_RETRY
        )
        session = model.session()
        asked = session.generate_reply()
        with pytest.raises(RealtimeError):
            await asked
        with pytest.raises(Exception, match="connection"):
            await session.aclose()
        await model.aclose()
        records = await meter.records()

    held, response = records
    assert (held.outcome, held[names.ERROR_TYPE]) == ("error", "APIConnectionError")
    # Whether the session's end or its error reaches the response first is a matter of who runs first.
    assert response.outcome in ("cancelled", "error")
    assert (response.is_estimated, response.usage) == (False, {"requests": 1})


async def test_refused_response_never_reaches_the_vendor(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        with refusing("realtime", sentence=GOODBYE) as refused:
            async with realtime(meter) as session:
                with pytest.raises(RealtimeError, match="acme-month"):
                    await session.generate_reply()
        records, bills = await responses(meter)

    assert len(refused) == 1
    assert bills == []
    [record] = records
    assert (record.outcome, record[names.ERROR_TYPE], record.usage) == ("error", "budget_used_up", {"requests": 1})
    assert record[names.BUDGET_ID] == "acme-month"


async def test_turn_that_the_vendor_takes_is_stopped_when_it_is_refused(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        with refusing("realtime", sentence=GOODBYE):
            async with realtime(meter) as session:
                for frame in (*silence(ms=300), *speech(ms=900), *silence(ms=1_000)):
                    session.push_audio(frame)
                await eventually(lambda: len([each for each in meter.sims.truth() if each.modality == "realtime"]) >= 1)
        records, bills = await responses(meter)

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    assert [record.outcome for record in records] == ["cancelled"]


async def test_many_sessions_of_one_model_are_told_apart(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=QUICK) as meter:
        model = meter.gateway.realtime("openai/gpt-realtime", **meter.sims.openai.plugin_kwargs())
        sessions = [model.session() for _ in range(4)]

        async def talk(session: Any) -> None:
            for _ in range(2):
                await hear(await session.generate_reply())

        await asyncio.gather(*map(talk, sessions))
        for session in sessions:
            await session.aclose()
        await model.aclose()
        records, bills = await responses(meter)

    ours, theirs = by_id(records, bills)
    assert ours == theirs
    assert len(ours) == 8
