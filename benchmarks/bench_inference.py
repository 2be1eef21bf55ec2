"""What the inference server adds: first token and first audio through it against the vendor's own plugin.

    python -m benchmarks.bench_inference [--rounds 40]

Server and simulated vendors are processes of their own on this machine; direct and served requests take turns, each
over warm connections. Prints milliseconds; the difference of medians is what the hop costs, whatever the vendor needs.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from livekit.agents import APIConnectOptions, inference, llm, utils
from livekit.plugins import cartesia, openai

OPTIONS = APIConnectOptions(max_retry=0)
STARTED_S_MAX = 60.0
LOOK_S = 0.05
WARM_UP = 5
KEY, SECRET = "APIbench", "a-secret-that-is-long-enough-for-sha256"
TEXT = "It should reach you on Thursday."


async def first_token(model: Any) -> float:
    """Return the seconds from a request to the first token of its answer."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="When does it arrive?")
    started = time.perf_counter()
    taken = 0.0
    async with model.chat(chat_ctx=context, conn_options=OPTIONS) as stream:
        async for chunk in stream:
            if not taken and chunk.delta is not None and chunk.delta.content:
                taken = time.perf_counter() - started
    return taken


async def first_audio(voice: Any) -> float:
    """Return the seconds from a text to its first audio."""
    started = time.perf_counter()
    taken = 0.0
    async with voice.stream(conn_options=OPTIONS) as stream:
        stream.push_text(TEXT)
        stream.end_input()
        async for _ in stream:
            taken = taken or time.perf_counter() - started
    return taken


async def compare(name: str, rounds: int, measure: Callable[[Any], Awaitable[float]], direct: Any, served: Any) -> None:
    """Print both, measured in turns."""
    taken: dict[str, list[float]] = {"direct": [], "served": []}
    for number in range(rounds + WARM_UP):
        for kind, plugin in (("direct", direct), ("served", served)):
            seconds = await measure(plugin)
            if number >= WARM_UP:
                taken[kind].append(seconds * 1000)
    medians = {kind: statistics.median(each) for kind, each in taken.items()}
    p90 = {kind: statistics.quantiles(each, n=10)[-1] for kind, each in taken.items()}
    added = medians["served"] - medians["direct"]
    print(
        f"{name:12} direct {medians['direct']:6.1f} ms (p90 {p90['direct']:.1f})   "
        f"served {medians['served']:6.1f} ms (p90 {p90['served']:.1f})   "
        f"+{added:.1f} ms, ratio {medians['served'] / medians['direct']:.2f}"
    )


@asynccontextmanager
async def process(module: str, file: Path, *arguments: str, **environment: str) -> AsyncIterator[str]:
    """Run a program of ours; yields what it writes into a file once it is ready."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env={**os.environ, **environment}
    )
    try:
        async with asyncio.timeout(STARTED_S_MAX):
            while not file.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(LOOK_S)
        yield file.read_text()
    finally:
        child.terminate()
        await child.wait()


async def run(rounds: int, directory: Path) -> None:
    """Measure both."""
    ports, url_file, config = directory / "ports.json", directory / "url", directory / "voicegw.yaml"
    vendors = process(
        "voicegateway.testing.vendors", ports, "--truth-dir", str(directory / "truth"), "--port-file", str(ports)
    )
    async with vendors as told:
        urls = json.loads(told)
        there = {name: {"base_url": urls[name], "api_key": "a-key"} for name in ("openai", "cartesia")}
        config.write_text(yaml.safe_dump({"inference": {"plugins": there}}))
        environment = {
            "VOICEGATEWAY_CONFIG": str(config),
            "VOICEGATEWAY_OUTBOX_DIR": str(directory / "outbox"),
            "VOICEGATEWAY_INFERENCE_PORT": "0",
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
        }
        server = process("voicegateway.inference_server", url_file, "--url-file", str(url_file), **environment)
        async with server as url, utils.http_context.open():
            ours: dict[str, Any] = {"base_url": url, "api_key": KEY, "api_secret": SECRET}
            models = openai.LLM(model="gpt-4.1-mini", **there["openai"]), inference.LLM("openai/gpt-4.1-mini", **ours)
            voices = cartesia.TTS(**there["cartesia"]), inference.TTS("cartesia/sonic-3", **ours)
            await compare("first token", rounds, first_token, *models)
            await compare("first audio", rounds, first_audio, *voices)
            for plugin in (*models, *voices):
                await plugin.aclose()


def main() -> None:
    """Run it in a directory of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-inference-") as directory:
        asyncio.run(run(arguments.rounds, Path(directory)))


if __name__ == "__main__":
    main()
