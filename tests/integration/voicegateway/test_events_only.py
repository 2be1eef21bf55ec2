"""When livekit-agents has changed inside, the plugin's own metrics are metered instead: said once, never an error."""

from pathlib import Path

import pytest
from livekit.agents.stt import SpeechEventType
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, conversation, silence, speech
from tests.integration.voicegateway.metering import metering

from voicegateway.instrument import subclass, surface
from voicegateway_shared.telemetry import attributes as names


@pytest.fixture(autouse=True)
def changed_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "missing", lambda modality: (f"{modality}Stream._event_ch",))
    monkeypatch.setattr(subclass, "_said", set())


async def test_chat_is_still_billed_as_the_vendor_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with metering(tmp_path) as meter:
        for llm in (meter.llm(), meter.llm("openai/gpt-4.1")):
            async with llm.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY) as stream:
                async for _ in stream:
                    continue
            await llm.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert [record.billed(*bill.usage) for record, bill in zip(records, bills, strict=True)] == [b.usage for b in bills]
    assert [record[names.RESPONSE_ID] for record in records] == [bill.request_id for bill in bills]
    assert {(record.outcome, record.is_estimated) for record in records} == {("ok", False)}
    assert [record.getMessage() for record in caplog.records if record.name == "voicegateway"] == [
        "voicegateway: livekit-agents has no llmStream._event_ch: llm is metered by events only, and requests that "
        "end early are not seen; use livekit-agents 1.8"
    ]


async def test_speech_is_an_upper_bound_and_says_so(tmp_path: Path) -> None:
    text = "Hello there, this is a test."
    async with metering(tmp_path) as meter:
        tts = meter.tts()
        async with tts.stream(conn_options=NO_RETRY) as stream:
            stream.push_text(text)
            stream.end_input()
            async for _ in stream:
                continue
        await tts.aclose()
        record = await meter.record()

    assert record.usage["characters_sent"] == len(text)
    assert (record.outcome, record.is_estimated) == ("ok", True)
    assert record[names.TTFB_MS] > 0


async def test_transcription_is_what_the_plugin_reports(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        stt = meter.stt()
        async with stt.stream(conn_options=RETRY) as stream:
            for frame in [*speech(ms=900), *silence(ms=400)]:
                stream.push_frame(frame)
            stream.flush()
            async for event in stream:
                if event.type == SpeechEventType.RECOGNITION_USAGE:
                    break
        await stt.aclose()
        records = await meter.records()

    assert sum(record.usage["audio_sent_ms"] for record in records) >= 1300
    assert {record.is_estimated for record in records} == {True}


async def test_cancelled_chat_whose_tokens_nobody_told_is_an_estimate(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        llm = meter.llm()
        stream = llm.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY)
        await anext(stream)
        await stream.aclose()
        await llm.aclose()
        record = await meter.record()

    assert (record.outcome, record.is_estimated) == ("cancelled", True)
