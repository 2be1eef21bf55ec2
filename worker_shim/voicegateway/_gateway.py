"""Gateway: from a model string to a metered native LiveKit plugin."""

import asyncio
import functools
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from voicegateway import _enroll, tracing
from voicegateway._on_request import accept, decide
from voicegateway.options import Options
from voicegateway.routing.asked import Model
from voicegateway.routing.resolving import resolve_asked, stack_parts
from voicegateway.routing.stacks import PluginStack
from voicegateway.runtime import Runtime, current_runtime, reset_runtime
from voicegateway_shared.errors import VoiceGatewayError
from voicegateway_shared.usage import Modality


class Gateway:
    """Resolves model strings and meters what they resolve to. Make one per process, or use `voicegateway.gateway`.

    Nothing happens when it is made: no thread, socket or file before the first request. Resolution is
    synchronous and does no I/O, so it is safe in a job's entrypoint and in `prewarm`.
    """

    def __init__(self, options: Options | None = None) -> None:
        """Take the options given, or read the environment on first use (`Options.load`)."""
        self._given_options = options

    @cached_property
    def options(self) -> Options:
        """What this gateway runs with."""
        return self._given_options or Options.load_or_default()

    def stt(
        self,
        model: Model | None = None,
        *,
        project: str | None = None,
        strategy: str | None = None,
        hedge: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the native STT for `provider/model[:language]`, a chain's name, or several of either.

        Without a model, for the project's default. Of several, one serves and the others stand behind it: `strategy`
        and `hedge` say how, instead of what their chain says. Keyword arguments go to the constructor; of several
        models of several vendors, to each that takes them.

        Raises:
            ConfigurationError: unknown model, chain or provider, missing key or package, an argument refused.
            NoCandidate: nobody of several can serve; names each with its reason.
        """
        return self._resolve(model, "stt", project=project, strategy=strategy, hedge=hedge, kwargs=kwargs)

    def llm(
        self,
        model: Model | None = None,
        *,
        project: str | None = None,
        strategy: str | None = None,
        hedge: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the native LLM for `provider/model`, a chain's name, or several of either; else as `stt`."""
        return self._resolve(model, "llm", project=project, strategy=strategy, hedge=hedge, kwargs=kwargs)

    def tts(
        self,
        model: Model | None = None,
        *,
        project: str | None = None,
        strategy: str | None = None,
        hedge: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the native TTS for `provider/model[:voice]`, a chain's name, or several of either; else as `stt`."""
        return self._resolve(model, "tts", project=project, strategy=strategy, hedge=hedge, kwargs=kwargs)

    def realtime(
        self,
        model: Model | None = None,
        *,
        project: str | None = None,
        strategy: str | None = None,
        hedge: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the native realtime model for `provider/model`, a chain's name, or several; else as `stt`."""
        return self._resolve(model, "realtime", project=project, strategy=strategy, hedge=hedge, kwargs=kwargs)

    def stack(self, name: str | None = None, *, project: str | None = None) -> PluginStack:
        """Return a whole agent's plugins by one name, `AgentSession(**gateway.stack("premium"))`.

        Without a name, the project's defaults. Each plugin is made when it is first looked at.

        Raises:
            ConfigurationError: there is no such stack, or no default.
        """
        parts = stack_parts(name, project=project, runtime=self._runtime)
        return PluginStack(parts, lambda part, modality: self._resolve(part, modality, project=project))

    def on_request(self, given: Any) -> Any:
        """Reject jobs whose budget is used up before a room is joined, and slow those that a budget throttles.

        Give it to LiveKit: `@server.rtc_session(on_request=gateway.on_request)`, or
        `WorkerOptions(request_fnc=gateway.on_request)`. Around a handler of your own it is asked first:
        `on_request=gateway.on_request(mine)`. Without a controller, or while it is silent, jobs are accepted.
        """
        return self._on_request(accept, given) if not callable(given) else functools.partial(self._on_request, given)

    def enroll(self, server: Any) -> Any:
        """Let the fleet see and drain this worker; returns the `AgentServer` or `WorkerOptions` it was given.

        `server = gateway.enroll(AgentServer())`, or `cli.run_app(gateway.enroll(WorkerOptions(…)))`. From then on the
        controller knows the worker's load and jobs, and can drain it: its load is reported as full, offered jobs are
        left to others, calls go on to their end. Job processes warm up (`prewarm`), and each offered job asks its
        budgets (`on_request`). What the server has of its own (`load_fnc`, `on_request`, `setup_fnc`) is kept and
        asked as before. Never raises; without a controller it changes nothing that can be noticed.
        """
        return _enroll.enroll(self, server)

    def prewarm(self, given: Any = None) -> Any:
        """Have keys, limits, chains and prices here before a job comes. Give it to LiveKit as `setup_fnc`.

        `AgentServer(setup_fnc=gateway.prewarm)`, or `WorkerOptions(prewarm_fnc=gateway.prewarm)`; around a function of
        your own, `gateway.prewarm(mine)`. Waits a second at most, and never raises.
        """
        if callable(given):
            return _enroll.Prewarm(self, given)
        _enroll.warm_up(self._runtime())
        return None

    async def ready(self, timeout_s: float = _enroll.READY_WITHIN_S) -> bool:
        """Wait until the controller has told this process of keys, limits and chains; at once when it has.

        Returns False when it did not in time; calls go on with what is here. Without a controller there is nothing to
        wait for. Good at the beginning of a job's entrypoint: a model whose key is leased is then resolved without a
        wait.
        """
        return await _enroll.ready(self._runtime(), timeout_s)

    async def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every settled request is on disk and, if a controller is set, acknowledged.

        Returns False when that did not happen in time; nothing is lost then, it waits in the outbox.
        """
        outbox = self._runtime().outbox
        return await asyncio.to_thread(outbox.flush, timeout_s)

    def flush_blocking(self, timeout_s: float = 5.0) -> bool:
        """Like `flush`, for code without an event loop.

        Raises:
            VoiceGatewayError: called from a running event loop, which it would block.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._runtime().outbox.flush(timeout_s)
        raise VoiceGatewayError("flush_blocking() would block the event loop; await flush() instead")

    async def aclose(self) -> None:
        """Settle, flush and stop this process's metering. The next request starts it anew."""
        await asyncio.to_thread(reset_runtime)

    def __reduce__(self) -> tuple[Any, ...]:
        # LiveKit hands `setup_fnc` to its job processes: what they need of a gateway is what it was told.
        return type(self), (self._given_options,)

    async def __aenter__(self) -> "Gateway":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _on_request(self, handler: Callable[[Any], Any], request: Any) -> None:
        await decide(self._runtime(), handler, request)

    def _resolve(
        self,
        model: Model | None,
        modality: Modality,
        *,
        project: str | None = None,
        strategy: str | None = None,
        hedge: bool | None = None,
        kwargs: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        return resolve_asked(
            model,
            modality,
            project=project,
            strategy=strategy,
            hedge=hedge,
            arguments=kwargs,
            runtime=self._runtime,
        )

    def _runtime(self) -> Runtime:
        tracing.configure_from_environment()
        return current_runtime(self.options)
