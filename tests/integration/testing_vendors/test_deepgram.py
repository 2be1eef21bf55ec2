"""The real Deepgram plugin against the simulator: transcripts, faults, and the bill to the millisecond."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError
from livekit.agents.stt import SpeechEvent, SpeechEventType
from livekit.plugins import deepgram
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import (
    FRAME_MS,
    NO_RETRY,
    RETRY,
    SAMPLE_RATE,
    silence,
    speech,
    started,
    truth_of,
)

from voicegateway.testing.vendors import FaultKind, FaultRule, VendorSimulators

FRAME_BYTES = SAMPLE_RATE * FRAME_MS // 1000 * 2
AUDIO_RECEIVED_S = 5.0


@pytest.fixture
def sent_bytes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return a list that grows with the length of each binary frame any client of this process sends."""
    lengths: list[int] = []
    send = aiohttp.ClientWebSocketResponse.send_bytes

    async def counting(self: aiohttp.ClientWebSocketResponse, data: bytes, compress: int | None = None) -> None:
        await send(self, data, compress)
        lengths.append(len(data))

    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "send_bytes", counting)
    return iter([lengths])


async def heard(stream: deepgram.SpeechStream, *, utterances: int) -> list[SpeechEvent]:
    """Return the events up to the end of so many utterances."""
    events = []
    async for event in stream:
        events.append(event)
        utterances -= event.type == SpeechEventType.END_OF_SPEECH
        if utterances == 0:
            break
    return events


async def transcribe(sims: VendorSimulators, *, utterances: int = 1) -> list[str]:
    """Say something and return the final transcripts."""
    stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=RETRY)
    try:
        for _ in range(utterances):
            for frame in [*silence(ms=500), *speech(ms=900), *silence(ms=300)]:
                stream.push_frame(frame)
        events = await heard(stream, utterances=utterances)
    finally:
        await stream.aclose()
    return [e.alternatives[0].text for e in events if e.type == SpeechEventType.FINAL_TRANSCRIPT]


async def test_speech_becomes_events_in_vendor_order() -> None:
    async with started() as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=RETRY)
        for frame in [*silence(ms=500), *speech(ms=900), *silence(ms=300)]:
            stream.push_frame(frame)
        events = await heard(stream, utterances=1)
        await stream.aclose()
        [bill] = await truth_of(sims)

    said = "Hi, I'd like to know when my order will arrive."
    assert [(e.type.value, e.alternatives[0].text if e.alternatives else "") for e in events] == [
        ("start_of_speech", ""),
        ("interim_transcript", "Hi,"),
        ("interim_transcript", "Hi, I'd"),
        ("interim_transcript", "Hi, I'd like"),
        ("final_transcript", said),
        ("end_of_speech", ""),
    ]
    assert events[4].request_id == bill.request_id
    words = events[4].alternatives[0].words or []
    assert [str(word) for word in words] == said.split()


async def test_each_connection_goes_through_the_script_in_order() -> None:
    async with started() as sims:
        first = await transcribe(sims, utterances=2)
        second = await transcribe(sims, utterances=2)

    assert (
        first
        == second
        == [
            "Hi, I'd like to know when my order will arrive.",
            "The number is four seven one nine.",
        ]
    )


async def test_silence_alone_says_nothing_and_is_billed(sent_bytes: Iterator[list[int]]) -> None:
    lengths = next(sent_bytes)
    async with started() as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=RETRY)
        for frame in silence(ms=2000):
            stream.push_frame(frame)
        await eventually(lambda: len(lengths) >= 40, within_s=AUDIO_RECEIVED_S)
        await stream.aclose()
        [bill] = await truth_of(sims)

    assert bill.usage == {"audio_sent_ms": 2000}
    assert bill.facts["audio_bytes"] == sum(lengths) == 40 * FRAME_BYTES
    assert (bill.billed, bill.model) == (True, "nova-3")
    # Whether the plugin's CloseStream still gets out when it is closed is a race inside the plugin.
    assert bill.outcome in ("ok", "client_closed")


async def test_flush_finalizes_a_running_utterance() -> None:
    async with started() as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=RETRY)
        for frame in speech(ms=500):
            stream.push_frame(frame)
        stream.flush()
        events = await heard(stream, utterances=1)
        await stream.aclose()

    assert events[-2].alternatives[0].text == "Hi, I'd like to know when my order will arrive."


async def test_close_stream_answers_final_then_metadata_then_closes() -> None:
    async with started() as sims, aiohttp.ClientSession() as http:
        url = f"{sims.deepgram.base_url}?encoding=linear16&sample_rate=16000&channels=1&model=nova-3"
        async with http.ws_connect(url, headers={"Authorization": "Token k"}) as socket:
            await socket.send_str('{"type": "KeepAlive"}')
            for frame in speech(ms=1000):
                await socket.send_bytes(bytes(frame.data))
            await socket.send_bytes(bytes(7))
            await socket.send_str('{"type": "CloseStream"}')
            answers = [message.json() async for message in socket]
        [bill] = await truth_of(sims)

    assert [(a["type"], a.get("is_final")) for a in answers] == [("Results", True), ("Metadata", None)]
    assert answers[-1]["request_id"] == bill.request_id
    assert answers[-1]["duration"] == 1.0
    # Seven bytes are three and a half samples: 0.2 ms, which rounds down to nothing.
    assert bill.usage == {"audio_sent_ms": 1000}
    assert bill.facts["audio_bytes"] == 20 * FRAME_BYTES + 7
    assert bill.outcome == "ok"


async def test_add_ons_and_channels_are_billed_by_audio_time() -> None:
    async with started() as sims, aiohttp.ClientSession() as http:
        query = "encoding=linear16&sample_rate=8000&channels=2&diarize=true&keyterm=refund&language=multi"
        async with http.ws_connect(f"{sims.deepgram.base_url}?{query}", headers={"Authorization": "Token k"}) as socket:
            await socket.send_bytes(bytes(8000 * 2 * 2))
        [bill] = await truth_of(sims)

    assert bill.usage == {"audio_sent_ms": 1000, "diarize_ms": 1000, "keyterm_ms": 1000}
    assert bill.context == {"mode": "streaming", "language": "multi"}


@pytest.mark.parametrize(
    ("kind", "status", "is_retryable"),
    [("rate_limited", 429, True), ("server_error", 503, True), ("unauthorized", 401, False)],
)
async def test_refused_handshake_is_free_and_raises_its_status(
    kind: FaultKind, status: int, is_retryable: bool
) -> None:
    rule = FaultRule(vendor="deepgram", kind=kind, nth=1)
    async with started(faults=(rule,)) as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=NO_RETRY)
        with pytest.raises(APIStatusError) as raised:
            await heard(stream, utterances=1)
        await stream.aclose()
        [bill] = sims.truth()

    assert (raised.value.status_code, raised.value.retryable) == (status, is_retryable)
    assert (bill.billed, bill.usage, bill.outcome) == (False, {}, f"fault:{kind}")


async def test_retry_after_is_on_the_rate_limited_handshake() -> None:
    rule = FaultRule(vendor="deepgram", kind="rate_limited", nth=1, retry_after_s=7)
    async with (
        started(faults=(rule,)) as sims,
        aiohttp.ClientSession() as http,
        http.get(sims.deepgram.base_url) as answer,
    ):
        status, retry_after = answer.status, answer.headers["Retry-After"]

    assert (status, retry_after) == (429, "7")


async def test_plugin_survives_a_refused_handshake_by_retrying() -> None:
    rule = FaultRule(vendor="deepgram", kind="server_error", nth=1)
    async with started(faults=(rule,)) as sims:
        said = await transcribe(sims)
        bills = await truth_of(sims, count=2)

    assert said == ["Hi, I'd like to know when my order will arrive."]
    assert [bill.billed for bill in bills] == [False, True]


@pytest.mark.parametrize("kind", ["close_mid_stream", "abort_mid_stream"])
async def test_connection_broken_by_the_vendor_raises(kind: FaultKind) -> None:
    rule = FaultRule(vendor="deepgram", kind=kind, nth=1, after_audio_ms=300)
    async with started(faults=(rule,)) as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=NO_RETRY)
        for frame in silence(ms=300):
            stream.push_frame(frame)
        with pytest.raises(APIError) as raised:
            await heard(stream, utterances=1)
        await stream.aclose()
        [bill] = await truth_of(sims)

    is_close = kind == "close_mid_stream"
    assert isinstance(raised.value, APIStatusError if is_close else (APIStatusError, APIConnectionError))
    assert getattr(raised.value, "status_code", None) == (1011 if is_close else -1) or not is_close
    assert raised.value.retryable
    assert (bill.billed, bill.outcome, bill.usage) == (True, f"fault:{kind}", {"audio_sent_ms": 300})


async def test_audio_sent_after_the_vendors_close_frame_is_still_billed(
    sent_bytes: Iterator[list[int]],
) -> None:
    lengths = next(sent_bytes)
    rule = FaultRule(vendor="deepgram", kind="close_mid_stream", nth=1, after_audio_ms=100)
    async with started(faults=(rule,)) as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=NO_RETRY)
        # All at once: the plugin sends far more than 100 ms before it reads the close frame.
        for frame in silence(ms=20_000):
            stream.push_frame(frame)
        with pytest.raises(APIStatusError):
            await heard(stream, utterances=1)
        await stream.aclose()
        [bill] = await truth_of(sims)

    assert bill.facts["audio_bytes"] == sum(lengths) > 2 * FRAME_BYTES


async def test_stalled_vendor_hears_and_bills_but_says_nothing_for_a_while() -> None:
    rule = FaultRule(vendor="deepgram", kind="stall", nth=1, stall_s=0.3)
    async with started(faults=(rule,)) as sims:
        stream = deepgram.STT(**sims.deepgram.plugin_kwargs()).stream(conn_options=NO_RETRY)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        finals: list[str] = []

        async def listen() -> None:
            finals.extend(
                e.alternatives[0].text
                for e in await heard(stream, utterances=1)
                if e.type == SpeechEventType.FINAL_TRANSCRIPT
            )

        listening = asyncio.create_task(listen())
        while not finals and loop.time() - begun < AUDIO_RECEIVED_S:
            for frame in [*speech(ms=300), *silence(ms=300)]:
                stream.push_frame(frame)
            await asyncio.sleep(0.05)
        await listening
        await stream.aclose()
        [bill] = await truth_of(sims)

    # The first utterance fell into the silence.
    assert finals[0] != "Hi, I'd like to know when my order will arrive."
    assert (bill.billed, bill.outcome) == (True, "fault:stall")
