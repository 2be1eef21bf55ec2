"""What metering costs an agent: instrumented against bare plugins, same process, interleaved rounds.

    python benchmarks/bench_shim.py [--rounds 15]

Prints microseconds per STT frame, LLM chunk, TTS frame and per request, and of the first and the last also through a
route of two models; the overhead is the difference of medians.
The plugins are LiveKit's own base classes with a vendor that answers at once, so that only framework and shim are
measured; the outbox is real and on disk.
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectOptions, llm, stt, tts, utils

from voicegateway.instrument import instrument, stand_together
from voicegateway.options import Options
from voicegateway.record import PluginFacts
from voicegateway.routing.route import Member, Route
from voicegateway.runtime import current_runtime, reset_runtime

FRAMES = 5_000
CHUNKS = 5_000
AUDIO_FRAMES = 5_000
REQUESTS = 60
BURST = 15
WARM_UP = 3
"""Requests at the start of a burst that are not counted: after a pause the processor's caches are cold for both."""
PAUSE_S = 0.05
"""Longer than the outbox writer's tick: a real call makes a request every few seconds, not back to back."""
OPTIONS = APIConnectOptions(max_retry=0)
FRAME = rtc.AudioFrame(data=bytes(640), sample_rate=16_000, num_channels=1, samples_per_channel=320)
CHUNK = llm.ChatChunk(id="1", delta=llm.ChoiceDelta(role="assistant", content="word "))
USAGE = llm.CompletionUsage(completion_tokens=3, prompt_tokens=5, total_tokens=8)


class EchoLLM(llm.LLM[Any]):
    """Answers with a given number of one-token chunks."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks

    @property
    def model(self) -> str:
        return "gpt-4.1-mini"

    def chat(self, *, chat_ctx: llm.ChatContext, tools: Any = None, **kwargs: Any) -> llm.LLMStream:
        return EchoLLMStream(self, chat_ctx=chat_ctx, tools=[], conn_options=OPTIONS)


class EchoLLMStream(llm.LLMStream):
    """Sends its chunks without a pause."""

    async def _run(self) -> None:
        for _ in range(self._llm.chunks):  # type: ignore[attr-defined]
            self._event_ch.send_nowait(CHUNK)
        self._event_ch.send_nowait(llm.ChatChunk(id="1", usage=USAGE))


class DeafSTT(stt.STT[Any]):
    """Takes audio and says nothing."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("not measured")

    def stream(self, **kwargs: Any) -> stt.RecognizeStream:
        return DeafStream(stt=self, conn_options=OPTIONS)


class DeafStream(stt.RecognizeStream):
    """Drains its input."""

    async def _run(self) -> None:
        async for _ in self._input_ch:
            continue


class ToneTTS(tts.TTS[Any]):
    """Answers any text with one frame of 20 ms."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=24_000, num_channels=1)

    def synthesize(self, text: str, **kwargs: Any) -> tts.ChunkedStream:
        return ToneStream(tts=self, input_text=text, conn_options=OPTIONS)


class ToneStream(tts.ChunkedStream):
    """Pushes its frame."""

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(request_id="1", sample_rate=24_000, num_channels=1, mime_type="audio/pcm")
        output_emitter.push(bytes(960))
        output_emitter.flush()


async def llm_requests(model: EchoLLM) -> float:
    """Loop time of whole requests in short bursts; between bursts the outbox's threads do their work."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="hello")
    spent: list[float] = []
    for number in range(REQUESTS + REQUESTS // BURST * WARM_UP):
        if number % (BURST + WARM_UP) == 0:
            await asyncio.sleep(PAUSE_S)
        started = time.thread_time()
        async with model.chat(chat_ctx=context) as stream:
            async for _ in stream:
                continue
        # The request is settled two ticks after its end.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if number % (BURST + WARM_UP) >= WARM_UP:
            spent.append(time.thread_time() - started)
    # The median request, times their number: one garbage collection must not count for all.
    return statistics.median(spent) * REQUESTS


async def llm_chunks(model: EchoLLM) -> float:
    """Time of handing chunks to the stream's channel, which is all that metering touches per chunk."""
    stream = model.chat(chat_ctx=llm.ChatContext.empty())
    send, chunk = stream._event_ch.send_nowait, CHUNK
    send(chunk)
    send = stream._event_ch.send_nowait
    started = time.thread_time()
    for _ in range(CHUNKS):
        send(chunk)
    spent = time.thread_time() - started
    await stream.aclose()
    return spent


async def stt_frames(model: DeafSTT) -> float:
    """Time of pushing audio frames."""
    stream = model.stream()
    stream.push_frame(FRAME)
    push = stream.push_frame
    started = time.thread_time()
    for _ in range(FRAMES):
        push(FRAME)
    spent = time.thread_time() - started
    await stream.aclose()
    return spent


async def tts_frames(model: ToneTTS) -> float:
    """Time of handing audio to the stream's channel, which is all that metering touches per frame."""
    stream = model.synthesize("hello world")
    audio = tts.SynthesizedAudio(frame=FRAME, request_id="1")
    stream._event_ch.send_nowait(audio)
    send = stream._event_ch.send_nowait
    started = time.thread_time()
    for _ in range(AUDIO_FRAMES):
        send(audio)
    spent = time.thread_time() - started
    await stream.aclose()
    return spent


async def compare(
    name: str, bare: Any, metered: Any, work: Callable[[Any], Awaitable[float]], *, per: int, rounds: int
) -> None:
    """Interleave rounds, so that the machine's noise falls on both sides alike."""
    times: dict[str, list[float]] = {"bare": [], "metered": []}
    for _ in range(rounds):
        for side, model in (("bare", bare), ("metered", metered)):
            gc.collect()
            times[side].append(await work(model) / per * 1e6)
            await asyncio.sleep(0.02)
    base, with_shim = (statistics.median(times[side]) for side in ("bare", "metered"))
    paired = statistics.median(b - a for a, b in zip(times["bare"], times["metered"], strict=True))
    best = min(times["metered"]) - min(times["bare"])
    print(f"{name:<22} {base:>9.3f} {with_shim:>9.3f} {paired:>+10.3f} {best:>+10.3f} {with_shim / base:>7.3f}")


def metered(plugin: Any, modality: Any) -> Any:
    return instrument(plugin, PluginFacts(provider="bench", modality=modality, project=None, key_id=""))


def routed(make: Callable[[], Any], modality: Any) -> Any:
    """Return the front of a route of two."""
    members = [Member(plugin=metered(make(), modality), model=f"bench/{i}", position=i) for i in range(2)]
    stand_together(Route(members, runtime=current_runtime))
    return members[0].plugin


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        current_runtime(Options(outbox_dir=Path(folder)))
        async with utils.http_context.open():
            print(f"{'µs per':<22} {'bare':>9} {'metered':>9} {'overhead':>10} {'of minima':>10} {'ratio':>7}")
            await compare("STT frame", DeafSTT(), metered(DeafSTT(), "stt"), stt_frames, per=FRAMES, rounds=rounds)
            await compare("LLM chunk", EchoLLM(1), metered(EchoLLM(1), "llm"), llm_chunks, per=CHUNKS, rounds=rounds)
            await compare(
                "TTS frame", ToneTTS(), metered(ToneTTS(), "tts"), tts_frames, per=AUDIO_FRAMES, rounds=rounds
            )
            await compare(
                "LLM request", EchoLLM(1), metered(EchoLLM(1), "llm"), llm_requests, per=REQUESTS, rounds=rounds
            )
            await compare("STT frame, route", DeafSTT(), routed(DeafSTT, "stt"), stt_frames, per=FRAMES, rounds=rounds)
            await compare(
                "LLM request, route",
                EchoLLM(1),
                routed(lambda: EchoLLM(1), "llm"),
                llm_requests,
                per=REQUESTS,
                rounds=rounds,
            )
        reset_runtime()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    asyncio.run(main(parser.parse_args().rounds))
