"""Whisper: faster-whisper itself on a model of one layer, which writes the same words whatever it hears."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIError, APIStatusError
from tests.fixtures.tiny_whisper import make_whisper
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.local.engines import ONCE, silence, slots_of, tone

from voicegateway import gateway
from voicegateway.local import audio, loaded, prewarm_model
from voicegateway.local.files import MissingModel
from voicegateway.local.whisper import STT


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_whisper(folder)
    make_whisper(folder, name="tiny.en", words=["good", "day"], is_english=True)
    return make_whisper(folder, name="silence", is_silence=True)


def ear(models: Path, **given: Any) -> STT:
    return STT(**{"model": "tiny", "model_dir": models, "slots": 1, **given})


async def heard(stt: STT, buffer: Any = None, **given: Any) -> Any:
    event = await stt.recognize(buffer or tone(1.5), **given)
    [data] = event.alternatives
    return data


async def test_utterance_is_transcribed_and_its_language_detected(models: Path) -> None:
    data = await heard(ear(models))

    assert (data.text, data.language, data.start_time, data.end_time) == ("hello world", "de", 0.0, 1.0)
    assert data.confidence == pytest.approx(1.0)
    assert data.words is None


@pytest.mark.parametrize(
    ("given", "asked", "told"),
    [("en", None, "en"), ("en-US", None, "en-US"), ("auto", None, "de"), (None, "fr", "fr"), ("en", "auto", "de")],
)
async def test_language_is_the_one_given_or_detected(
    models: Path, given: str | None, asked: str | None, told: str
) -> None:
    asked_with = {} if asked is None else {"language": asked}

    assert (await heard(ear(models, language=given), **asked_with)).language == told


async def test_words_are_told_with_their_times(models: Path) -> None:
    stt = ear(models, word_timestamps=True)
    data = await heard(stt)

    assert stt.capabilities.aligned_transcript == "word"
    assert [str(word) for word in data.words] == ["hello", "world"]
    times = [time for word in data.words for time in (word.start_time, word.end_time)]
    assert times == sorted(times)
    # Numpy's numbers would be refused by the first JSON they meet.
    assert {type(time) for time in [*times, data.start_time, data.end_time]} == {float}


async def test_what_is_no_speech_is_left_out(models: Path) -> None:
    assert (await heard(ear(models, model="silence", language="en"))).text == ""
    assert (await heard(ear(models, model="silence", language="en", no_speech_threshold=1.0))).text == "hello world"


async def test_model_of_one_language_says_so(models: Path) -> None:
    data = await heard(ear(models, model="tiny.en"))

    assert (data.text, data.language) == ("good day", "en")


async def test_language_that_it_does_not_know_is_a_failure_that_nobody_tries_again(models: Path) -> None:
    with pytest.raises(APIError, match="'tlh' is not a valid language code") as caught:
        await heard(ear(models, language="tlh"))

    assert not caught.value.retryable


@pytest.mark.parametrize(("sample_rate", "channels"), [(16_000, 1), (48_000, 1), (8_000, 1), (44_100, 2)])
def test_audio_is_heard_in_one_channel_at_16_khz(sample_rate: int, channels: int) -> None:
    frames = [tone(0.5, sample_rate=sample_rate, channels=channels)] * 4
    samples = audio.heard(frames)

    assert (samples.dtype.name, samples.ndim) == ("float32", 1)
    assert len(samples) == pytest.approx(32_000, abs=200)
    # A tone of an amplitude of 8 000 of 32 768.
    middle = samples[4_000:6_000]
    assert float(abs(middle).max()) == pytest.approx(8_000 / 32_768, rel=0.05)


def test_nothing_is_heard_of_no_audio() -> None:
    assert len(audio.heard(tone(0.0, sample_rate=48_000))) == 0


async def test_session_is_told_to_cut_out_utterances(models: Path) -> None:
    assert not ear(models).capabilities.streaming
    assert ear(models).capabilities.offline_recognize


def test_gateway_makes_the_plugin_of_a_model_string(models: Path) -> None:
    stt = gateway.stt("whisper/tiny.en:en", model_dir=models, compute_type="int8")

    assert isinstance(stt, STT)
    assert (stt.provider, stt.model, stt._opts.language) == ("whisper", "tiny.en", "en")
    assert isinstance(gateway.stt(f"whisper/{models}/whisper/tiny"), STT)


async def test_smaller_numbers_do_as_well(models: Path) -> None:
    assert (await heard(ear(models, compute_type="int8", language="en"))).text == "hello world"


def test_missing_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(MissingModel) as caught:
        ear(tmp_path)
    assert f"there is no {tmp_path}/whisper/tiny and" in str(caught.value)
    assert f"hf download Systran/faster-whisper-tiny --local-dir {tmp_path}/whisper/tiny" in str(caught.value)

    # Without it the engine would ask the network for a tokenizer.
    (make_whisper(tmp_path) / "whisper" / "tiny" / "tokenizer.json").unlink()
    with pytest.raises(MissingModel, match=r"tokenizer\.json"):
        ear(tmp_path)


async def test_model_that_was_fetched_into_hugging_faces_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--Systran--faster-whisper-tiny"
    (make_whisper(tmp_path / "made") / "whisper" / "tiny").rename(tmp_path / "fetched")
    (repository / "snapshots").mkdir(parents=True)
    (tmp_path / "fetched").rename(repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    assert (await heard(ear(tmp_path / "empty", language="en"))).text == "hello world"


async def test_prewarmed_model_is_the_one_that_a_session_finds(models: Path) -> None:
    prewarm_model("whisper/tiny:en", model_dir=models, slots=1)
    stt = ear(models)
    stt.prewarm()
    await eventually(lambda: stt._local.is_loaded)

    assert len(loaded._shelf._models) == 1


async def test_torn_model_is_a_failure_that_nobody_tries_again(tmp_path: Path) -> None:
    (make_whisper(tmp_path) / "whisper" / "tiny" / "model.bin").write_bytes(b"torn")

    with pytest.raises(APIError, match="whisper/tiny: ") as caught:
        await heard(ear(tmp_path))
    assert not caught.value.retryable


async def test_cancelled_transcription_ends_behind_the_segment_it_is_at(models: Path) -> None:
    stt = ear(models, language="en")
    slots, engine = slots_of(stt), stt._local.load().engine
    at_second, go_on, segments = threading.Event(), threading.Event(), list[Any]()
    transcribe = engine.transcribe

    def observed(*args: Any, **kwargs: Any) -> Any:
        found, info = transcribe(*args, **kwargs)

        def passed_on() -> Iterator[Any]:
            for segment in found:
                segments.append(segment)
                if len(segments) == 2:
                    at_second.set()
                    go_on.wait()
                yield segment

        return passed_on(), info

    engine.transcribe = observed
    # This model hears one segment in each window of half a minute.
    task = asyncio.create_task(stt.recognize(silence(120.0)))
    await eventually(at_second.is_set)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    go_on.set()
    await eventually(lambda: slots.busy == 0)

    assert len(segments) == 2


async def test_utterances_beyond_the_line_are_turned_away_as_a_vendor_would(models: Path) -> None:
    stt = ear(models, language="en", waiting_max=1)
    slots, engine = slots_of(stt), stt._local.load().engine
    gate, transcribe = threading.Event(), engine.transcribe

    def gated(*args: Any, **kwargs: Any) -> Any:
        gate.wait()
        return transcribe(*args, **kwargs)

    engine.transcribe = gated
    tasks = [asyncio.create_task(stt.recognize(tone(0.5), conn_options=ONCE)) for _ in range(3)]
    await eventually(lambda: tasks[2].done())
    assert (slots.busy, slots.waiting) == (1, 1)
    gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(answers[2], APIStatusError)
    assert (answers[2].status_code, answers[2].retryable) == (429, True)
    assert [answer.alternatives[0].text for answer in answers[:2] if not isinstance(answer, BaseException)] == [
        "hello world",
        "hello world",
    ]
