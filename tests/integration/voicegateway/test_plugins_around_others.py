"""A plugin of the agent's own around another: metered both, and yet each request is one, of the one that is asked."""

from pathlib import Path
from typing import Any

from livekit.agents import llm, stt, tts
from tests.integration.voicegateway.metering import Meter, metering, settled, total
from tests.integration.voicegateway.plugin_use import ask, converse, stream_speech

from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway_shared.usage import Modality


class LLMAround(llm.LLM[Any]):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self._inner = inner

    def chat(self, **kwargs: Any) -> Any:
        return self._inner.chat(**kwargs)


class STTAround(stt.STT[Any]):
    def __init__(self, inner: Any) -> None:
        super().__init__(capabilities=inner.capabilities)
        self._inner = inner

    async def _recognize_impl(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def stream(self, **kwargs: Any) -> Any:
        return self._inner.stream(**kwargs)


class TTSAround(tts.TTS[Any]):
    def __init__(self, inner: Any) -> None:
        super().__init__(capabilities=inner.capabilities, sample_rate=inner.sample_rate, num_channels=1)
        self._inner = inner

    def synthesize(self, text: str, **kwargs: Any) -> Any:
        return self._inner.synthesize(text, **kwargs)

    def stream(self, **kwargs: Any) -> Any:
        return self._inner.stream(**kwargs)


def metered(plugin: Any, modality: Modality) -> Any:
    return instrument(plugin, PluginFacts(provider="unknown", modality=modality, project=None, key_id=""))


async def agrees(meter: Meter, inner: Any, *meters: str) -> None:
    record, bills = await settled(meter, inner)

    assert record.billed(*meters) == total(bills, *meters)
    assert (record.outcome, record.is_estimated) == ("ok", False)


async def test_chat_of_a_model_around_another_is_billed_once(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        inner = meter.llm()
        await ask(metered(LLMAround(inner), "llm"))
        await agrees(meter, inner, "input_tokens", "output_tokens")


async def test_transcription_around_another_is_billed_once(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        inner = meter.stt()
        await converse(metered(STTAround(inner), "stt"))
        await agrees(meter, inner, "audio_sent_ms")


async def test_voice_around_another_is_billed_once(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        inner = meter.tts()
        await stream_speech(metered(TTSAround(inner), "tts"))
        await agrees(meter, inner, "characters_sent")
