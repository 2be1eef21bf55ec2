"""Following one file: what it says is published when it changes, and what it said last stays while it is wrong."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.configuration.document import DocumentWrong, Problem
from voicegateway_controller.configuration.files import Mark, Reading, Source, read_checked
from voicegateway_controller.configuration.layering import Layer
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError

WATCH_S: Final = 0.25
"""How often a file is looked at: an eighth of the time in which the whole fleet follows it."""
SETTLE_S: Final = 0.1
"""A file that still changes after so long is being written: the next look is soon enough."""
RETRY_S: Final = 1.0
"""How long until what could not be published, for Postgres is away or the others say otherwise, is tried again."""
PROBLEMS_MAX: Final = 20
"""Shown of one file; the first ones are the cause."""

FileState = Literal["none", "waiting", "published", "wrong", "refused", "missing"]
"""`none`: there is no such file. `waiting`: read, and Postgres is away. `published`: taken, though another process may
have published another one since. `wrong`: by itself. `refused`: together with the other layers. `missing`: it was
there, or is named and is not."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How one file stands at this process; immutable."""

    layer: Layer
    name: str = ""
    state: FileState = "none"
    digest: str = ""
    """Of what was published last from here."""
    problems: tuple[Problem, ...] = ()
    read_at: datetime | None = None


class Following:
    """One layer's source at one process. Lives from `start` to `close`, which its owner calls."""

    def __init__(self, source: Source, publish: Callable[[Reading], Awaitable[Sequence[Problem]]]) -> None:
        """`publish` returns what is wrong with a reading together with the other layers."""
        self._source = source
        self._publish = publish
        self._mark: Mark | None = None
        self._reading: Reading | None = None
        self._is_pending = False
        self._retry_at = 0.0
        self.followed = Followed(layer=source.layer, name=source.name)
        self._watching = Background(f"configuration.{source.layer}", self.step, interval_s=WATCH_S)

    @property
    def reading(self) -> Reading | None:
        """What it said when it was last right."""
        return self._reading

    async def first(self) -> None:
        """Read a source that must be right for this process to start. Raises ConfigurationError with the place."""
        self._mark = await asyncio.to_thread(self._source.look)
        self._take(await asyncio.to_thread(read_checked, self._source))

    def start(self) -> None:
        """Go on looking. A text cannot change, and is looked at until it is published."""
        self._watching.start()

    async def close(self) -> None:
        """Stop looking."""
        await self._watching.close()

    async def step(self) -> None:
        """Look once. Raises DatabaseUnavailable after noting that it waits."""
        if self._source.is_file:
            await self._look()
        if self._is_pending and self._reading is not None and time.monotonic() >= self._retry_at:
            await self._try(self._reading)

    async def _look(self) -> None:
        mark = await asyncio.to_thread(self._source.look)
        if mark is None:
            if self._source.is_named or self._mark is not None:
                self._mark = None
                self._miss()
            return
        if mark == self._mark:
            return
        found: Reading | DocumentWrong | ConfigurationError
        try:
            found = await asyncio.to_thread(read_checked, self._source)
        except ConfigurationError as error:
            found = error
        await asyncio.sleep(SETTLE_S)
        if await asyncio.to_thread(self._source.look) != mark:
            return
        self._mark = mark
        if isinstance(found, Reading):
            self._take(found)
        else:
            self._is_pending = False
            self._note("wrong", _problems(found, self._source.name))

    def _take(self, reading: Reading) -> None:
        self._reading, self._is_pending, self._retry_at = reading, True, 0.0

    async def _try(self, reading: Reading) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        try:
            problems = await self._publish(reading)
        except ControllerError:
            self._note("waiting")
            raise
        if problems:
            # Another layer may change so that it fits: it is tried again.
            self._note("refused", tuple(problems))
            return
        self._is_pending = False
        self.followed = replace(self.followed, digest=reading.digest)
        self._note("published")

    def _miss(self) -> None:
        message = "is not there (any more): what it said last stays in force; bring it back, or write `{}` into it"
        self._is_pending = False
        self._note("missing", (Problem(file=self._source.name, message=message),))

    def _note(self, state: FileState, problems: tuple[Problem, ...] = ()) -> None:
        before = self.followed
        shown = problems[:PROBLEMS_MAX]
        self.followed = replace(before, name=self._source.name, state=state, problems=shown, read_at=datetime.now(UTC))
        metrics.CONFIGURATION_PROBLEM.labels(self._source.layer).set(1 if problems else 0)
        if problems and (before.state, before.problems) != (state, shown):
            told = [str(each) for each in problems[:PROBLEMS_MAX]]
            _log.error(f"configuration.{state}", layer=self._source.layer, file=self._source.name, problems=told)
        elif not problems and before.problems:
            _log.info("configuration.mended", layer=self._source.layer, file=self._source.name)


def _problems(error: ConfigurationError, name: str) -> tuple[Problem, ...]:
    if isinstance(error, DocumentWrong):
        return error.problems
    return (Problem(file=name, message=str(error).removeprefix(f"{name}: ")),)
