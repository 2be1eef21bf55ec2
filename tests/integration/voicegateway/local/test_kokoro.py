"""Kokoro: kokoro-onnx itself, phonemes of espeak-ng included, on a graph that hums 50 ms for each phoneme."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIError, APIStatusError
from tests.fixtures.tiny_voices import KOKORO_RATE, KOKORO_SAMPLES, make_kokoro
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.local.engines import ONCE, SENTENCES, slots_of, spoken

from voicegateway import ConfigurationError, gateway
from voicegateway.local import loaded, prewarm_model
from voicegateway.local.files import MissingModel
from voicegateway.local.kokoro import PHONEMES_MAX, TTS, in_parts

EFFORT_WITHOUT_END = 4_000
"""Matrices: half a minute of work."""


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_kokoro(tmp_path_factory.mktemp("models"))


def voice(models: Path, **given: Any) -> TTS:
    return TTS(**{"model": "v1.0", "voice": "af_sarah", "model_dir": models, "slots": 1, **given})


def seconds_of(*phonemes: str) -> float:
    """How long the graph hums: it is given a mark before and one behind each part."""
    return sum((len(each) + 2) * KOKORO_SAMPLES for each in phonemes) / KOKORO_RATE


async def test_text_is_spoken_as_long_as_its_phonemes(models: Path) -> None:
    tts = voice(models)
    phonemes = tts._local.load().engine.phonemes("Hello there, how are you?", "en-us")
    frame = await tts.synthesize("Hello there, how are you?").collect()

    assert phonemes == ["həlˈoʊ ðˈɛɹ, hˈaʊ ɑːɹ juː?"]
    assert (frame.sample_rate, frame.num_channels) == (KOKORO_RATE, 1)
    assert frame.duration == pytest.approx(seconds_of(*phonemes), abs=0.06)


async def test_faster_speech_is_shorter(models: Path) -> None:
    usual = await voice(models).synthesize("Hello there.").collect()
    fast = await voice(models, speed=2.0).synthesize("Hello there.").collect()

    assert fast.duration == pytest.approx(usual.duration / 2, abs=0.06)


async def test_stream_speaks_sentence_by_sentence_before_the_text_has_ended(models: Path) -> None:
    tts = voice(models)
    async with tts.stream() as stream:
        stream.push_text("This is the first sentence of all of them. And this is the sec")
        first = await anext(stream)
        assert first.frame.samples_per_channel > 0
        stream.push_text("ond one.")
        stream.end_input()
        events = [first, *[event async for event in stream]]

    assert len({event.segment_id for event in events}) == 1
    assert [event.is_final for event in events] == [False] * (len(events) - 1) + [True]
    assert len({event.request_id for event in events}) == 1


async def test_long_sentence_comes_in_parts_and_none_of_it_is_cut_off(models: Path) -> None:
    text = " and then".join([" the quick brown fox jumps over the lazy dog"] * 20) + "."
    tts = voice(models)
    phonemes = tts._local.load().engine.phonemes(text.strip(), "en-us")
    frame = await tts.synthesize(text).collect()

    assert len(phonemes) > 1
    assert max(map(len, phonemes)) <= PHONEMES_MAX
    assert frame.duration == pytest.approx(seconds_of(*phonemes), abs=0.1)


@pytest.mark.parametrize(
    ("phonemes", "lengths"),
    [
        ("", []),
        ("a" * PHONEMES_MAX, [500]),
        ("a" * (PHONEMES_MAX + 1), [500, 1]),
        ("aaaa. " * 100, [497, 101]),
        ("aaaa " * 120, [499, 99]),
    ],
)
def test_phonemes_are_cut_where_it_is_heard_least(phonemes: str, lengths: list[int]) -> None:
    parts = in_parts(phonemes)

    assert [len(part) for part in parts] == lengths
    assert "".join(parts).replace(" ", "") == phonemes.replace(" ", "")


async def test_text_without_sound_is_a_pause_and_no_failure(models: Path) -> None:
    frame = await voice(models).synthesize("—", conn_options=ONCE).collect()

    assert 0 < frame.duration < 0.2


async def test_voice_that_is_not_there_is_a_clear_failure_that_nobody_tries_again(models: Path) -> None:
    with pytest.raises(
        APIError, match=r"no voice 'xx_nobody' in voices-v1\.0\.bin; it has af_sarah, bf_emma"
    ) as caught:
        await voice(models, voice="xx_nobody").synthesize("Hello.").collect()

    assert not caught.value.retryable


async def test_options_hold_from_the_next_sentence_on(models: Path) -> None:
    tts = voice(models)
    usual = await tts.synthesize("Hello there.").collect()
    tts.update_options(voice="bf_emma", speed=0.5)
    slow = await tts.synthesize("Hello there.").collect()

    assert (tts._opts.voice, tts._opts.language, tts._opts.speed) == ("bf_emma", "en-gb", 0.5)
    assert slow.duration == pytest.approx(usual.duration * 2, rel=0.2)


async def test_missing_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(MissingModel) as caught:
        voice(tmp_path)
    assert f"there is no {tmp_path}/kokoro/kokoro-v1.0.onnx" in str(caught.value)
    assert "curl -L --create-dirs -o" in str(caught.value)
    assert "/model-files-v1.0/kokoro-v1.0.onnx" in str(caught.value)

    (make_kokoro(tmp_path) / "kokoro" / "voices-v1.0.bin").unlink()
    with pytest.raises(MissingModel, match=r"voices-v1\.0\.bin"):
        voice(tmp_path)
    with pytest.raises(MissingModel, match=r"kokoro-v1\.0\.int8\.onnx"):
        voice(tmp_path, compute_type="int8")


@pytest.mark.parametrize("model", ["v1.0", "kokoro-v1.0", "{}/kokoro/kokoro-v1.0.onnx"])
def test_model_is_found_by_its_name_or_its_path(models: Path, model: str) -> None:
    tts = gateway.tts(f"kokoro/{model.format(models)}", voice="af_sarah", model_dir=models)

    assert isinstance(tts, TTS)
    assert (tts.provider, tts.model) == ("kokoro", model.format(models))


def test_gateway_makes_the_plugin_of_a_model_string(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGATEWAY_MODEL_DIR", str(models))
    tts = gateway.tts("kokoro/v1.0:bf_emma", speed=1.2)

    assert isinstance(tts, TTS)
    assert (tts._opts.voice, tts._opts.language, tts._opts.speed) == ("bf_emma", "en-gb", 1.2)
    with pytest.raises(ConfigurationError, match=r"speed: 3\.0 is not from 0\.5 to 2\.0"):
        gateway.tts("kokoro/v1.0:bf_emma", speed=3.0)


async def test_prewarmed_model_is_the_one_that_a_session_finds(models: Path) -> None:
    prewarm_model("kokoro/v1.0:af_sarah", model_dir=models, slots=1)
    tts = voice(models, voice="bf_emma")
    assert not tts._local.is_loaded
    tts.prewarm()
    await eventually(lambda: tts._local.is_loaded)

    assert len(loaded._shelf._models) == 1


async def test_loop_turns_while_the_model_computes(tmp_path: Path) -> None:
    tts = voice(make_kokoro(tmp_path, effort=20))
    slots = slots_of(tts)
    task = asyncio.create_task(tts.synthesize("Hello there.").collect())
    turns = 0
    await eventually(lambda: slots.busy == 1)
    while slots.busy:
        await asyncio.sleep(0)
        turns += 1

    assert (await task).duration > 0
    # Blocked, the loop would turn a handful of times.
    assert turns > 100


async def test_cancelled_speech_ends_in_the_middle_of_a_computation(tmp_path: Path) -> None:
    tts = voice(make_kokoro(tmp_path, effort=EFFORT_WITHOUT_END))
    slots = slots_of(tts)
    stream = tts.synthesize("Hello there.")
    await eventually(lambda: slots.busy == 1)
    await stream.aclose()

    await eventually(lambda: slots.busy == 0, within_s=10.0)


async def test_who_does_not_find_a_slot_is_told_as_a_vendor_would(tmp_path: Path) -> None:
    tts = voice(make_kokoro(tmp_path, effort=EFFORT_WITHOUT_END), waiting_max=0)
    slots = slots_of(tts)
    stream = tts.synthesize("Hello there.")
    await eventually(lambda: slots.busy == 1)
    with pytest.raises(APIStatusError, match="1 slots are busy and 0 requests wait") as caught:
        await tts.synthesize("And me?", conn_options=ONCE).collect()
    await stream.aclose()

    assert (caught.value.status_code, caught.value.retryable) == (429, True)
    await eventually(lambda: slots.busy == 0, within_s=10.0)


async def test_two_who_speak_at_once_take_turns_by_the_sentence(models: Path) -> None:
    tts = voice(models)
    alone = await spoken(tts.synthesize(SENTENCES))
    together = await asyncio.gather(*(spoken(tts.synthesize(SENTENCES)) for _ in range(4)))

    assert together == [pytest.approx(alone, abs=0.02)] * 4
