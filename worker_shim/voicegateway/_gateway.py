"""Gateway: from a model string to a metered native LiveKit plugin."""

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from voicegateway import tracing
from voicegateway._on_request import accept, decide
from voicegateway.instrument import instrument, stand_together
from voicegateway.options import Options
from voicegateway.record import PluginFacts
from voicegateway.registry import resolve
from voicegateway.routing.route import Member, Route
from voicegateway.runtime import Runtime, current_runtime, reset_runtime
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError
from voicegateway_shared.routing.chain import MODELS_MAX
from voicegateway_shared.usage import Modality

logger = logging.getLogger("voicegateway")

Model = str | Sequence[str]
"""A model string, or several of them."""


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

    def stt(self, model: Model, *, project: str | None = None, **kwargs: Any) -> Any:
        """Return the native STT for `provider/model[:language]`; keyword arguments go to its constructor.

        Of several, the dearest first, the cheapest serves while a budget throttles; the first one does else.

        Raises:
            ConfigurationError: unknown model or provider, missing key or package, an argument refused.
        """
        return self._resolve(model, "stt", project, kwargs)

    def llm(self, model: Model, *, project: str | None = None, **kwargs: Any) -> Any:
        """Return the native LLM for `provider/model`; keyword arguments go to its constructor.

        Of several, the dearest first, the cheapest serves while a budget throttles; the first one does else.

        Raises:
            ConfigurationError: unknown model or provider, missing key or package, an argument refused.
        """
        return self._resolve(model, "llm", project, kwargs)

    def tts(self, model: Model, *, project: str | None = None, **kwargs: Any) -> Any:
        """Return the native TTS for `provider/model[:voice]`; keyword arguments go to its constructor.

        Of several, the dearest first, the cheapest serves while a budget throttles; the first one does else.

        Raises:
            ConfigurationError: unknown model or provider, missing key or package, an argument refused.
        """
        return self._resolve(model, "tts", project, kwargs)

    def on_request(self, given: Any) -> Any:
        """Reject jobs whose budget is used up before a room is joined, and slow those that a budget throttles.

        Give it to LiveKit: `@server.rtc_session(on_request=gateway.on_request)`, or
        `WorkerOptions(request_fnc=gateway.on_request)`. Around a handler of your own it is asked first:
        `on_request=gateway.on_request(mine)`. Without a controller, or while it is silent, jobs are accepted.
        """
        return self._on_request(accept, given) if not callable(given) else functools.partial(self._on_request, given)

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

    async def __aenter__(self) -> "Gateway":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _on_request(self, handler: Callable[[Any], Any], request: Any) -> None:
        await decide(self._runtime(), handler, request)

    def _resolve(self, model: Model, modality: Modality, project: str | None, kwargs: dict[str, Any]) -> Any:
        if isinstance(model, str):
            return self._resolve_one(model, modality, project, kwargs)
        if not 0 < len(model) <= MODELS_MAX:
            raise ConfigurationError(f"{modality}: {len(model)} candidates; give 1 to {MODELS_MAX} models")
        members = [
            Member(plugin=self._resolve_one(each, modality, project, kwargs), model=each, position=position)
            for position, each in enumerate(model)
        ]
        stand_together(Route(members, runtime=self._runtime))
        return members[0].plugin

    def _resolve_one(self, model: str, modality: Modality, project: str | None, kwargs: dict[str, Any]) -> Any:
        resolved = resolve(model, modality, **kwargs)
        self._runtime()
        facts = PluginFacts(
            provider=resolved.model_id.provider,
            modality=modality,
            project=project,
            key_id=resolved.key_id,
            variant=resolved.model_id.variant,
        )
        return instrument(resolved.plugin, facts)

    def _runtime(self) -> Runtime:
        tracing.configure_from_environment()
        return current_runtime(self.options)
