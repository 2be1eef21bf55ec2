"""The real Cartesia plugin against the simulator: audio, timestamps, faults, and the bill to the character."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from livekit.agents import APIConnectOptions, APIError, APIStatusError, APITimeoutError
from livekit.plugins import cartesia
from tests.integration.testing_vendors.bench import IMPATIENT, NO_RETRY, RETRY, started, truth_of

from voicegateway.testing.vendors import FaultKind, FaultRule, VendorSimulators
from voicegateway.testing.vendors.faults import Endpoint

TEXT = "Hello there, this is a test of speech."


@pytest.fixture
def transcripts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each transcript any client of this process sends."""
    sent: list[str] = []
    send = aiohttp.ClientWebSocketResponse.send_str

    async def noting(self: aiohttp.ClientWebSocketResponse, data: str, compress: int | None = None) -> None:
        await send(self, data, compress)
        sent.append(json.loads(data)["transcript"])

    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "send_str", noting)
    return sent


async def stream_speech(sims: VendorSimulators, text: str = TEXT, *, options: APIConnectOptions = NO_RETRY) -> float:
    """Return the seconds of audio streamed for a text."""
    voice = cartesia.TTS(**sims.cartesia.plugin_kwargs())
    try:
        async with voice.stream(conn_options=options) as stream:
            stream.push_text(text)
            stream.end_input()
            return sum([audio.frame.duration async for audio in stream])
    finally:
        await voice.aclose()


async def synthesize(sims: VendorSimulators, text: str = TEXT, *, options: APIConnectOptions = NO_RETRY) -> float:
    """Return the seconds of audio that `/tts/bytes` gives for a text."""
    voice = cartesia.TTS(**sims.cartesia.plugin_kwargs())
    try:
        async with voice.synthesize(text, conn_options=options) as stream:
            return sum([audio.frame.duration async for audio in stream])
    finally:
        await voice.aclose()


async def test_streamed_speech_bills_every_character_sent(transcripts: list[str]) -> None:
    async with started() as sims:
        seconds = await stream_speech(sims)
        [bill] = await truth_of(sims)

    assert seconds == pytest.approx(2.714, abs=0.01)
    # The plugin adds a blank to each sentence and ends with a blank of its own.
    assert transcripts == [TEXT + " ", " "]
    assert bill.usage == {"characters_sent": len("".join(transcripts))}
    assert (bill.billed, bill.outcome, bill.model) == (True, "ok", "sonic-3")
    assert bill.facts["audio_ms_written"] == 2714


async def test_words_are_timed_over_the_whole_audio() -> None:
    async with started() as sims:
        voice = cartesia.TTS(**sims.cartesia.plugin_kwargs())
        async with voice.stream(conn_options=NO_RETRY) as stream:
            stream.push_text(TEXT)
            stream.end_input()
            timed = [word async for audio in stream for word in audio.frame.userdata.get("lk.timed_transcripts", [])]
        await voice.aclose()

    assert [str(word).strip() for word in timed] == TEXT.split()
    assert timed[-1].end_time == pytest.approx(2.714, abs=0.001)


async def test_pooled_socket_serves_one_bill_per_context() -> None:
    async with started() as sims:
        voice = cartesia.TTS(**sims.cartesia.plugin_kwargs())
        for text in ("One sentence here.", "And another sentence there."):
            async with voice.stream(conn_options=NO_RETRY) as stream:
                stream.push_text(text)
                stream.end_input()
                contexts = [audio.segment_id async for audio in stream]
        await voice.aclose()
        bills = await truth_of(sims, count=2)

    assert [bill.usage["characters_sent"] for bill in bills] == [18 + 2, 27 + 2]
    assert bills[1].request_id == contexts[0]


async def test_dropped_socket_bills_what_was_sent(transcripts: list[str]) -> None:
    async with started() as sims:
        voice = cartesia.TTS(**sims.cartesia.plugin_kwargs())
        stream = voice.stream(conn_options=NO_RETRY)
        stream.push_text(TEXT * 20)
        stream.flush()
        await anext(stream)
        await stream.aclose()
        # The plugin keeps an interrupted socket open until its next stream or its end.
        await voice.aclose()
        [bill] = await truth_of(sims)

    assert bill.usage == {"characters_sent": len("".join(transcripts))}
    assert (bill.billed, bill.outcome) == (True, "client_closed")


async def test_bytes_endpoint_bills_the_transcript() -> None:
    async with started() as sims:
        seconds = await synthesize(sims)
        [bill] = await truth_of(sims)

    assert seconds == pytest.approx(2.714, abs=0.02)
    assert bill.usage == {"characters_sent": 38}
    assert bill.outcome == "ok"


async def test_message_that_cannot_be_spoken_is_an_error_and_free() -> None:
    async with started() as sims, aiohttp.ClientSession() as http:
        url = f"{sims.cartesia.base_url}/tts/websocket?cartesia_version=2025-04-16"
        async with http.ws_connect(url, headers={"X-API-Key": "k"}) as socket:
            await socket.send_json({"context_id": "c", "transcript": "x"})
            answer: dict[str, Any] = await socket.receive_json()
        records = sims.truth()

    assert (answer["type"], answer["status_code"], answer["done"]) == ("error", 400, True)
    assert records == []


@pytest.mark.parametrize(
    ("kind", "status", "is_retryable"),
    [("rate_limited", 429, True), ("server_error", 503, True), ("unauthorized", 401, False)],
)
@pytest.mark.parametrize("endpoint", ["tts_socket", "tts_bytes"])
async def test_refusal_is_free_and_raises_its_status(
    endpoint: Endpoint, kind: FaultKind, status: int, is_retryable: bool
) -> None:
    rule = FaultRule(vendor="cartesia", endpoint=endpoint, kind=kind, nth=1)
    speak = stream_speech if endpoint == "tts_socket" else synthesize
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIStatusError) as raised:
            await speak(sims)
        [bill] = sims.truth()

    assert (raised.value.status_code, raised.value.retryable) == (status, is_retryable)
    assert (bill.billed, bill.usage, bill.outcome) == (False, {}, f"fault:{kind}")


async def test_failed_context_is_free_and_the_plugin_retries(transcripts: list[str]) -> None:
    rule = FaultRule(vendor="cartesia", kind="vendor_error", nth=1)
    async with started(faults=(rule,)) as sims:
        seconds = await stream_speech(sims, options=RETRY)
        failed, spoken = await truth_of(sims, count=2)

    sent = len(TEXT) + 2
    assert seconds == pytest.approx(2.714, abs=0.01)
    assert len("".join(transcripts)) == 2 * sent
    assert failed.usage == {"characters_sent": sent, "characters_failed": sent}
    assert (failed.billed, failed.outcome) == (False, "fault:vendor_error")
    assert (spoken.billed, spoken.usage) == (True, {"characters_sent": sent})


@pytest.mark.parametrize("kind", ["close_mid_stream", "abort_mid_stream"])
async def test_context_broken_after_audio_is_billed(kind: FaultKind, transcripts: list[str]) -> None:
    rule = FaultRule(vendor="cartesia", kind=kind, endpoint="tts_context", nth=1)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIError):
            await stream_speech(sims)
        [bill] = await truth_of(sims)

    assert (bill.billed, bill.outcome) == (True, f"fault:{kind}")
    assert bill.usage == {"characters_sent": len("".join(transcripts))}
    assert bill.facts["audio_ms_written"] == 600


async def test_context_closed_before_audio_is_free_and_retried() -> None:
    rule = FaultRule(vendor="cartesia", kind="close_mid_stream", nth=1, after_chunks=0)
    async with started(faults=(rule,)) as sims:
        seconds = await stream_speech(sims, options=RETRY)
        bills = await truth_of(sims, count=2)

    assert seconds == pytest.approx(2.714, abs=0.01)
    assert [bill.billed for bill in bills] == [False, True]


async def test_stalled_context_times_out_and_is_free() -> None:
    rule = FaultRule(vendor="cartesia", kind="stall", nth=1, stall_s=20)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APITimeoutError):
            await stream_speech(sims, options=IMPATIENT)
        [bill] = await truth_of(sims)

    assert (bill.billed, bill.outcome) == (False, "fault:stall")
    assert bill.usage["characters_failed"] == bill.usage["characters_sent"] == len(TEXT) + 2


async def test_bytes_cut_off_mid_stream_are_billed() -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_bytes", kind="abort_mid_stream", nth=1)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIError):
            await synthesize(sims)
        [bill] = await truth_of(sims)

    assert (bill.billed, bill.usage) == (True, {"characters_sent": 38})
    assert bill.facts["audio_ms_written"] == 600


async def test_cancelled_context_stops_and_is_billed() -> None:
    async with started() as sims, aiohttp.ClientSession() as http:
        url = f"{sims.cartesia.base_url}/tts/websocket?cartesia_version=2025-04-16"
        async with http.ws_connect(url, headers={"X-API-Key": "k"}) as socket:
            await socket.send_json(
                {
                    "model_id": "sonic-3",
                    "transcript": TEXT * 10,
                    "voice": {"mode": "id", "id": "v"},
                    "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000},
                    "context_id": "c1",
                    "continue": True,
                }
            )
            await socket.receive_json()
            await socket.send_json({"context_id": "c1", "cancel": True})
            async with asyncio.timeout(5):
                while not (answer := await socket.receive_json())["done"]:
                    continue
        [bill] = await truth_of(sims)

    assert answer["type"] == "done"
    assert bill.usage == {"characters_sent": 380}
    assert (bill.request_id, bill.billed) == ("c1", True)
