"""What the local voices share: sentence by sentence into a slot, and audio out of it as the engine makes it."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from livekit.agents import APIConnectOptions, tokenize, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from voicegateway.local.audio import pause
from voicegateway.local.failures import told_as_a_vendors
from voicegateway.local.loaded import LocalModel
from voicegateway.local.request import node_of_request
from voicegateway.local.slots import Stint

MIME_TYPE = "audio/pcm"


class LocalTTS(tts.TTS[Any]):
    """A voice that runs in this process. Lives as long as its user keeps it; its model is shared and stays loaded."""

    def __init__(
        self,
        *,
        provider: str,
        model: str,
        local: LocalModel,
        sample_rate: int,
        tokenizer: tokenize.SentenceTokenizer | None,
    ) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=True), sample_rate=sample_rate, num_channels=1)
        self._provider = provider
        self._model = model
        self._local = local
        self._tokenizer = tokenizer or tokenize.blingfire.SentenceTokenizer()

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def provider(self) -> str:
        """Our provider id of the engine."""
        return self._provider

    def prewarm(self) -> None:
        """Begin to load the model, beside the event loop."""
        self._local.prewarm()

    def load(self) -> None:
        """Load the model and return when it is there: for a process that has no event loop yet."""
        self._local.load()

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak a whole text, sentence by sentence."""
        node_of_request(self)
        return _WholeSpeech(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        """Speak each sentence as soon as it is complete."""
        node_of_request(self)
        return _Speech(tts=self, conn_options=conn_options)

    @abstractmethod
    def _spoken(self, engine: Any, text: str) -> Iterator[bytes]:
        """Speak a sentence in parts of 16-bit audio. Runs in a slot's thread; closed early when nobody listens."""

    async def _speak(
        self, text: str, push: Callable[[bytes], None], *, is_first: bool, conn_options: APIConnectOptions
    ) -> None:
        """Have a slot speak a sentence, and hand on each part as it comes.

        Raises:
            APIError: as of a vendor.
        """
        node = node_of_request(self)

        def work(stint: Stint[None]) -> None:
            if node is not None:
                node.characters(len(text))
            is_silent = True
            for part in self._spoken(held.engine, text):
                if stint.is_stopped:
                    return
                is_silent &= not part
                stint.tell(push, part)
            if is_silent:
                stint.tell(push, pause(self.sample_rate))

        with told_as_a_vendors(f"{self._provider}/{self._model}"):
            held = await self._local.loaded_within(conn_options.timeout)
            await held.slots.run(work, node=node, is_first=is_first, wait_s_max=conn_options.timeout)


class _WholeSpeech(tts.ChunkedStream):
    """One `synthesize()`."""

    _tts: LocalTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        output_emitter.initialize(
            request_id=utils.shortuuid(), sample_rate=voice.sample_rate, num_channels=1, mime_type=MIME_TYPE
        )
        for number, sentence in enumerate(voice._tokenizer.tokenize(self._input_text)):
            await voice._speak(sentence, output_emitter.push, is_first=not number, conn_options=self._conn_options)
        output_emitter.flush()


class _Speech(tts.SynthesizeStream):
    """One `stream()`."""

    _tts: LocalTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=voice.sample_rate,
            num_channels=1,
            mime_type=MIME_TYPE,
            stream=True,
        )
        sentences = voice._tokenizer.stream()
        reading = asyncio.create_task(self._read_into(sentences))
        is_first = True
        try:
            async for sentence in sentences:
                if is_first:
                    output_emitter.start_segment(segment_id=utils.shortuuid())
                self._mark_started()
                text = sentence.token
                await voice._speak(text, output_emitter.push, is_first=is_first, conn_options=self._conn_options)
                is_first = False
            await reading
            if not is_first:
                output_emitter.end_segment()
        finally:
            await utils.aio.cancel_and_wait(reading)
            await sentences.aclose()

    async def _read_into(self, sentences: tokenize.SentenceStream) -> None:
        async for pushed in self._input_ch:
            if isinstance(pushed, str):
                sentences.push_text(pushed)
            else:
                sentences.flush()
        sentences.end_input()
