"""Plugins: the vendors' own, made as requests ask for them and shared by those that ask for the same."""

import asyncio
import importlib
import importlib.util
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from voicegateway import Gateway
from voicegateway.identity import Identity, on_behalf_of
from voicegateway.inference.members import Member, stand
from voicegateway.inference_server.settings import Settings
from voicegateway.registry import environment_key
from voicegateway.registry.named import NAMED
from voicegateway_shared.usage import Modality

logger = logging.getLogger("voicegateway")

SHARED_MAX: Final = 40
"""Requests at once over one plugin: OpenAI's client, and those made of it, hold fifty connections."""
IDLE_MAX: Final = 128
"""Plugins that are kept while nobody uses them, for their open connections."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Shared:
    plugin: Any
    users: int = 0


class Plugins:
    """Lives as long as the server, and closes what it made. Used on the event loop of the main thread."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self._gateway, self._settings = gateway, settings
        self._shared: OrderedDict[str, list[_Shared]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def preload(self) -> None:
        """Import the plugins of all vendors whose key is known: a first call should not wait for it."""
        told = {name.partition("/")[0] for name in self._settings.plugins}
        keys = self._gateway._runtime().keys
        told |= set() if keys is None else keys.providers
        known = [provider for name, provider in NAMED.items() if name in told or environment_key(name)]
        for module in {each.module for provider in known for classes in provider.classes.values() for each in classes}:
            try:
                if importlib.util.find_spec(module) is not None:
                    importlib.import_module(module)
            except Exception as error:  # noqa: BLE001 - a broken package is told to those who ask for it
                logger.warning("voicegateway: %s cannot be loaded: %s", module, error)

    def make(self, modality: Modality, members: Sequence[Member], identity: Identity) -> Any:
        """Return a plugin of the caller's own, who closes it.

        Raises:
            ConfigurationError: it cannot be resolved here.
        """
        told = [
            Member(model=each.model, options={**self._settings.arguments_of(each.model, modality), **each.options})
            for each in members
        ]
        with on_behalf_of(identity):
            return stand(self._gateway, modality, told, project=identity.project)

    @asynccontextmanager
    async def use(self, modality: Modality, members: Sequence[Member], identity: Identity) -> AsyncIterator[Any]:
        """Hold a shared plugin for one request.

        Raises:
            ConfigurationError: it cannot be resolved here.
        """
        shared = self.hold(modality, members, identity)
        try:
            yield shared.plugin
        finally:
            self.let_go(shared)

    def hold(self, modality: Modality, members: Sequence[Member], identity: Identity) -> _Shared:
        """As `use`, for those who let go by themselves."""
        key = _key(modality, members, identity)
        alike = self._shared.setdefault(key, [])
        self._shared.move_to_end(key)
        found = next((each for each in alike if each.users < SHARED_MAX), None)
        if found is None:
            try:
                found = _Shared(plugin=self.make(modality, members, identity))
            except BaseException:
                if not alike:
                    del self._shared[key]
                raise
            alike.append(found)
        found.users += 1
        return found

    def let_go(self, shared: _Shared) -> None:
        """End a use."""
        shared.users -= 1
        idle = [key for key, alike in self._shared.items() if not any(each.users for each in alike)]
        for key in idle[: max(0, len(idle) - IDLE_MAX)]:
            for each in self._shared.pop(key):
                self._close(each.plugin)

    async def aclose(self) -> None:
        """Close all, and wait for it."""
        for alike in self._shared.values():
            for each in alike:
                self._close(each.plugin)
        self._shared.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _close(self, plugin: Any) -> None:
        task = asyncio.create_task(_closed(plugin), name="voicegateway-plugin-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _closed(plugin: Any) -> None:
    try:
        await plugin.aclose()
    except Exception as error:  # noqa: BLE001 - a foreign plugin's end concerns nobody any more
        logger.debug("voicegateway: closing %s: %s", type(plugin).__name__, error)


def _key(modality: str, members: Sequence[Member], identity: Identity) -> str:
    """By what plugins are alike. A chain's lot is drawn once for a session, so sessions do not share its plugin."""
    told: list[tuple[str, Mapping[str, Any]]] = [(each.model, each.options) for each in members]
    session_id = "" if all("/" in each.model for each in members) else identity.session_id
    return json.dumps([modality, identity.project, session_id, told], sort_keys=True, default=repr)
