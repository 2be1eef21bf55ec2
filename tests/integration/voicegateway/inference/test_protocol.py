"""What the server answers to LiveKit's own clients, and to those who may not come in."""

import datetime
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from livekit import api, rtc
from livekit.agents import APIConnectOptions, APIError, APIStatusError, inference, llm
from livekit.agents.stt import SpeechEventType
from tests.fixtures.job import job
from tests.fixtures.limit_controller import LimitController
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, conversation, silence, speech
from tests.integration.voicegateway.inference.serving import API_KEY, API_SECRET, LLM, STT, TTS, serving_here

from voicegateway.testing.vendors import CartesiaOptions, FaultRule, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

SLOW = OpenAIOptions(replies=("word " * 200,), ttft_ms=10, token_ms=20)


def token(*, key: str = API_KEY, secret: str = API_SECRET, performs: bool = True, ttl_s: int = 600) -> str:
    """Return a token as LiveKit's clients make them, or nearly."""
    grants = api.access_token.InferenceGrants(perform=performs)
    made = api.AccessToken(key, secret).with_identity("agent").with_inference_grants(grants)
    return made.with_ttl(datetime.timedelta(seconds=ttl_s)).to_jwt()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def language_model(**options: Any) -> AsyncIterator[inference.LLM]:
    """LiveKit's own, as a string makes it."""
    model = inference.LLM(LLM, **options)
    try:
        yield model
    finally:
        await model.aclose()


async def collected(stream: llm.LLMStream) -> tuple[str, list[llm.FunctionToolCall], llm.CompletionUsage | None]:
    text, calls, usage = "", [], None
    async with stream:
        async for chunk in stream:
            usage = chunk.usage or usage
            if chunk.delta is not None:
                text += chunk.delta.content or ""
                calls += chunk.delta.tool_calls
    return text, calls, usage


@pytest.mark.parametrize(
    "authorization",
    [
        {},
        {"Authorization": "Basic abc"},
        bearer("nonsense"),
        bearer(token(key="APIother")),
        bearer(token(secret="another-secret-that-is-long-enough-for-it")),
        bearer(token(performs=False)),
        bearer(token(ttl_s=-3_600)),
    ],
)
async def test_stranger_is_refused_everywhere(tmp_path: Path, authorization: dict[str, str]) -> None:
    async with serving_here(tmp_path) as here, aiohttp.ClientSession(headers=authorization) as http:
        statuses = []
        for path in ("/models", "/stt?model=deepgram/nova-3", "/tts?model=cartesia/sonic-3"):
            async with http.get(here.server.url + path) as response:
                statuses.append(response.status)
        async with http.post(here.server.url + "/chat/completions", data=b"{}") as response:
            statuses.append(response.status)
            body = await response.json()
        records = await here.meter.records()

    assert statuses == [401] * 4
    assert body["error"]["code"] == "unauthorized"
    assert records == []


async def test_answer_with_its_usage_is_the_vendors(tmp_path: Path) -> None:
    reply = OpenAIOptions(replies=("It should reach you on Thursday.",), ttft_ms=5, token_ms=1)
    async with serving_here(tmp_path, openai=reply) as here, language_model() as model:
        await model._prewarm_impl()
        with job("AJ_3"):
            text, calls, usage = await collected(
                model.chat(chat_ctx=conversation("Where is it?"), conn_options=NO_RETRY)
            )
        record = await here.meter.record()
        bill = await here.meter.bill()

    assert text == "It should reach you on Thursday."
    assert calls == []
    assert usage is not None
    assert record.billed(*bill.usage) == bill.usage
    assert usage.prompt_tokens == bill.usage["input_tokens"]
    assert usage.completion_tokens == bill.usage["output_tokens"]
    assert record[names.SESSION_ID] == "AJ_3"


async def test_error_of_the_vendor_keeps_its_status_and_its_key_stays_ours(tmp_path: Path) -> None:
    faults = (
        FaultRule(vendor="openai", endpoint="chat", kind="unauthorized", nth=1),
        FaultRule(vendor="openai", endpoint="chat", kind="server_error", nth=2),
        FaultRule(vendor="openai", endpoint="chat", kind="server_error", nth=3),
    )
    async with serving_here(tmp_path, faults=faults), language_model() as model:
        told = []
        for _ in range(2):
            with pytest.raises(APIStatusError) as raised:
                await collected(model.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY))
            told.append(raised.value.status_code)

    assert told == [502, 503]


async def test_answer_that_breaks_off_is_an_error_and_never_looks_whole(tmp_path: Path) -> None:
    faults = (FaultRule(vendor="openai", endpoint="chat", kind="abort_mid_stream", nth=1),)
    async with serving_here(tmp_path, faults=faults, openai=SLOW) as here, language_model() as model:
        stream = model.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY)
        first = await anext(stream)
        with pytest.raises(APIError):
            await collected(stream)
        record = await here.meter.record()

    assert first.has_response()
    assert record.outcome == "error"


async def test_unknown_model_is_told_as_such(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as here:
        nobody = inference.LLM("nobody/knows-it")
        with pytest.raises(APIStatusError, match="nobody") as raised:
            await collected(nobody.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY))
        await nobody.aclose()
        stream = inference.STT("nobody/knows-it").stream(conn_options=NO_RETRY)
        with pytest.raises(APIError, match="returned an error"):
            await anext(stream)
        await stream.aclose()
        records = await here.meter.records()

    assert raised.value.status_code == 404
    assert records == []


async def test_caller_who_leaves_ends_the_vendors_request_too(tmp_path: Path) -> None:
    async with serving_here(tmp_path, openai=SLOW) as here, language_model() as model:
        stream = model.chat(chat_ctx=conversation("Tell me all."), conn_options=NO_RETRY)
        await anext(stream)
        await stream.aclose()
        [bill] = await here.meter.sims.settled()
        record = await here.meter.record()

    assert record.outcome == "cancelled"
    assert bill.outcome == "client_closed"
    assert record.is_estimated


async def test_used_up_limit_is_told_as_livekits_quota(tmp_path: Path) -> None:
    controller = LimitController({"name": "few", "provider": "openai", "requests_per_min": 60})
    controller.budget["few:requests_per_min"] = 0
    async with serving_here(tmp_path, admit_wait_ms=0, decide_sync=controller) as here:
        body = {"model": LLM, "messages": [{"role": "user", "content": "Hello?"}], "stream": True}
        async with (
            aiohttp.ClientSession(headers=bearer(token())) as http,
            http.post(here.server.url + "/chat/completions", data=json.dumps(body)) as response,
        ):
            told = await response.json()

    assert response.status == 429
    assert told["error"]["code"] == "limit_used_up"
    assert response.headers["X-LiveKit-Inference-RPM-Limit"] == "60"
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"model": "openai/gpt-4.1-mini", "messages": [], "stream": false}',
        b'{"model": "openai/gpt-4.1-mini", "messages": "hello", "stream": true}',
        b'{"model": "openai/gpt-4.1-mini", "messages": [{"role": "king"}], "stream": true}',
        b'{"model": "openai/gpt-4.1-mini", "messages": [], "tools": [{}], "stream": true}',
        b'{"model": "openai/gpt-4.1-mini", "messages": [], "extra_headers": {"a": "b"}, "stream": true}',
        b'{"model": 7, "messages": [], "stream": true}',
        b"[" * 100_000,
    ],
)
async def test_body_that_is_no_chat_is_refused(tmp_path: Path, body: bytes) -> None:
    async with serving_here(tmp_path) as here:
        async with (
            aiohttp.ClientSession(headers=bearer(token())) as http,
            http.post(here.server.url + "/chat/completions", data=body) as response,
        ):
            told = await response.json()
        records = await here.meter.records()

    assert (response.status, told["error"]["code"]) == (400, "bad_request")
    assert records == []


@pytest.mark.parametrize("path", ["/stt?model=deepgram/nova-3", "/tts?model=cartesia/sonic-3"])
@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        '{"type": "input_audio"}',
        '{"type": "session.create", "settings": 7, "sample_rate": "x"}',
        '{"type": "session.create", "fallback": {"models": [7]}}',
        '{"type": "session.create", "settings": {"sample_rate": "1"}, "sample_rate": "1"}',
    ],
)
async def test_socket_that_breaks_the_protocol_is_told_so_and_closed(tmp_path: Path, path: str, message: str) -> None:
    async with (
        serving_here(tmp_path) as here,
        aiohttp.ClientSession(headers=bearer(token())) as http,
        http.ws_connect(here.server.url + path) as socket,
    ):
        await socket.send_str(message)
        told = await socket.receive_json()
        end = await socket.receive()

    assert (told["type"], told["code"]) == ("error", 400)
    assert end.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_words_with_their_times_arrive_as_the_vendor_told_them(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as here:
        stt = inference.STT(STT)
        stream = stt.stream(conn_options=NO_RETRY)
        for frame in (*speech(ms=1_000), *silence(ms=1_000)):
            stream.push_frame(frame)
        stream.end_input()
        events = [event async for event in stream]
        await stream.aclose()
        record = await here.meter.record()
        bill = await here.meter.bill()
    finals = [event.alternatives[0] for event in events if event.type is SpeechEventType.FINAL_TRANSCRIPT]
    told = [final for final in finals if final.text]

    assert SpeechEventType.START_OF_SPEECH in [event.type for event in events]
    assert SpeechEventType.INTERIM_TRANSCRIPT in [event.type for event in events]
    assert told
    assert told[0].words is not None
    assert " ".join(str(word) for word in told[0].words).split()[0].strip(",.").lower() in told[0].text.lower()
    assert told[0].words[-1].end_time == pytest.approx(told[0].end_time, abs=0.5)
    assert record.billed(*bill.usage) == bill.usage


async def test_voice_is_heard_in_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    async with serving_here(tmp_path, cartesia=CartesiaOptions(first_chunk_ms=5, chunk_every_ms=2)) as here:
        tts = inference.TTS(TTS, sample_rate=16_000)
        frames: list[rtc.AudioFrame] = []
        for text in ("It is on its way.", "It should reach you on Thursday."):
            async with tts.stream(conn_options=NO_RETRY) as stream:
                stream.push_text(text)
                stream.end_input()
                frames += [audio.frame async for audio in stream]
        await tts.aclose()
        records = await here.meter.records()
        bills = await here.meter.bills()

    assert {frame.sample_rate for frame in frames} == {16_000}
    assert [record.outcome for record in records] == ["ok", "ok"]
    assert sum(record.usage["characters_sent"] for record in records) == sum(b.usage["characters_sent"] for b in bills)
    assert here.server.connections == 0


async def test_interrupted_voice_is_cancelled_at_the_vendor(tmp_path: Path) -> None:
    async with serving_here(tmp_path, cartesia=CartesiaOptions(first_chunk_ms=5, chunk_every_ms=100)) as here:
        tts = inference.TTS(TTS)
        stream = tts.stream(conn_options=NO_RETRY)
        stream.push_text("It is on its way, and it should reach you on Thursday, if nothing else happens on the way.")
        stream.end_input()
        await anext(stream)
        await stream.aclose()
        await tts.aclose()
        await eventually(lambda: here.server.connections == 0)
        await here.server._plugins.aclose()
        record = await here.meter.record()
        bill = await here.meter.bill()

    assert record.outcome == "cancelled"
    assert record.billed(*bill.usage) == bill.usage


async def test_server_that_is_full_or_stopping_takes_nobody(tmp_path: Path) -> None:
    async with (
        serving_here(tmp_path, settings={"connections_max": 1}) as here,
        aiohttp.ClientSession(headers=bearer(token())) as http,
    ):
        async with (
            http.ws_connect(here.server.url + "/tts?model=cartesia/sonic-3"),
            http.get(here.server.url + "/models") as full,
        ):
            assert full.status == 503
        await eventually(lambda: here.server.connections == 0)
        async with http.get(here.server.url + "/models") as empty:
            assert empty.status == 200
        async with http.ws_connect(here.server.url + "/tts?model=cartesia/sonic-3") as idle:
            await here.server.drain()
            assert (await idle.receive()).type is aiohttp.WSMsgType.CLOSE
        async with http.get(here.server.url + "/models") as stopping:
            assert stopping.status == 503
        async with http.get(here.server.url.removesuffix("/v1") + "/readyz") as ready:
            assert ready.status == 503


async def test_silence_of_the_vendor_ends_in_a_timeout_and_not_in_silence(tmp_path: Path) -> None:
    faults = (FaultRule(vendor="cartesia", endpoint="tts_context", kind="stall", nth=1),)
    patient = APIConnectOptions(max_retry=0, timeout=0.5)
    async with serving_here(tmp_path, faults=faults):
        tts = inference.TTS(TTS, conn_options=patient)
        async with tts.stream(conn_options=NO_RETRY) as stream:
            stream.push_text("It is on its way.")
            stream.end_input()
            with pytest.raises(APIError):
                _ = [audio async for audio in stream]
        await tts.aclose()
