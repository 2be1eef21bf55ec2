"""An inference server in a process of its own, between simulated vendors and a controller that keeps all it is told."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from livekit.agents import AgentSession, utils
from tests.fixtures.otlp_sink import OtlpSink
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import QUICK
from tests.integration.voicegateway.metering import QUICK_VOICE, TOKEN, Meter, Record, metering

from voicegateway.inference_server.server import InferenceServer
from voicegateway.inference_server.settings import Key, Settings
from voicegateway.testing.vendors import CartesiaOptions, FaultPlan, OpenAIOptions, TruthRecord, VendorSimulators
from voicegateway_shared.telemetry import attributes as names

API_KEY = "APItest"
API_SECRET = "a-secret-that-is-long-enough-for-sha256"
ENDED_S_MAX = 20.0
STT, LLM, TTS = "deepgram/nova-3:en-US", "openai/gpt-4.1-mini", "cartesia/sonic-3:a-voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A server in the test's own process, for tests that look into it."""

    server: InferenceServer
    meter: Meter


@asynccontextmanager
async def serving_here(
    directory: Path, *, settings: Mapping[str, Any] | None = None, decide_sync: Any = None, **metered: Any
) -> AsyncIterator[Here]:
    """Run it on the test's own loop, and point LiveKit at it; `metered` is what `metering` takes."""
    async with metering(directory, **metered) as meter:
        if decide_sync is not None:
            meter.sink.decide_sync = decide_sync
        given = Settings(
            port=0,
            **{
                "keys": (Key(api_key=API_KEY, api_secret=API_SECRET),),
                "plugins": plugin_settings(meter.sims),
                "drain_s": 5.0,
                **(settings or {}),
            },
        )
        server = InferenceServer(given, meter.gateway)
        with pytest.MonkeyPatch.context() as patch:
            await server.start()
            patch.setenv("LIVEKIT_API_KEY", API_KEY)
            patch.setenv("LIVEKIT_API_SECRET", API_SECRET)
            patch.setenv("LIVEKIT_INFERENCE_URL", server.url)
            try:
                yield Here(server=server, meter=meter)
            finally:
                await server.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server and what is around it."""

    url: str
    sims: VendorSimulators
    sink: OtlpSink
    process: Process
    log: Path

    async def stop(self) -> int:
        """End it as Kubernetes does, and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ENDED_S_MAX):
            return await self.process.wait()

    async def records(self, count: int) -> list[Record]:
        """Return all requests that the controller was told of, oldest first, once there are so many."""
        await eventually(lambda: len(self.settled()) >= count)
        return self.settled()

    def settled(self) -> list[Record]:
        """Return the requests that have ended."""
        records = [Record.of(self.sink.span(request_id)) for request_id in self.sink.received]
        return sorted(records, key=lambda record: record.span.start_time_unix_nano)

    async def bills(self) -> list[TruthRecord]:
        """Return the vendors' own lines, refusals left out."""
        return [bill for bill in await self.sims.settled() if bill.usage]


@asynccontextmanager
async def serving(
    directory: Path,
    *,
    faults: FaultPlan = (),
    openai: OpenAIOptions = QUICK,
    cartesia: CartesiaOptions = QUICK_VOICE,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    prefix: str = "",
) -> AsyncIterator[Served]:
    """Run it, and point this process's LiveKit at it: agents here know nothing of a gateway."""
    url_file, log = directory / "inference.url", directory / "inference.log"
    with OtlpSink() as sink, pytest.MonkeyPatch.context() as patch:
        async with utils.http_context.open(), VendorSimulators(faults=faults, openai=openai, cartesia=cartesia) as sims:
            config = directory / "voicegw.yaml"
            config.write_text(yaml.safe_dump({"inference": {"plugins": plugin_settings(sims), **(settings or {})}}))
            given = {
                "VOICEGATEWAY_URL": sink.url,
                "VOICEGATEWAY_TOKEN": TOKEN,
                "VOICEGATEWAY_OUTBOX_DIR": str(directory / "outbox"),
                "VOICEGATEWAY_CONFIG": str(config),
                "VOICEGATEWAY_INFERENCE_PORT": "0",
                "VOICEGATEWAY_INFERENCE_DRAIN_S": "5",
                "LIVEKIT_API_KEY": API_KEY,
                "LIVEKIT_API_SECRET": API_SECRET,
                **(environment or {}),
            }
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "voicegateway.inference_server",
                    *("--url-file", str(url_file)),
                    env={**os.environ, **given},
                    stderr=output,
                )
            try:
                await eventually(lambda: url_file.exists() or process.returncode is not None)
                assert url_file.exists(), log.read_text()
                for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
                    patch.setenv(name, given[name])
                url = url_file.read_text().removesuffix("/v1") + f"{prefix}/v1"
                patch.setenv("LIVEKIT_INFERENCE_URL", url)
                yield Served(url=url, sims=sims, sink=sink, process=process, log=log)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


def plugin_settings(sims: VendorSimulators) -> dict[str, Any]:
    return {
        "deepgram": sims.deepgram.plugin_kwargs(),
        "openai": sims.openai.plugin_kwargs(),
        "cartesia": sims.cartesia.plugin_kwargs(),
    }


def untouched(**options: Any) -> AgentSession[Any]:
    """A session as people write it who know nothing of us, without what LiveKit would guess or speculate."""
    return AgentSession(
        stt=STT,
        llm=LLM,
        tts=TTS,
        vad=None,
        aec_warmup_duration=None,
        turn_handling={
            "turn_detection": "stt",
            "endpointing": {"min_delay": 0.05, "max_delay": 0.3},
            "preemptive_generation": {"enabled": False},
        },
        **options,
    )


async def close(session: AgentSession[Any]) -> None:
    """Close what a session made of its strings: it lives as long as the process else."""
    for plugin in (session.stt, session.llm, session.tts):
        if plugin is not None:
            await plugin.aclose()


def by_modality(records: list[Record]) -> dict[str, list[Record]]:
    """Return the records of each modality."""
    return {each: [r for r in records if r[names.MODALITY] == each] for each in ("stt", "llm", "tts")}
