"""Enrolled workers: LiveKit's own server with real job processes, drained by order, never in the middle of a call."""

import asyncio
import contextlib
import functools
import math
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import AgentServer, JobRequest, WorkerOptions
from tests.fixtures.enrolled_agent import FOLDER, entrypoint, setup
from tests.fixtures.key_controller import KeyController, leased
from tests.fixtures.livekit_agents import KEY, SECRET, LiveKitAgents, livekit_agents_serving
from tests.fixtures.otlp_sink import OtlpSink
from tests.fixtures.waiting import eventually

from voicegateway import Gateway, Options
from voicegateway._enroll import Load, Prewarm
from voicegateway.runtime import current_runtime, reset_runtime
from voicegateway_shared.wire import WorkerOrder, WorkerState

WITHIN_S = 30.0
ROOT = Path(__file__).resolve().parents[3]


@asynccontextmanager
async def controlled(path: Path, controller: KeyController) -> AsyncIterator[Gateway]:
    reset_runtime()
    with OtlpSink() as sink:
        sink.decide_sync = controller
        async with Gateway(Options(url=sink.url, token="vgw_test", outbox_dir=path / "outbox")) as gateway:
            yield gateway


@asynccontextmanager
async def running(server: AgentServer, livekit: LiveKitAgents) -> AsyncIterator[None]:
    task = asyncio.create_task(server.run())
    try:
        await eventually(lambda: task.done() or livekit.socket is not None, within_s=WITHIN_S)
        assert not task.done(), task.exception()
        yield
    finally:
        await server.aclose()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def last_state(controller: KeyController) -> WorkerState:
    states = [each.worker for each in controller.messages if each.worker is not None and each.worker.kind == "worker"]
    return states[-1] if states else WorkerState()


async def test_drained_worker_takes_no_job_and_its_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = KeyController(leased("openai", "sk-leased-0123456789"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    # Job processes get our path; the test's own modules are not found by it.
    monkeypatch.syspath_prepend(str(ROOT))
    loads = iter([0.25] * 10_000)
    async with controlled(tmp_path, controller) as gateway, livekit_agents_serving() as livekit:
        assert gateway.options.url is not None
        # Job processes read the environment, as in a deployment.
        monkeypatch.setenv("VOICEGATEWAY_URL", gateway.options.url)
        monkeypatch.setenv("VOICEGATEWAY_TOKEN", "vgw_test")
        monkeypatch.setenv("VOICEGATEWAY_OUTBOX_DIR", str(tmp_path / "outbox"))
        server = gateway.enroll(
            AgentServer(
                ws_url=livekit.url, api_key=KEY, api_secret=SECRET, host="127.0.0.1", port=0, num_idle_processes=0,
                load_fnc=lambda: next(loads), multiprocessing_context="forkserver",
            )
        )  # fmt: skip
        server.rtc_session(entrypoint, agent_name="desk")
        server.setup_fnc = setup
        assert gateway.enroll(server) is server
        async with running(server, livekit):
            first = await livekit.offer("AJ_1")
            await eventually(lambda: (tmp_path / "AJ_1.told").exists(), within_s=WITHIN_S)
            await eventually(lambda: last_state(controller).active_jobs == 1, within_s=WITHIN_S)
            busy = last_state(controller)
            controller.order = WorkerOrder(is_drained=True)
            await eventually(lambda: last_state(controller).is_drained, within_s=WITHIN_S)
            await eventually(lambda: livekit.loads[-1:] == [(1.0, True)], within_s=WITHIN_S)
            second = await livekit.offer("AJ_2")
            controller.is_down = True
            third = await livekit.offer("AJ_3")
            drained = last_state(controller)
            assert not (tmp_path / "AJ_1.ended").exists()
            controller.is_down, controller.order = False, WorkerOrder()
            await eventually(lambda: not last_state(controller).is_drained, within_s=WITHIN_S)
            await eventually(lambda: livekit.loads[-1:] == [(0.25, False)], within_s=WITHIN_S)
            (tmp_path / "end").touch()
            await eventually(lambda: (tmp_path / "AJ_1.ended").exists(), within_s=WITHIN_S)
        hook_errors = current_runtime().hook_errors

    assert [each.available for each in (first, second, third)] == [True, False, False]
    assert not any(each.terminate for each in (second, third)), "another worker may take them"
    assert (tmp_path / "AJ_1.told").read_text() == "True True gpt-4.1-mini"
    assert (busy.kind, busy.worker_id, busy.agent, busy.load_permille) == ("worker", "AW_test", "desk", 250)
    assert (drained.active_jobs, drained.is_drained) == (1, True)
    assert hook_errors == 0


class _Server:
    """As LiveKit's, for a look at what is reported."""

    id = "unregistered"
    draining = False
    _agent_name = "desk"

    def __init__(self, threshold: Any = 0.7) -> None:
        self._load_threshold = threshold


@pytest.mark.parametrize(
    ("threshold", "load", "is_drained", "reported"),
    [
        (0.7, 0.2, False, 0.2),
        (0.7, 0.2, True, 1.0),
        (2.0, 0.2, True, 2.0),
        (math.inf, 0.2, True, 1.0),
        (0.7, 1.5, True, 1.5),
    ],
)
async def test_load_is_full_while_drained(
    threshold: float, load: float, is_drained: bool, reported: float, tmp_path: Path
) -> None:
    reset_runtime()
    async with Gateway(Options(outbox_dir=tmp_path)) as gateway:
        current_runtime(gateway.options).duty.ordered(WorkerOrder(is_drained=is_drained))
        for given in (lambda: load, lambda server: load):
            assert Load(gateway, given)(_Server(threshold)) == reported


async def test_worker_options_keep_what_they_had(tmp_path: Path) -> None:
    met: list[str] = []

    async def mine(request: JobRequest) -> None:
        met.append("request")

    reset_runtime()
    async with Gateway(Options(outbox_dir=tmp_path)) as gateway:
        options = gateway.enroll(
            WorkerOptions(
                entrypoint_fnc=entrypoint,
                request_fnc=mine,
                prewarm_fnc=lambda _: met.append("prewarm"),
                load_fnc=lambda: 0.5,
            )
        )
        await options.request_fnc(None)
        options.prewarm_fnc(None)
        load = options.load_fnc(_Server())
        asked_already = gateway.enroll(
            WorkerOptions(entrypoint_fnc=entrypoint, request_fnc=gateway.on_request(mine), prewarm_fnc=gateway.prewarm)
        )

    assert (met, load) == (["request", "prewarm"], 0.5)
    assert isinstance(asked_already.request_fnc, functools.partial)
    assert asked_already.request_fnc.args == (mine,)
    assert not isinstance(asked_already.prewarm_fnc, Prewarm)


async def test_worker_that_livekit_hosts_keeps_its_load_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_WORKER_TOKEN", "hosted")
    reset_runtime()
    async with Gateway(Options(outbox_dir=tmp_path)) as gateway:
        options = gateway.enroll(WorkerOptions(entrypoint_fnc=entrypoint))

    assert options.load_fnc is WorkerOptions.__dataclass_fields__["load_fnc"].default


def test_what_goes_to_job_processes_can_be_pickled(tmp_path: Path) -> None:
    gateway = Gateway(Options(url="http://127.0.0.1:9", token="vgw_t", outbox_dir=tmp_path))
    for given in (Prewarm(gateway, setup), Prewarm(Gateway(), None), gateway.prewarm, gateway.prewarm(setup)):
        pickle.loads(pickle.dumps(given))

    again = pickle.loads(pickle.dumps(gateway))
    assert (again.options, type(again)) == (gateway.options, Gateway)


async def test_error_of_ours_lets_the_worker_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reset_runtime()
    async with Gateway(Options(outbox_dir=tmp_path)) as gateway:
        runtime = current_runtime(gateway.options)
        monkeypatch.setattr(runtime.duty, "load", lambda *_: 1 / 0)
        load = Load(gateway, lambda: 0.5)(_Server())
        assert gateway.enroll(object()) is not None

    assert (load, runtime.hook_errors) == (0.5, 2)
