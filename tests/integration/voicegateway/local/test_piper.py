"""Piper: piper-tts itself, phonemes of its own espeak-ng included, on a graph that hums 20 ms for each phoneme id."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.tiny_voices import PIPER_RATE, make_piper
from tests.integration.voicegateway.local.engines import SENTENCES

from voicegateway import ConfigurationError, gateway
from voicegateway.local import loaded
from voicegateway.local.files import MissingModel
from voicegateway.local.piper import TTS

NAME = "en_US-tiny-low"


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_piper(make_piper(tmp_path_factory.mktemp("models")), name="en_US-many-low", speakers=3)


def voice(models: Path, **given: Any) -> TTS:
    return TTS(**{"model": NAME, "model_dir": models, "slots": 1, **given})


async def test_text_is_spoken_at_the_voices_own_rate_as_long_as_its_phonemes(models: Path) -> None:
    tts = voice(models)
    engine = tts._local.load().engine
    [phonemes] = engine.phonemize("Hello there, how are you?")
    frame = await tts.synthesize("Hello there, how are you?").collect()

    assert "".join(phonemes) == "həlˈoʊ ðˈɛɹ, hˈaʊ ɑːɹ juː?"
    assert (tts.sample_rate, frame.sample_rate, frame.num_channels) == (PIPER_RATE, PIPER_RATE, 1)
    assert frame.duration == pytest.approx(len(engine.phonemes_to_ids(phonemes)) * 0.02, abs=0.06)


async def test_stream_speaks_a_sentence_before_the_text_has_ended(models: Path) -> None:
    async with voice(models).stream() as stream:
        stream.push_text("This is the first sentence of all of them. And this is the sec")
        first = await anext(stream)
        stream.push_text("ond one.")
        stream.end_input()
        rest = [event async for event in stream]

    assert first.frame.sample_rate == PIPER_RATE
    assert [event.is_final for event in rest] == [False] * (len(rest) - 1) + [True]


async def test_speed_and_volume_are_what_they_say(models: Path) -> None:
    tts = voice(models)
    usual = await tts.synthesize(SENTENCES).collect()
    tts.update_options(speed=2.0, volume=0.5)
    fast = await tts.synthesize(SENTENCES).collect()

    assert fast.duration == pytest.approx(usual.duration / 2, rel=0.05)
    assert max(fast.data) == pytest.approx(max(usual.data) / 2, rel=0.02)


@pytest.mark.parametrize(("written", "speaker"), [("p2", 2), ("1", 1), (None, None)])
async def test_speaker_is_named_or_numbered(models: Path, written: str | None, speaker: int | None) -> None:
    tts = voice(models, model="en_US-many-low", voice=written)

    assert tts._opts.speaker == speaker
    assert (await tts.synthesize("Hello there.").collect()).duration > 0


@pytest.mark.parametrize("written", ["nobody", "3"])
def test_speaker_who_is_not_there_is_refused(models: Path, written: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no speaker '{written}' in this voice; it has p0, p1, p2"):
        voice(models, model="en_US-many-low", voice=written)


def test_gateway_makes_the_plugin_of_a_model_string(models: Path) -> None:
    tts = gateway.tts("piper/en_US-many-low:p1", model_dir=models)

    assert isinstance(tts, TTS)
    assert (tts.provider, tts.model, tts._opts.speaker) == ("piper", "en_US-many-low", 1)
    assert isinstance(gateway.tts(f"piper/{models}/piper/{NAME}.onnx"), TTS)


def test_missing_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(MissingModel) as caught:
        voice(tmp_path)
    assert f"there is no {tmp_path}/piper/{NAME}.onnx" in str(caught.value)
    assert f"python -m piper.download_voices {NAME} --download-dir {tmp_path}/piper" in str(caught.value)

    make_piper(tmp_path)
    (tmp_path / "piper" / f"{NAME}.onnx.json").unlink()
    with pytest.raises(MissingModel, match=r"low\.onnx\.json"):
        voice(tmp_path)


@pytest.mark.parametrize("written", ["not json", "[]", "{}", '{"audio": {"sample_rate": 0}}'])
def test_configuration_that_is_none_is_refused(tmp_path: Path, written: str) -> None:
    make_piper(tmp_path)
    (tmp_path / "piper" / f"{NAME}.onnx.json").write_text(written)

    with pytest.raises(ConfigurationError, match=f"piper/{NAME}: "):
        voice(tmp_path)


def test_voice_that_would_fetch_more_in_a_call_is_refused(tmp_path: Path) -> None:
    make_piper(tmp_path)
    path = tmp_path / "piper" / f"{NAME}.onnx.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "phoneme_type": "pinyin"}))

    with pytest.raises(MissingModel, match="g2pW"):
        voice(tmp_path)
