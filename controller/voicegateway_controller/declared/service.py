"""Declared sets: which one holds, declared by people, learned by every replica within a second, outages or not."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar, cast

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.background import Background
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.declared.copy import SetCopy
from voicegateway_controller.declared.rules import Declared
from voicegateway_controller.declared.store import SetTable, StoredSet
from voicegateway_controller.errors import Conflict, ControllerError, DatabaseUnavailable, RedisUnavailable
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError

POLL_S: Final = 1.0
"""How often a replica asks Postgres for a newer revision: what one replica declares holds at the others by then."""
START_WAIT_S: Final = 2.0
"""How long a start waits to know the set, so that the first workers need not be sent away."""

_log = get_logger(__name__)


class Read(Protocol):
    """A set that was read into what it means."""

    @property
    def revision(self) -> int:
        """Its number; 0 where nothing was ever declared."""
        ...


Meaning = TypeVar("Meaning", bound=Read)
_NOTHING: Final = StoredSet(revision=0, document=(), created_at=None, created_by="")


class DeclaredSets(ABC, Generic[Meaning]):
    """The set in force, of one kind. Lives as long as the process; `start` and `close` are its owner's.

    Postgres is the truth whenever it answers. The copy in Redis is for a process that has not heard Postgres yet.
    """

    def __init__(self, kind: str, engine: AsyncEngine, table: SetTable, copy: SetCopy, *, revision: Gauge) -> None:
        self._kind = kind
        self._engine = engine
        self._table = table
        self._copy = copy
        self._revision_gauge = revision
        self._current: Meaning | None = None
        self._stored = _NOTHING
        self._is_from_postgres = False
        self._refused_revision = 0
        self._taking = asyncio.Lock()
        self._polling = Background(kind, self.refresh, interval_s=POLL_S)

    async def start(self) -> None:
        """Learn the set, if that is possible within START_WAIT_S, and go on asking for newer ones."""
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self.refresh()
        except (ControllerError, TimeoutError) as error:
            _log.warning(f"{self._kind}.start_without_postgres", error=str(error) or type(error).__name__)
        self._polling.start()

    async def close(self) -> None:
        """Stop asking."""
        await self._polling.close()

    @property
    def known(self) -> Meaning | None:
        """What holds; None while neither Postgres nor Redis has told us."""
        return self._current

    def current(self) -> Meaning:
        """Return what holds; DatabaseUnavailable while nobody has told us."""
        if self._current is None:
            raise DatabaseUnavailable(
                f"the {self._kind} are not known yet: neither Postgres nor the copy in Redis answered"
            )
        return self._current

    async def refresh(self) -> None:
        """Take what Postgres says, or, as long as it never answered, what Redis says; keep the copy in Redis.

        Raises DatabaseUnavailable or RedisUnavailable after doing what could be done.
        """
        try:
            async with self._taking, raw_connection(self._engine) as connection:
                revision = await self._table.newest_revision(connection)
                if not self._is_from_postgres or self._current is None or revision != self._current.revision:
                    self._adopt(await self._table.newest(connection) or _NOTHING, is_from_postgres=True)
        except ControllerError:
            if not self._is_from_postgres:
                await self._take_copy()
            raise
        if self._current is not None and await self._copy.revision() != self._stored.revision:
            await self._copy.write(self._stored)

    @abstractmethod
    def _read(self, stored: StoredSet) -> Meaning:
        """Return what a set that was in force already means; ConfigurationError when a newer version wrote it."""

    async def _prepare(self, made: StoredSet, before: StoredSet | None) -> None:
        """Do what must be done before a new set is committed, and other replicas can know it."""

    async def _append(self, document: object, *, by: str, expected: int | None) -> tuple[int, bool]:
        """Store a set that was validated; return the revision that holds from now on, and whether it is a new one.

        Raises Conflict when `expected` is not the revision in force, DatabaseUnavailable when it could not be stored:
        then nothing has changed.
        """
        declared = cast(Sequence[Declared], document or ())
        async with self._taking, raw_connection(self._engine) as connection:
            async with connection.transaction():
                await self._table.lock(connection)
                before = await self._table.newest(connection)
                held = before.revision if before is not None else 0
                if expected is not None and expected != held:
                    raise Conflict(
                        f"the {self._kind} are at revision {held}, not {expected}: read them and decide again"
                    )
                if before is not None and list(before.document) == list(declared):
                    return held, False
                made = await self._table.append(connection, declared, by=by, above=await self._revision_in_redis())
                await self._prepare(made, before)
            self._adopt(made, is_from_postgres=True)
        await self._write_copy()
        _log.info(f"{self._kind}.declared", revision=made.revision, declarations=len(made.document), by=by)
        return made.revision, True

    def _understood(self, stored: StoredSet) -> Meaning | None:
        try:
            return self._read(stored)
        except ConfigurationError as error:
            # A newer version declared something this one does not know, during a rollout: keep what we understand.
            if self._refused_revision != stored.revision:
                _log.error(f"{self._kind}.not_understood", revision=stored.revision, error=str(error))
            self._refused_revision = stored.revision
            return None

    async def _take_copy(self) -> None:
        copied = await self._copy.read()
        if copied is not None and (self._current is None or copied.revision > self._current.revision):
            self._adopt(copied, is_from_postgres=False)

    def _adopt(self, stored: StoredSet, *, is_from_postgres: bool) -> None:
        if (made := self._understood(stored)) is None:
            return
        self._current, self._stored, self._is_from_postgres = made, stored, is_from_postgres
        self._revision_gauge.set(stored.revision)

    async def _revision_in_redis(self) -> int:
        try:
            return await self._copy.revision() or 0
        except RedisUnavailable:
            # The sequence in Postgres goes on from its own last number, which only a restored backup sets back.
            return 0

    async def _write_copy(self) -> None:
        try:
            await self._copy.write(self._stored)
        except RedisUnavailable as error:
            # The next poll writes it.
            _log.warning(f"{self._kind}.not_copied", error=str(error))
