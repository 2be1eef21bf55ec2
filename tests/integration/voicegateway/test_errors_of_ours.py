"""Errors of our own inside a call: counted, never heard, and the call is what it would have been."""

from pathlib import Path
from typing import Any

import pytest
from livekit.plugins import cartesia, openai
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.metering import Record, broken, metering
from tests.integration.voicegateway.plugin_use import (
    QUESTION,
    SAID,
    ask,
    converse,
    prerecorded,
    stream_speech,
    utterance,
)

from voicegateway import runtime, tracing
from voicegateway.instrument import llm as llm_hooks
from voicegateway.instrument import request, second_opinion, wire
from voicegateway.instrument import stt as stt_hooks
from voicegateway.instrument import tts as tts_hooks
from voicegateway.instrument.wire import socket as wire_socket
from voicegateway.testing.vendors import OpenAIOptions
from voicegateway.wire_count import WireCount

BROKEN_CHAT = [
    (request, "open_record"),
    (request, "follow"),
    (request, "current_identity"),
    (tracing, "start_span"),
    (tracing, "end_span"),
    (second_opinion, "expect"),
    (second_opinion, "_attach"),
    (llm_hooks, "_counted_chunks"),
    (runtime.Runtime, "begin"),
    (runtime.Runtime, "settle"),
]


@pytest.mark.parametrize(("target", "name"), BROKEN_CHAT, ids=[name for _, name in BROKEN_CHAT])
async def test_chat_is_not_disturbed_by_errors_of_ours(tmp_path: Path, target: Any, name: str) -> None:
    async with metering(tmp_path) as meter:
        bare = openai.LLM(model="gpt-4.1-mini", **meter.sims.openai.plugin_kwargs())
        metered = meter.llm()
        expected = await ask(bare)
        with broken(target, name) as raised:
            said = await ask(metered)
        await bare.aclose()
        await metered.aclose()

    assert said == expected
    assert len(raised) >= 1
    assert meter.runtime.hook_errors == len(raised)


BROKEN_TRANSCRIPTION = [
    (request, "open_record"),
    (request, "follow"),
    (tracing, "start_span"),
    (tracing, "end_span"),
    (wire, "wire_count"),
    (second_opinion, "expect"),
    (stt_hooks, "_counted_frames"),
    (stt_hooks, "_counted_events"),
    (stt_hooks, "_transcript_lag_ns"),
    (wire_socket, "request_id"),
    (WireCount, "audio"),
    (WireCount, "opened"),
    (WireCount, "closed"),
    (runtime.Runtime, "begin"),
    (runtime.Runtime, "settle"),
]


@pytest.mark.parametrize(("target", "name"), BROKEN_TRANSCRIPTION, ids=[name for _, name in BROKEN_TRANSCRIPTION])
async def test_transcription_is_not_disturbed_by_errors_of_ours(tmp_path: Path, target: Any, name: str) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        with broken(target, name) as raised:
            said = await converse(plugin)
        await plugin.aclose()

    assert said == SAID
    assert len(raised) >= 1
    assert meter.runtime.hook_errors == len(raised)


BROKEN_SPEECH = [
    (request, "open_record"),
    (request, "follow"),
    (tracing, "start_span"),
    (tracing, "end_span"),
    (wire, "wire_count"),
    (wire, "meter_session"),
    (second_opinion, "expect"),
    (tts_hooks, "_counted_audio"),
    (tts_hooks, "_first_audio"),
    (tts_hooks, "_counted_text"),
    (runtime.Runtime, "begin"),
    (runtime.Runtime, "settle"),
]


@pytest.mark.parametrize(("target", "name"), BROKEN_SPEECH, ids=[name for _, name in BROKEN_SPEECH])
async def test_speech_is_not_disturbed_by_errors_of_ours(tmp_path: Path, target: Any, name: str) -> None:
    async with metering(tmp_path) as meter:
        bare = cartesia.TTS(**meter.sims.cartesia.plugin_kwargs())
        metered = meter.tts()
        expected = await stream_speech(bare)
        with broken(target, name) as raised:
            heard = await stream_speech(metered)
        await bare.aclose()
        await metered.aclose()

    assert heard == expected
    assert len(raised) >= 1
    assert meter.runtime.hook_errors == len(raised)


@pytest.mark.parametrize("name", ["begin", "settle"])
async def test_recording_is_not_disturbed_by_errors_of_ours(tmp_path: Path, name: str) -> None:
    async with metering(tmp_path) as meter, prerecorded() as url:
        plugin = meter.stt(base_url=url)
        with broken(runtime.Runtime, name):
            event = await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()

    assert event.alternatives[0].text == SAID
    assert meter.runtime.hook_errors == 1


async def test_end_of_a_process_settles_all_whatever_goes_wrong_with_one(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=OpenAIOptions(ttft_ms=60_000)) as meter:
        llm = meter.llm()
        streams = [llm.chat(chat_ctx=QUESTION) for _ in range(3)]
        with broken(meter.runtime._presence, "note") as raised:
            meter.runtime.close()
        for stream in streams:
            await stream.aclose()
        await llm.aclose()
        outcomes = [Record.of(meter.sink.span(request_id)).outcome for request_id in meter.sink.received]

    assert outcomes == ["cancelled"] * 3
    assert meter.runtime.hook_errors == len(raised) == 3
