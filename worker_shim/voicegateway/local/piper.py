"""Piper, a local voice, as a LiveKit plugin: `piper/en_US-lessac-medium`, `piper/en_US-libritts-high:p3922`."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from livekit.agents import tokenize

from voicegateway.local.audio import pcm16
from voicegateway.local.files import MissingModel, found, models_at, need_package
from voicegateway.local.loaded import LocalModel, Running
from voicegateway.local.onnx_session import Device, onnx_session
from voicegateway.local.speech import LocalTTS
from voicegateway_shared.errors import ConfigurationError

SPEED_MIN: Final = 0.25
SPEED_MAX: Final = 4.0


class TTS(LocalTTS):
    """Piper through piper-tts. Audio comes sentence by sentence, at the rate of the voice's own configuration."""

    def __init__(
        self,
        *,
        model: str = "en_US-lessac-medium",
        voice: str | None = None,
        speed: float = 1.0,
        volume: float = 1.0,
        device: Device = "auto",
        model_dir: str | os.PathLike[str] | None = None,
        slots: int | None = None,
        threads: int | None = None,
        waiting_max: int | None = None,
        tokenizer: tokenize.SentenceTokenizer | None = None,
    ) -> None:
        """Find the voice's files and read its configuration; the voice is loaded by `prewarm()` or the first request.

        Args:
            model: a voice's name, or the path of its ONNX file.
            voice: the speaker of a voice that has several: a name or a number.
            speed: from 0.25 to 4.0.
            volume: 1.0 is as loud as the samples allow.
            slots: how many sentences this process speaks at once.
            threads: processors for the voice's computations.
            waiting_max: how many requests may wait for a slot.

        Raises:
            MissingModel: a file is not there.
            MissingPackage: piper-tts is not installed.
            ConfigurationError: the voice's configuration cannot be used, or has no such speaker.
            ValueError: a number is out of range.
        """
        if not SPEED_MIN <= speed <= SPEED_MAX:
            raise ValueError(f"speed: {speed} is not from {SPEED_MIN} to {SPEED_MAX}")
        need_package("piper", extra="piper")
        graph, written = _files(model, model_dir)
        settings = _settings(model, written)

        def load(running: Running) -> Any:
            return _voice(graph, settings, device=device, threads=running.threads)

        running = Running.of(slots=slots, threads=threads, waiting_max=waiting_max)
        super().__init__(
            provider="piper",
            model=model,
            local=LocalModel(("piper", graph, device), load, running),
            sample_rate=settings["audio"]["sample_rate"],
            tokenizer=tokenizer,
        )
        self._settings = settings
        self._opts = Options(voice=voice or "", speaker=_speaker(settings, voice), speed=speed, volume=volume)

    def update_options(
        self, *, voice: str | None = None, speed: float | None = None, volume: float | None = None
    ) -> None:
        """Change the speaker, the speed or the volume, from the next sentence on."""
        changed = self._opts
        if voice is not None:
            changed = replace(changed, voice=voice, speaker=_speaker(self._settings, voice))
        if speed is not None:
            changed = replace(changed, speed=speed)
        if volume is not None:
            changed = replace(changed, volume=volume)
        self._opts = changed

    def _spoken(self, engine: Any, text: str) -> Iterator[bytes]:
        from piper import SynthesisConfig

        options = self._opts
        usual: float = engine.config.length_scale
        how = SynthesisConfig(speaker_id=options.speaker, length_scale=usual / options.speed, volume=options.volume)
        for chunk in engine.synthesize(text, how):
            yield pcm16(chunk.audio_float_array)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a voice speaks."""

    voice: str
    speaker: int | None
    speed: float
    volume: float


def _voice(graph: Path, settings: dict[str, Any], *, device: Device, threads: int) -> Any:
    from piper import PiperConfig, PiperVoice

    session: Any = onnx_session(graph, device=device, threads=threads)
    return PiperVoice(session=session, config=PiperConfig.from_dict(settings), download_dir=graph.parent)


def _files(model: str, given: str | os.PathLike[str] | None) -> tuple[Path, Path]:
    """The graph and the configuration of a voice: in `model_dir/piper` or `model_dir`, under their released names."""
    path = Path(model).expanduser()
    is_path = path.suffix == ".onnx"
    folders = [path.parent] if is_path else [models_at(given) / "piper", models_at(given)]
    name = path.name if is_path else f"{model}.onnx"
    fetch = f"python -m piper.download_voices {name.removesuffix('.onnx')} --download-dir {folders[0]}"
    graph = found((folder / name for folder in folders), model=f"piper/{model}", fetch=fetch)
    return graph, found([graph.with_name(f"{graph.name}.json")], model=f"piper/{model}", fetch=fetch)


def _settings(model: str, written: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(written.read_text("utf-8"))
        rate = settings["audio"]["sample_rate"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"piper/{model}: {written} is no voice's configuration ({error!r})") from error
    if not isinstance(rate, int) or rate < 1:
        raise ConfigurationError(f"piper/{model}: {written}: audio.sample_rate is {rate!r}")
    if settings.get("phoneme_type") == "pinyin" and not (written.parent / "g2pW").exists():
        # Piper would fetch it in the middle of a call.
        raise MissingModel(f"piper/{model}: there is no {written.parent / 'g2pW'}; have piper speak once to fetch it")
    return settings


def _speaker(settings: dict[str, Any], voice: str | None) -> int | None:
    if not voice:
        return None
    names: dict[str, int] = settings.get("speaker_id_map") or {}
    if voice in names:
        return names[voice]
    if voice.isdecimal() and int(voice) < int(settings.get("num_speakers", 1)):
        return int(voice)
    known = ", ".join(names) or "none by name"
    raise ConfigurationError(f"no speaker {voice!r} in this voice; it has {known}")
