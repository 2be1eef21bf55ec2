"""What the tests of metering share: real plugins against simulated vendors, a real outbox, and a sink that keeps."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit.agents import utils
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fixtures.otlp_sink import OtlpSink
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import QUICK

from voicegateway import Gateway, Options
from voicegateway.runtime import Runtime, current_runtime, reset_runtime
from voicegateway.testing.vendors import (
    AssemblyAIOptions,
    CartesiaOptions,
    DeepgramOptions,
    ElevenLabsOptions,
    FaultPlan,
    OpenAIOptions,
    TruthRecord,
    VendorSimulators,
    VoiceOptions,
)
from voicegateway_shared.telemetry import attributes as names

FLUSH_S_MAX = 10.0
TOKEN = "vgw_test_token"
QUICK_VOICE = CartesiaOptions(first_chunk_ms=5, chunk_every_ms=2)
QUICK_VOICES = VoiceOptions(first_chunk_ms=5, chunk_every_ms=2)
"""Of the other vendors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request as the controller received it."""

    span: Span
    facts: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, span: Span) -> "Record":
        return cls(span=span, facts={item.key: _value(item.value) for item in span.attributes})

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    @property
    def outcome(self) -> str:
        return str(self.facts[names.OUTCOME])

    @property
    def is_estimated(self) -> bool:
        return bool(self.facts[names.ESTIMATED])

    @property
    def attempts(self) -> int:
        return int(self.facts[names.ATTEMPTS])

    @property
    def usage(self) -> dict[str, int]:
        """The meters, without those that no vendor's truth knows."""
        return self._with(names.USAGE_PREFIX)

    @property
    def reported(self) -> dict[str, int]:
        return self._with(names.REPORTED_PREFIX)

    @property
    def told(self) -> dict[str, int]:
        return self._with(names.TOLD_PREFIX)

    @property
    def vendor_ids(self) -> list[str]:
        return str(self.facts.get(names.VENDOR_REQUEST_IDS, "")).split()

    def billed(self, *meters: str) -> dict[str, int]:
        """These meters of the usage; a meter that is not there is zero."""
        usage = self.usage
        return {meter: usage.get(meter, 0) for meter in meters}

    def _with(self, prefix: str) -> dict[str, int]:
        return {key.removeprefix(prefix): value for key, value in self.facts.items() if key.startswith(prefix)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A gateway that meters into a sink, and the vendors it is pointed at."""

    sims: VendorSimulators
    sink: OtlpSink
    gateway: Gateway
    runtime: Runtime

    def llm(self, model: str = "openai/gpt-4.1-mini", **kwargs: Any) -> Any:
        return self.gateway.llm(model, **{**self.sims.openai.plugin_kwargs(), **kwargs})

    def stt(self, model: str = "deepgram/nova-3", **kwargs: Any) -> Any:
        return self.gateway.stt(model, **{**self.sims.deepgram.plugin_kwargs(), **kwargs})

    def tts(self, model: str = "cartesia/sonic-3", **kwargs: Any) -> Any:
        vendor = self.sims.openai if model.startswith("openai/") else self.sims.cartesia
        return self.gateway.tts(model, **{**vendor.plugin_kwargs(), **kwargs})

    async def records(self) -> list[Record]:
        """Wait until nothing is open, then return every request the sink has received, oldest first.

        Each was received in exactly one version, and our hooks have raised nothing.
        """
        await eventually(lambda: not self.runtime._open, within_s=FLUSH_S_MAX)
        assert await self.gateway.flush(FLUSH_S_MAX)
        received = self.sink.received
        assert {request_id: len(versions) for request_id, versions in received.items() if len(versions) != 1} == {}
        records = [Record.of(self.sink.span(request_id)) for request_id in received]
        return sorted(records, key=lambda record: record.span.start_time_unix_nano)

    async def record(self) -> Record:
        """Return the only request there was."""
        [record] = await self.records()
        assert self.runtime.hook_errors == 0
        return record

    async def bill(self) -> TruthRecord:
        """Return the vendor's own line of the only request there was."""
        [bill] = await self.bills()
        return bill

    async def bills(self) -> list[TruthRecord]:
        """Return the vendors' own lines, refusals left out."""
        return [bill for bill in await self.sims.settled() if bill.usage]


async def settled(meter: Meter, plugin: Any) -> tuple[Record, list[TruthRecord]]:
    """Close a plugin; return the only record and what the vendor bills for it."""
    # An interrupted socket stays open until the plugin's next stream or its end.
    await plugin.aclose()
    return await meter.record(), await meter.bills()


def total(bills: list[TruthRecord], *meters: str) -> dict[str, int]:
    """Return what the vendor bills in all."""
    return {meter: sum(bill.usage.get(meter, 0) for bill in bills) for meter in meters}


@asynccontextmanager
async def metering(
    outbox_dir: Path,
    *,
    faults: FaultPlan = (),
    openai: OpenAIOptions = QUICK,
    cartesia: CartesiaOptions = QUICK_VOICE,
    **options: Any,
) -> AsyncIterator[Meter]:
    """Run simulators, a sink and a runtime of this test's own; nothing may go wrong unheard on the loop meanwhile."""
    reset_runtime()
    with OtlpSink() as sink, nothing_unheard():
        given = Options(url=sink.url, token=TOKEN, outbox_dir=outbox_dir / "outbox", **options)
        async with (
            utils.http_context.open(),
            VendorSimulators(
                faults=faults,
                openai=openai,
                cartesia=cartesia,
                deepgram=DeepgramOptions(voice=QUICK_VOICES),
                elevenlabs=ElevenLabsOptions(voice=QUICK_VOICES),
                assemblyai=AssemblyAIOptions(voice=QUICK_VOICES),
            ) as sims,
            Gateway(given) as gateway,
        ):
            yield Meter(sims=sims, sink=sink, gateway=gateway, runtime=current_runtime(given))


@contextlib.contextmanager
def nothing_unheard() -> Iterator[None]:
    """Fail when the loop would have written `Task exception was never retrieved` or the like to the terminal."""
    unheard: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(f"{context['message']}: {context.get('exception')!r}"))
    try:
        yield
    finally:
        gc.collect(1)
        loop.set_exception_handler(None)
    assert unheard == []


@contextlib.contextmanager
def broken(target: Any, name: str) -> Iterator[list[BaseException]]:
    """Make a function of ours raise; yields the errors it raised."""
    original = getattr(target, name)
    raised: list[BaseException] = []

    def breaks(*args: Any, **kwargs: Any) -> Any:
        raised.append(RuntimeError(f"{name} is broken"))
        raise raised[-1]

    setattr(target, name, breaks)
    try:
        yield raised
    finally:
        setattr(target, name, original)


def _value(value: AnyValue) -> Any:
    return getattr(value, str(value.WhichOneof("value")))
