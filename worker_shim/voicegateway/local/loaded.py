"""Loaded models: one per file and options in a process, whoever asks; loaded beside the event loop."""

import asyncio
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from voicegateway.local.slots import WAITING_PER_SLOT, Slots, cpus, slots_by_default

SLOTS_MAX: Final = 256
"""As many threads of one model help nobody."""

logger = logging.getLogger("voicegateway")

MODELS_MAX: Final = 8
"""Models that a process keeps to be shared. Beyond that the one unused for longest is let go; its users keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How a model is run: what its engine may use of the machine."""

    slots: int
    threads: int
    waiting_max: int

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if not 1 <= self.slots <= SLOTS_MAX:
            raise ValueError(f"slots: {self.slots} is not from 1 to {SLOTS_MAX}")
        if self.threads < 1 or self.waiting_max < 0:
            raise ValueError(f"threads: {self.threads} is below 1, or waiting_max: {self.waiting_max} below 0")

    @classmethod
    def of(cls, *, slots: int | None, threads: int | None, waiting_max: int | None) -> "Running":
        """What was asked for, the rest by the processors of this machine."""
        count = slots_by_default() if slots is None else slots
        return cls(
            slots=count,
            threads=max(1, cpus() // max(1, count)) if threads is None else threads,
            waiting_max=WAITING_PER_SLOT * count if waiting_max is None else waiting_max,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """An engine with its model, and the slots that may use it. Lives as long as anybody holds it."""

    engine: Any
    slots: Slots
    pid: int


class LocalModel:
    """The model of one plugin instance: its place in the process's shelf, loaded when it is first needed."""

    def __init__(self, key: tuple[object, ...], load: Callable[[Running], Any], running: Running) -> None:
        self._key = (*key, running)
        self._load = load
        self._running = running
        self._name = str(key[0])
        self._held: LoadedModel | None = None
        self._is_loading = False

    @property
    def is_loaded(self) -> bool:
        """Whether this process has it in memory."""
        return self._held is not None and self._held.pid == os.getpid()

    def load(self) -> LoadedModel:
        """Return the loaded model, loading it if nobody has; blocks meanwhile. Any thread."""
        held = self._held
        if held is None or held.pid != os.getpid():
            held = self._held = _shelf.get(self._key, self._made)
        return held

    def prewarm(self) -> None:
        """Begin to load it in a thread, unless it is there; what goes wrong is told by whoever needs it."""
        if self.is_loaded or self._is_loading:
            return
        self._is_loading = True
        threading.Thread(target=self._load_quietly, name=f"voicegateway-load-{self._name}", daemon=True).start()

    async def loaded(self) -> LoadedModel:
        """Return the loaded model; the loading goes on when its first caller has been cancelled."""
        held = self._held
        if held is not None and held.pid == os.getpid():
            return held
        return await asyncio.get_running_loop().run_in_executor(None, self.load)

    async def loaded_within(self, timeout_s: float) -> LoadedModel:
        """The same, but no longer than that.

        Raises:
            TimeoutError: it takes longer.
        """
        async with asyncio.timeout(timeout_s):
            return await self.loaded()

    def _made(self) -> LoadedModel:
        engine = self._load(self._running)
        running = self._running
        slots = Slots(running.slots, waiting_max=running.waiting_max, name=self._name)
        return LoadedModel(engine=engine, slots=slots, pid=os.getpid())

    def _load_quietly(self) -> None:
        try:
            self.load()
        except Exception as error:  # noqa: BLE001 - a thread of its own; the first request is told the same
            logger.warning("voicegateway: %s could not be loaded ahead: %s", self._name, error)
        finally:
            self._is_loading = False


class _Shelf:
    """The loaded models of a process; one caller loads, others wait for it. Replaced by an empty one after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: OrderedDict[object, LoadedModel] = OrderedDict()
        self._loading: dict[object, threading.Lock] = {}

    def get(self, key: object, load: Callable[[], LoadedModel]) -> LoadedModel:
        with self._lock:
            found = self._models.get(key)
            if found is not None:
                self._models.move_to_end(key)
                return found
            line = self._loading.setdefault(key, threading.Lock())
        with line:
            with self._lock:
                found = self._models.get(key)
            if found is not None:
                return found
            try:
                made = load()
                with self._lock:
                    self._models[key] = made
                    while len(self._models) > MODELS_MAX:
                        self._models.popitem(last=False)
            finally:
                with self._lock:
                    self._loading.pop(key, None)
            return made


_shelf = _Shelf()


def _after_fork() -> None:
    global _shelf
    # Threads do not survive a fork, and a lock may have been held.
    _shelf = _Shelf()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
