"""Kokoro, a local voice, as a LiveKit plugin: `kokoro/v1.0:af_sarah`."""

import logging
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from livekit.agents import tokenize

from voicegateway.local.audio import pcm16
from voicegateway.local.files import found, models_at, need_package
from voicegateway.local.loaded import LocalModel, Running
from voicegateway.local.onnx_session import Device, onnx_session
from voicegateway.local.speech import LocalTTS

SAMPLE_RATE: Final = 24_000
PHONEMES_MAX: Final = 500
"""The model takes 510 and the engine cuts off the rest; a voice has no style for the last one."""
SPEED_MIN: Final = 0.5
SPEED_MAX: Final = 2.0
RELEASES: Final = "https://github.com/thewh1teagle/kokoro-onnx/releases/download"
LANGUAGES: Final = MappingProxyType(
    {
        "a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "j": "ja", "p": "pt-br", "z": "cmn",
    }
)  # fmt: skip
"""A voice's first letter tells its language; as espeak-ng calls it."""


class TTS(LocalTTS):
    """Kokoro through kokoro-onnx. Audio comes sentence by sentence, a long sentence in parts."""

    def __init__(
        self,
        *,
        model: str = "v1.0",
        voice: str = "af_heart",
        language: str | None = None,
        speed: float = 1.0,
        compute_type: str = "default",
        device: Device = "auto",
        model_dir: str | os.PathLike[str] | None = None,
        slots: int | None = None,
        threads: int | None = None,
        waiting_max: int | None = None,
        tokenizer: tokenize.SentenceTokenizer | None = None,
    ) -> None:
        """Find the model's files; nothing is loaded before `prewarm()` or the first request.

        Args:
            model: `v1.0`, or the path of an ONNX file.
            voice: a name from the voices file.
            language: as espeak-ng calls it; without it the voice's own.
            speed: from 0.5 to 2.0.
            compute_type: `default`, `fp16` or `int8`: which of the released files.
            slots: how many sentences this process speaks at once.
            threads: processors for the model's computations.
            waiting_max: how many requests may wait for a slot.

        Raises:
            MissingModel: a file is not there.
            MissingPackage: kokoro-onnx is not installed.
            ValueError: a number is out of range.
        """
        if not SPEED_MIN <= speed <= SPEED_MAX:
            raise ValueError(f"speed: {speed} is not from {SPEED_MIN} to {SPEED_MAX}")
        need_package("kokoro_onnx", extra="kokoro")
        graph, voices = _files(model, compute_type, model_dir)

        def load(running: Running) -> _Kokoro:
            return _Kokoro(graph, voices, device=device, threads=running.threads)

        running = Running.of(slots=slots, threads=threads, waiting_max=waiting_max)
        super().__init__(
            provider="kokoro",
            model=model,
            local=LocalModel(("kokoro", graph, voices, device), load, running),
            sample_rate=SAMPLE_RATE,
            tokenizer=tokenizer,
        )
        self._opts = Options(voice=voice, language=language or LANGUAGES.get(voice[:1], "en-us"), speed=speed)

    def update_options(
        self, *, voice: str | None = None, language: str | None = None, speed: float | None = None
    ) -> None:
        """Change the voice, its language or its speed, from the next sentence on."""
        options = self._opts
        if voice is not None:
            options = Options(voice=voice, language=LANGUAGES.get(voice[:1], options.language), speed=options.speed)
        self._opts = Options(
            voice=options.voice,
            language=language or options.language,
            speed=options.speed if speed is None else speed,
        )

    def _spoken(self, engine: Any, text: str) -> Iterator[bytes]:
        options = self._opts
        style = engine.style(options.voice)
        for phonemes in engine.phonemes(text, options.language):
            yield engine.speak(phonemes, style, options.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a voice speaks."""

    voice: str
    language: str
    speed: float


@dataclass(slots=True)
class _Kokoro:
    """The engine of kokoro-onnx, by its public methods. Its `create_stream` would phonemize on the event loop."""

    graph: Path
    voices: Path
    device: Device
    threads: int
    _engine: Any = field(init=False)
    _names: list[str] = field(init=False)
    _styles: dict[str, Any] = field(init=False, default_factory=dict)
    _espeak: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        import kokoro_onnx

        # It warns of every sentence in which words run together, as they do in speech.
        logging.getLogger("phonemizer").setLevel(logging.ERROR)
        session: Any = onnx_session(self.graph, device=self.device, threads=self.threads)
        self._engine = kokoro_onnx.Kokoro.from_session(session, str(self.voices))
        self._names = self._engine.get_voices()
        # The engine would keep the file open, and read a voice from it for every sentence.
        self._engine.voices.close()

    def style(self, voice: str) -> Any:
        """A voice's style, read from its file once.

        Raises:
            ValueError: there is no such voice.
        """
        style = self._styles.get(voice)
        if style is None:
            if voice not in self._names:
                raise ValueError(f"no voice {voice!r} in {self.voices.name}; it has {', '.join(self._names)}")
            import numpy

            with numpy.load(self.voices) as voices:
                style = self._styles[voice] = voices[voice]
        return style

    def phonemes(self, text: str, language: str) -> list[str]:
        """A text's phonemes, in parts that the model takes whole."""
        with self._espeak:
            return in_parts(self._engine.tokenizer.phonemize(text, language))

    def speak(self, phonemes: str, style: Any, speed: float) -> bytes:
        """The sound of phonemes, without the silence around it."""
        samples, _ = self._engine.create(phonemes, style, speed=speed, is_phonemes=True)
        return pcm16(samples)


def in_parts(phonemes: str) -> list[str]:
    """Phonemes in parts of at most `PHONEMES_MAX`: cut behind a mark, else between words, else anywhere."""
    parts = []
    rest = phonemes.strip()
    while len(rest) > PHONEMES_MAX:
        head = rest[:PHONEMES_MAX]
        cuts = [match.end() for match in re.finditer(r"[.,!?;:—…](?=\s)", head)] or [head.rfind(" ")]
        cut = cuts[-1] if cuts[-1] > 0 else PHONEMES_MAX
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*parts, rest] if rest else parts


def _files(model: str, compute_type: str, given: str | os.PathLike[str] | None) -> tuple[Path, Path]:
    """The graph and the voices of a model: in `model_dir/kokoro` or `model_dir`, under their released names."""
    path = Path(model).expanduser()
    kind = "" if compute_type == "default" else f".{compute_type}"
    version = path.stem.removeprefix("kokoro-").removesuffix(kind) if path.suffix == ".onnx" else model
    version = version.removeprefix("kokoro-")
    folders = [path.parent] if path.suffix == ".onnx" else [models_at(given) / "kokoro", models_at(given)]
    names = [path.name] if path.suffix == ".onnx" else [f"kokoro-{version}{kind}.onnx"]
    release = f"{RELEASES}/model-files-{version}"
    graph = found(
        (folder / name for name in names for folder in folders),
        model=f"kokoro/{model}",
        fetch=f"curl -L --create-dirs -o {folders[0] / names[0]} {release}/{names[0]}",
    )
    voices = found(
        (folder / f"voices-{version}.bin" for folder in (graph.parent, *folders)),
        model=f"kokoro/{model}",
        fetch=f"curl -L -o {graph.parent / f'voices-{version}.bin'} {release}/voices-{version}.bin",
    )
    return graph, voices
