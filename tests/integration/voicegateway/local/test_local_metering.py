"""Requests of local models in the ledger: text, audio, and the time of slots, however they end."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIStatusError
from tests.fixtures.job import job
from tests.fixtures.tiny_voices import make_kokoro, make_piper
from tests.fixtures.tiny_whisper import make_whisper
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.local.engines import ONCE, SENTENCES, slots_of, spoken, tone
from tests.integration.voicegateway.metering import Meter, metering

from voicegateway.local import loaded
from voicegateway.node_count import NodeCount
from voicegateway_shared.telemetry import attributes as names

EFFORT_WITHOUT_END = 4_000
LOOKS = 20


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(make_piper(make_kokoro(tmp_path_factory.mktemp("models"))))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[NodeCount]:
    """Every count that is made, in order."""
    made: list[NodeCount] = []
    init = NodeCount.__init__

    def noted(self: NodeCount) -> None:
        init(self)
        made.append(self)

    monkeypatch.setattr(NodeCount, "__init__", noted)
    return made


def tts_of(meter: Meter, models: Path, model: str = "kokoro/v1.0:af_sarah", **given: Any) -> Any:
    return meter.gateway.tts(model, **{"model_dir": models, "slots": 1, **given})


@pytest.mark.parametrize("model", ["kokoro/v1.0:af_sarah", "piper/en_US-tiny-low"])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_speech_is_metered_exactly(
    tmp_path: Path, models: Path, counts: list[NodeCount], model: str, is_stream: bool
) -> None:
    async with metering(tmp_path) as meter:
        tts = tts_of(meter, models, model)
        if is_stream:
            stream = tts.stream()
            stream.push_text(SENTENCES)
            stream.end_input()
        else:
            stream = tts.synthesize(SENTENCES)
        heard_s = await spoken(stream)
        record = await meter.record()

    [count] = counts
    provider, _, rest = model.partition("/")
    assert [record[name] for name in (names.PROVIDER, names.REQUEST_MODEL)] == [provider, rest.partition(":")[0]]
    assert record.facts.get(names.VOICE, "") == rest.partition(":")[2]
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    usage = record.usage
    assert usage == {
        "characters_pushed": len(SENTENCES),
        # The blanks between sentences are not handed to the engine.
        "characters_sent": len(SENTENCES) - 2,
        "characters_failed": 0,
        "audio_received_ms": usage["audio_received_ms"],
        "node_busy_ms": count.busy_ms(0),
        "requests": 1,
    }
    assert usage["audio_received_ms"] == pytest.approx(heard_s * 1000, abs=1)
    assert usage["node_busy_ms"] > 0
    assert 0 <= record[names.TTFB_MS] <= record[names.DURATION_MS]


async def test_transcription_is_metered_exactly(tmp_path: Path, models: Path, counts: list[NodeCount]) -> None:
    async with metering(tmp_path) as meter:
        stt = meter.gateway.stt("whisper/tiny:en", model_dir=models, slots=1)
        event = await stt.recognize([tone(0.5, sample_rate=48_000), tone(0.7, sample_rate=48_000)])
        record = await meter.record()

    [count] = counts
    assert event.alternatives[0].text == "hello world"
    assert [record[name] for name in (names.PROVIDER, names.REQUEST_MODEL, names.LANGUAGE)] == ["whisper", "tiny", "en"]
    assert (record.outcome, record.is_estimated, record[names.MODE]) == ("ok", False, "batch")
    assert record.usage == {
        "audio_pushed_ms": 1_200,
        "audio_sent_ms": 1_200,
        "chunks_received": 1,
        "node_busy_ms": count.busy_ms(0),
        "requests": 1,
    }


async def test_interrupted_speech_is_charged_until_its_slot_is_free(tmp_path: Path, counts: list[NodeCount]) -> None:
    models = make_kokoro(tmp_path, effort=EFFORT_WITHOUT_END)
    async with metering(tmp_path) as meter:
        tts = tts_of(meter, models)
        slots = slots_of(tts)
        stream = tts.stream()
        stream.push_text("This is the first sentence of all of them. And this is the second one.")
        stream.end_input()
        await eventually(lambda: slots.busy == 1)
        await stream.aclose()
        await eventually(lambda: slots.busy == 0, within_s=10.0)
        record = await meter.record()

    [count] = counts
    assert record.outcome == "cancelled"
    assert record.usage == {
        "characters_pushed": 70,
        "characters_sent": len("This is the first sentence of all of them."),
        "characters_failed": 0,
        "node_busy_ms": count.busy_ms(0),
        "requests": 1,
    }


async def test_request_is_not_settled_before_its_slot_is_free(
    tmp_path: Path, models: Path, counts: list[NodeCount]
) -> None:
    gate = threading.Event()

    def deaf(engine: Any, text: str) -> Iterator[bytes]:
        gate.wait()
        yield b""

    async with metering(tmp_path) as meter:
        tts = tts_of(meter, models)
        slots = slots_of(tts)
        tts._spoken = deaf
        stream = tts.synthesize("Hello there.")
        await eventually(lambda: slots.busy == 1)
        await stream.aclose()
        # Whoever settled it as soon as it has ended would have done so by then.
        for _ in range(LOOKS):
            await asyncio.sleep(0)
        [held] = meter.runtime._open.values()
        assert (held.outcome, held.ended_ns > 0) == (None, True)
        gate.set()
        record = await meter.record()

    [count] = counts
    assert (record.outcome, record.usage["node_busy_ms"]) == ("cancelled", count.busy_ms(0))


async def test_cancelled_transcription_is_charged_until_its_slot_is_free(
    tmp_path: Path, models: Path, counts: list[NodeCount], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with metering(tmp_path) as meter:
        stt = meter.gateway.stt("whisper/tiny:en", model_dir=models, slots=1)
        slots = slots_of(stt)
        task = asyncio.create_task(stt.recognize(tone(2.0)))
        await eventually(lambda: slots.busy == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        record = await meter.record()

    [count] = counts
    assert record.outcome == "cancelled"
    assert slots.busy == 0
    assert record.usage["node_busy_ms"] == count.busy_ms(0) > 0


async def test_request_that_found_no_slot_has_cost_nothing(tmp_path: Path) -> None:
    models = make_kokoro(tmp_path, effort=EFFORT_WITHOUT_END)
    async with metering(tmp_path) as meter:
        tts = tts_of(meter, models, waiting_max=0)
        slots = slots_of(tts)
        first = tts.synthesize("Hello there.")
        await eventually(lambda: slots.busy == 1)
        with pytest.raises(APIStatusError):
            await tts.synthesize("And me?", conn_options=ONCE).collect()
        await first.aclose()
        records = await meter.records()

    [refused] = [record for record in records if record.outcome == "error"]
    assert (refused[names.ERROR_TYPE], refused[names.STATUS_CODE]) == ("429", 429)
    assert refused.billed("characters_sent", "node_busy_ms") == {"characters_sent": 0, "node_busy_ms": 0}
    assert refused.usage["characters_pushed"] == len("And me?")


async def test_requests_in_a_job_belong_to_it(tmp_path: Path, models: Path) -> None:
    async with metering(tmp_path) as meter:
        with job("AJ_7", attributes={names.PROJECT: "acme"}):
            tts = tts_of(meter, models)
            await spoken(tts.synthesize("Hello there."))
        record = await meter.record()

    assert [record[name] for name in (names.PROJECT, names.JOB_ID)] == ["acme", "AJ_7"]
