"""Whisper, local transcription, as a LiveKit plugin: `whisper/base.en`, `whisper/small:de`."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from livekit.agents import APIConnectOptions, LanguageCode, stt, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr, TimedString

from voicegateway.local.audio import heard
from voicegateway.local.failures import told_as_a_vendors
from voicegateway.local.files import MissingModel, found, models_at, need_package
from voicegateway.local.loaded import LocalModel, Running
from voicegateway.local.request import node_of_request
from voicegateway.local.slots import Stint

FILES: Final = ("model.bin", "config.json", "tokenizer.json")
"""Without its tokenizer the engine would fetch one in the middle of a call."""
ANY_LANGUAGE: Final = ("", "auto", "multi")
NO_SPEECH: Final = 0.6
"""The engine's own threshold."""


class STT(stt.STT[Any]):
    """Whisper through faster-whisper. It transcribes whole utterances: a session cuts them out with its VAD.

    Lives as long as its user keeps it; its model is shared and stays loaded.
    """

    def __init__(
        self,
        *,
        model: str = "base",
        language: str | None = None,
        compute_type: str = "default",
        device: str = "auto",
        beam_size: int = 1,
        no_speech_threshold: float = NO_SPEECH,
        word_timestamps: bool = False,
        prompt: str | None = None,
        vad: vad.VAD | None = None,
        model_dir: str | os.PathLike[str] | None = None,
        slots: int | None = None,
        threads: int | None = None,
        waiting_max: int | None = None,
    ) -> None:
        """Find the model's files; nothing is loaded before `prewarm()` or the first request.

        Args:
            model: a size such as `base.en`, or the path of a converted model's folder.
            language: `en`, `de-AT` …; without it, or with `auto`, it is detected for each utterance.
            compute_type: `default`, `int8`, `float16` …, as CTranslate2 calls them.
            beam_size: 5 is a little better and several times slower.
            no_speech_threshold: what is less likely speech than this is left out.
            word_timestamps: also tell when each word was said; takes longer.
            prompt: names and words to expect.
            vad: cuts utterances out of a stream; with it the plugin streams, and may stand in for one that does.
            slots: how many utterances this process transcribes at once.
            threads: processors for one of them.
            waiting_max: how many requests may wait for a slot.

        Raises:
            MissingModel: a file is not there.
            MissingPackage: faster-whisper is not installed.
            ValueError: a number is out of range.
        """
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=vad is not None,
                interim_results=False,
                aligned_transcript="word" if word_timestamps else False,
            )
        )
        need_package("faster_whisper", extra="whisper")
        folder = _folder(model, model_dir)

        def load(running: Running) -> Any:
            import faster_whisper

            return faster_whisper.WhisperModel(
                str(folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=running.threads,
                num_workers=running.slots,
                local_files_only=True,
            )

        running = Running.of(slots=slots, threads=threads, waiting_max=waiting_max)
        options = Options(
            language=language,
            beam_size=beam_size,
            no_speech_threshold=no_speech_threshold,
            word_timestamps=word_timestamps,
            prompt=prompt,
        )
        self._model = model
        self._local = LocalModel(("whisper", folder, device, compute_type), load, running)
        self._opts = options
        self._vad = vad

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def provider(self) -> str:
        """Our provider id of the engine."""
        return "whisper"

    def prewarm(self) -> None:
        """Begin to load the model, beside the event loop."""
        self._local.prewarm()

    def load(self) -> None:
        """Load the model and return when it is there: for a process that has no event loop yet."""
        self._local.load()

    def update_options(self, *, language: str | None = None, prompt: str | None = None) -> None:
        """Change what is expected, from the next utterance on."""
        changed = self._opts
        if language is not None:
            changed = replace(changed, language=language)
        if prompt is not None:
            changed = replace(changed, prompt=prompt)
        self._opts = changed

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        """Transcribe each utterance that the VAD cuts out, as LiveKit's `StreamAdapter` does.

        Raises:
            NotImplementedError: it was made without a VAD.
        """
        if self._vad is None:
            return super().stream(language=language, conn_options=conn_options)
        node_of_request(self)
        ear = _Ear(self)
        return stt.StreamAdapterWrapper(
            self, vad=self._vad, wrapped_stt=ear, language=language, conn_options=conn_options
        )

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        options = self._opts if not utils.is_given(language) else replace(self._opts, language=language)
        node = node_of_request(self)

        def work(stint: Stint[stt.SpeechData]) -> stt.SpeechData:
            return _transcribed(held.engine, heard(buffer), options, stint)

        with told_as_a_vendors(f"whisper/{self._model}"):
            held = await self._local.loaded_within(conn_options.timeout)
            data = await held.slots.run(work, node=node, wait_s_max=conn_options.timeout)
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])


class _Ear(stt.STT[Any]):
    """What a stream hears by: its errors are the stream's alone, which tells them. Lives as long as its stream."""

    def __init__(self, owner: STT) -> None:
        super().__init__(capabilities=owner.capabilities)
        self._owner = owner
        self.on("metrics_collected", lambda metrics: owner.emit("metrics_collected", metrics))

    @property
    def model(self) -> str:
        """The owner's."""
        return self._owner.model

    @property
    def provider(self) -> str:
        """The owner's."""
        return self._owner.provider

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        return await self._owner._recognize_impl(buffer, language=language, conn_options=conn_options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How utterances are transcribed."""

    language: str | None
    beam_size: int
    no_speech_threshold: float
    word_timestamps: bool
    prompt: str | None


def _transcribed(engine: Any, audio: Any, options: Options, stint: Stint[stt.SpeechData]) -> stt.SpeechData:
    """Transcribe an utterance in a slot's thread; stopped, it ends behind the segment that it is at."""
    code = _whispers(options.language)
    segments, info = engine.transcribe(
        audio,
        language=code,
        beam_size=options.beam_size,
        # A second try at another temperature would cost an utterance its turn in the conversation.
        temperature=0.0,
        # What was said before is another utterance.
        condition_on_previous_text=False,
        initial_prompt=options.prompt,
        word_timestamps=options.word_timestamps,
        no_speech_threshold=options.no_speech_threshold,
    )
    said = []
    for segment in segments:
        if stint.is_stopped:
            break
        # The engine keeps what it is sure of, such as "Thank you." in the noise of a fan.
        if segment.no_speech_prob <= options.no_speech_threshold:
            said.append(segment)
    return stt.SpeechData(
        language=LanguageCode(options.language if options.language and code else info.language),
        text="".join(segment.text for segment in said).strip(),
        start_time=float(said[0].start) if said else 0.0,
        end_time=float(said[-1].end) if said else 0.0,
        confidence=_confidence(said),
        words=_words(said) if options.word_timestamps else None,
    )


def _whispers(language: str | None) -> str | None:
    """A language as Whisper calls it; None has it detected."""
    if language is None or language in ANY_LANGUAGE:
        return None
    return language.replace("_", "-").partition("-")[0].lower()


def _confidence(segments: Sequence[Any]) -> float:
    """How likely the tokens were on average, from 0 to 1."""
    tokens = sum(len(segment.tokens) for segment in segments)
    if not tokens:
        return 0.0
    average = sum(segment.avg_logprob * len(segment.tokens) for segment in segments) / tokens
    return min(1.0, math.exp(average))


def _words(segments: Sequence[Any]) -> list[TimedString]:
    return [
        # The engine counts in numpy's numbers, which no JSON takes.
        TimedString(
            word.word.strip(),
            start_time=float(word.start),
            end_time=float(word.end),
            confidence=float(word.probability),
        )
        for segment in segments
        for word in segment.words or ()
    ]


def _folder(model: str, given: str | os.PathLike[str] | None) -> Path:
    """The folder of a converted model: in `model_dir/whisper` or `model_dir`, else where Hugging Face keeps it."""
    path = Path(model).expanduser()
    root = models_at(given)
    names = (model, f"faster-whisper-{model}")
    places = [path] if path.is_absolute() else [folder / name for folder in (root / "whisper", root) for name in names]
    fetch = f"hf download Systran/faster-whisper-{model} --local-dir {root / 'whisper' / model}"
    cached = _cached(model) if not path.is_absolute() else None
    folder = found([*places, *([cached] if cached else [])], model=f"whisper/{model}", fetch=fetch)
    for name in FILES:
        if not (folder / name).is_file():
            raise MissingModel(f"whisper/{model}: there is no {folder / name}; fetch it with: {fetch}")
    return folder


def _cached(model: str) -> Path | None:
    """Where an earlier download is, in the layout of Hugging Face's cache; found without importing its library."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repository = hub / f"models--Systran--faster-whisper-{model}"
    try:
        revision = (repository / "refs" / "main").read_text("ascii").strip()
    except OSError:
        return None
    snapshot = repository / "snapshots" / revision
    return snapshot if snapshot.is_dir() else None
