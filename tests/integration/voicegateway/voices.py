"""What the tests of voices that stand for one another share: routes, what is heard, and what vendors were given."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit.agents import APIConnectOptions
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.metering import Meter

from voicegateway.instrument import stand_together
from voicegateway.routing.route import Member, Route
from voicegateway.testing.vendors import FaultRule
from voicegateway.testing.vendors.openai_speech import SpeechSynthesis
from voicegateway_shared.telemetry import attributes as names

SONIC = ["cartesia/sonic-3", "cartesia/sonic-2"]
OPENAI = "openai/gpt-4o-mini-tts"


@dataclass(slots=True, kw_only=True)
class Heard:
    """What came out of a stream."""

    seconds: float = 0.0
    rates: set[tuple[int, int]] = field(default_factory=set)
    words: list[Any] = field(default_factory=list)
    finals: int = 0
    request_ids: list[str] = field(default_factory=list)

    def add(self, audio: Any) -> None:
        """Note a piece."""
        self.seconds += audio.frame.duration
        self.rates.add((audio.frame.sample_rate, audio.frame.num_channels))
        self.words += audio.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT) or []
        self.finals += audio.is_final
        if audio.request_id not in self.request_ids:
            self.request_ids.append(audio.request_id)

    @property
    def told(self) -> str:
        """What its timed words say, with single blanks."""
        return " ".join("".join(f"{word} " for word in self.words).split())


@dataclass(slots=True, kw_only=True)
class Events:
    """What a plugin tells whoever listens."""

    errors: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)


def fault(kind: Any, endpoint: Any = "tts_context", **fields: Any) -> FaultRule:
    """A fault of the simulated Cartesia's socket."""
    return FaultRule(vendor="cartesia", endpoint=endpoint, kind=kind, **({"nth": 1} | fields))


def speech_fault(kind: Any, **fields: Any) -> FaultRule:
    """A fault of the simulated OpenAI."""
    return FaultRule(vendor="openai", endpoint="speech", kind=kind, **({"nth": 1} | fields))


def sonic(meter: Meter, *models: str) -> Any:
    """Return what the gateway makes of several models of Cartesia's."""
    return meter.gateway.tts(models, **meter.sims.cartesia.plugin_kwargs())


def route_of(meter: Meter, *models: Any, **options: Any) -> Any:
    """Return the front of a route; a model may come with arguments of its own."""
    pairs = [(each, {}) if isinstance(each, str) else each for each in models]
    return route_of_plugins(meter, *[meter.tts(model, **arguments) for model, arguments in pairs], **options)


def route_of_plugins(meter: Meter, *plugins: Any, **options: Any) -> Any:
    """Return the front of a route through them."""
    members = [
        Member(plugin=plugin, model=f"{plugin._voicegateway_facts.provider}/{plugin.model}", position=position)
        for position, plugin in enumerate(plugins)
    ]
    stand_together(Route(members, runtime=lambda: meter.runtime, **options))
    return plugins[0]


def listening(plugin: Any) -> Events:
    """Listen to a plugin, as a session does."""
    events = Events()
    plugin.on("error", events.errors.append)
    plugin.on("metrics_collected", events.metrics.append)
    return events


async def say(
    plugin: Any, text: str | Sequence[str], *, options: APIConnectOptions = NO_RETRY, pause_s: float = 0.0
) -> Heard:
    """Stream a text, or its parts one after the other, and listen to the end."""
    heard = Heard()
    async with plugin.stream(conn_options=options) as stream:

        async def push() -> None:
            for part in [text] if isinstance(text, str) else text:
                stream.push_text(part)
                await asyncio.sleep(pause_s)
            stream.end_input()

        pushing = asyncio.create_task(push())
        async for audio in stream:
            heard.add(audio)
        await pushing
    return heard


async def say_whole(plugin: Any, text: str, *, options: APIConnectOptions = NO_RETRY) -> Heard:
    """Synthesize a text in one request and listen to the end."""
    heard = Heard()
    async with plugin.synthesize(text, conn_options=options) as stream:
        async for audio in stream:
            heard.add(audio)
    return heard


def told(records: Any) -> list[tuple[str, str, int]]:
    """Return which model was asked, what became of it, and how often it was tried."""
    return [(record[names.REQUEST_MODEL], record.outcome, record.attempts) for record in records]


@contextmanager
def listening_to_openai() -> Iterator[list[str]]:
    """Note what the simulated OpenAI is given to say."""
    run = SpeechSynthesis.run
    texts: list[str] = []

    async def noted(self: SpeechSynthesis) -> Any:
        texts.append(self._asked.text)
        return await run(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpeechSynthesis, "run", noted)
        yield texts
