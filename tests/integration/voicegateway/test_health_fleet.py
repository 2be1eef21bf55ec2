"""Two whole workers at a real controller, and a vendor that fails: one finds out and probes, both know."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from livekit.agents import APIError, utils
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import QUICK
from tests.integration.voicegateway.plugin_use import ask
from tests.unit.voicegateway.records import a_record

from voicegateway import Gateway, Options
from voicegateway.health.target import target_of
from voicegateway.runtime import Runtime, current_runtime, reset_runtime
from voicegateway.testing.vendors import FaultRule, VendorSimulators
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.settings import Settings
from voicegateway_shared.routing import parse_routing

BROWN_OUT = FaultRule(vendor="openai", kind="server_error", endpoint="chat", every=1)
REFUSED_KEY = FaultRule(vendor="openai", kind="unauthorized", endpoint="chat", every=1)
MINI, OSS = "openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "simulated")
    monkeypatch.setenv("GROQ_API_KEY", "simulated")


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database_url, pool_size=2, application_name="test")
    yield made
    await made.dispose()


@pytest_asyncio.fixture
async def url(database_url: str, redis_url: str) -> AsyncIterator[str]:
    """The address of a controller that listens."""
    settings = Settings(database_url=database_url, redis_url=redis_url, runner_port=0)  # type: ignore[arg-type]  # read
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


class Workers:
    """One that asks vendors, and one that carries a call meanwhile."""

    def __init__(self, sims: VendorSimulators, gateway: Gateway, asks: Runtime, waits: Runtime, plugin: Any) -> None:
        self.sims, self.gateway, self.asks, self.waits, self.plugin = sims, gateway, asks, waits, plugin

    @property
    def is_known(self) -> bool:
        """Whether the one that waits knows of some trouble. Asking it for the state would make it offer to probe."""
        return not self.waits.health.is_all_well

    async def told(self) -> float:
        """Wait until it does; return for how many seconds."""
        began_s = time.monotonic()
        await eventually(lambda: self.is_known)
        return time.monotonic() - began_s

    def asked(self, vendor: str) -> int:
        return sum(record.vendor == vendor for record in self.sims.truth())


@asynccontextmanager
async def workers(tmp_path: Path, url: str, engine: AsyncEngine, *faults: FaultRule) -> AsyncIterator[Workers]:
    token = await create_token(engine, role=Role.WORKER, name="workers")
    reset_runtime()
    async with utils.http_context.open(), VendorSimulators(openai=QUICK, faults=faults) as sims:
        models = [
            {"model": MINI, "options": {"base_url": sims.openai.plugin_kwargs()["base_url"]}},
            {"model": OSS, "options": {"base_url": sims.groq.plugin_kwargs()["base_url"]}},
        ]
        routing = parse_routing({"chains": {"llm": {"fast": {"models": models}}}})
        options = Options(url=url, token=token, outbox_dir=tmp_path / "first", routing=routing)
        waits = Runtime(Options(url=url, token=token, outbox_dir=tmp_path / "second"))
        waits.begin(record := a_record("stt"))
        async with Gateway(options) as gateway:
            plugin = gateway.llm("fast")
            yield Workers(sims, gateway, current_runtime(options), waits, plugin)
            await plugin.aclose()
        await asyncio.to_thread(waits.settle, record, "cancelled")
        await asyncio.to_thread(waits.close)


async def test_a_brown_out_that_one_worker_sees_is_known_to_all_and_so_is_its_end(
    tmp_path: Path, url: str, engine: AsyncEngine, record_property: Any
) -> None:
    async with workers(tmp_path, url, engine, BROWN_OUT) as both:
        await eventually(lambda: both.waits.health.version >= 0)
        for _ in range(2):
            assert await ask(both.plugin)
        seconds = await both.told()
        record_property("known_elsewhere_after_s", round(seconds, 3))
        asked = both.asked("openai")
        assert await ask(both.plugin)
        assert (asked, both.asked("openai"), both.asked("groq")) == (2, 2, 3)

        both.sims.set_faults(())
        while both.is_known:
            assert await ask(both.plugin)
            await asyncio.sleep(0.05)

        assert both.asked("openai") >= 4
        await eventually(lambda: both.asks.health.is_all_well)
        assert (both.asks.hook_errors, both.waits.hook_errors) == (0, 0)


async def test_a_key_that_was_refused_is_not_asked_with_again_for_any_model(
    tmp_path: Path, url: str, engine: AsyncEngine
) -> None:
    async with workers(tmp_path, url, engine, REFUSED_KEY) as both:
        assert await ask(both.plugin)
        await both.told()
        facts = both.plugin._voicegateway_facts

        other = both.waits.health.state(target_of(facts, "gpt-4.1-nano"))

        assert (other.state, other.cause) == ("open", "unauthorized")


async def test_without_a_second_model_the_vendor_is_asked_all_the_same(
    tmp_path: Path, url: str, engine: AsyncEngine
) -> None:
    async with workers(tmp_path, url, engine, BROWN_OUT) as both:
        alone = both.gateway.llm(MINI, **both.sims.openai.plugin_kwargs())
        for _ in range(3):
            with pytest.raises(APIError):
                await ask(alone)
        await alone.aclose()

        assert both.asked("openai") == 3
