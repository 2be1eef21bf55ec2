"""Enroll: a LiveKit worker that the fleet sees and can drain, and job processes that are warm when a job comes."""

import asyncio
import functools
import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from voicegateway.keys.keyring import WORD_WITHIN_S
from voicegateway.limits.lease import boot_ns
from voicegateway.runtime import Runtime, current_runtime
from voicegateway_shared.wire.keys import EVERY_PROVIDER

if TYPE_CHECKING:
    from voicegateway._gateway import Gateway

READY_WITHIN_S: Final = 1.0
HOSTED_VARIABLE: Final = "LIVEKIT_WORKER_TOKEN"
"""Set where LiveKit hosts the worker: it takes no load function but its own there, and logs that it does not."""
_ENROLLED: Final = "_voicegateway_enrolled"


def enroll(gateway: "Gateway", server: Any) -> Any:
    """Wrap what a worker is asked and told; see `Gateway.enroll`."""
    try:
        if getattr(server, _ENROLLED, False):
            return server
        setattr(server, _ENROLLED, True)
        if hasattr(server, "request_fnc") and hasattr(server, "prewarm_fnc"):
            _wrap_options(gateway, server)
        else:
            _wrap_run(gateway, server)
    except Exception as error:  # noqa: BLE001 - a worker must start, whatever it is to us
        current_runtime().hook_failed("enroll", error)
    return server


def warm_up(runtime: Runtime) -> None:
    """Ask for everything that the controller may tell, and wait for it, bounded; never raises."""
    _wait(runtime, _ask(runtime, "prewarm"))


async def ready(runtime: Runtime, timeout_s: float) -> bool:
    """Likewise, on an event loop; say whether the controller has answered."""
    keys = runtime.keys
    if keys is None or keys.is_answered(EVERY_PROVIDER):
        return True
    since_ns = _ask(runtime, "ready")
    return since_ns is not None and await asyncio.to_thread(keys.wait, EVERY_PROVIDER, timeout_s, since_ns=since_ns)


class Prewarm:
    """LiveKit's `setup_fnc` around a user's own. Pickled into each job process."""

    def __init__(self, gateway: "Gateway", given: Callable[[Any], Any] | None = None) -> None:
        self._gateway, self._given = gateway, given

    def __call__(self, process: Any) -> Any:
        """Ask first, so that the controller answers while the user's own function works."""
        runtime = self._gateway._runtime()
        since_ns = _ask(runtime, "prewarm")
        result = None if self._given is None else self._given(process)
        _wait(runtime, since_ns)
        return result


class Load:
    """LiveKit's `load_fnc` around a user's own: full while the worker is drained."""

    def __init__(self, gateway: "Gateway", given: Callable[..., float]) -> None:
        self._gateway, self._given = gateway, given
        self._takes_server = len(inspect.signature(given).parameters) > 0

    def __call__(self, server: Any) -> float:
        """Return what LiveKit's server is told."""
        load = self._given(server) if self._takes_server else self._given()
        runtime = self._gateway._runtime()
        try:
            if not runtime.duty.is_worker:
                runtime.start()
            return runtime.duty.load(server, load)
        except Exception as error:  # noqa: BLE001 - without a load LiveKit takes the worker for gone
            runtime.hook_failed("load", error)
            return load


def _ask(runtime: Runtime, where: str) -> int | None:
    """Have the controller asked for everything; return since when, None where there is nobody to ask. Never raises."""
    if runtime.keys is None or runtime.limits is None:
        return None
    try:
        since_ns = boot_ns()
        runtime.keys.need()
        runtime.start()
        runtime.limits.syncer.ask()
        return since_ns
    except Exception as error:  # noqa: BLE001 - a process must start, and a call begin
        runtime.hook_failed(where, error)
        return None


def _wait(runtime: Runtime, since_ns: int | None) -> None:
    if since_ns is not None and runtime.keys is not None:
        runtime.keys.wait(EVERY_PROVIDER, WORD_WITHIN_S, since_ns=since_ns)


def _wrap_options(gateway: "Gateway", options: Any) -> None:
    """`WorkerOptions`: its server is met when it first asks for its load."""
    options.request_fnc = _asked_first(gateway, options.request_fnc)
    options.prewarm_fnc = _warmed(gateway, options.prewarm_fnc)
    if not os.environ.get(HOSTED_VARIABLE):
        options.load_fnc = Load(gateway, options.load_fnc)


def _wrap_run(gateway: "Gateway", server: Any) -> None:
    """`AgentServer`: by the time it runs, its user has said all that he has to say."""
    run = server.run

    @functools.wraps(run)
    async def enrolled(*args: Any, **kwargs: Any) -> Any:
        try:
            _install(gateway, server)
        except Exception as error:  # noqa: BLE001 - a worker must start, whatever it is to us
            gateway._runtime().hook_failed("enroll", error)
        return await run(*args, **kwargs)

    server.run = enrolled


def _install(gateway: "Gateway", server: Any) -> None:
    server._request_fnc = _asked_first(gateway, server._request_fnc)
    server.setup_fnc = _warmed(gateway, server.setup_fnc)
    if not os.environ.get(HOSTED_VARIABLE) and not isinstance(server.load_fnc, Load):
        server.load_fnc = Load(gateway, server.load_fnc or _usual_load())
    runtime = gateway._runtime()
    runtime.duty.met(server)
    runtime.start()


def _asked_first(gateway: "Gateway", handler: Any) -> Any:
    if handler is None:
        return gateway.on_request
    asked = handler.func if isinstance(handler, functools.partial) else handler
    return handler if getattr(asked, "__self__", None) is gateway else gateway.on_request(handler)


def _warmed(gateway: "Gateway", given: Any) -> Any:
    if isinstance(given, Prewarm) or getattr(given, "__self__", None) is gateway:
        return given
    return Prewarm(gateway, given)


def _usual_load() -> Callable[..., float]:
    """LiveKit's own, of which its options' default is the one public name."""
    from livekit.agents import WorkerOptions

    usual: Any = WorkerOptions.__dataclass_fields__["load_fnc"].default
    return cast("Callable[..., float]", usual)
