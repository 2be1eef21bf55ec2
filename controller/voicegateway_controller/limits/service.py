"""Limits: which definitions hold, declared by people, learned by every replica within a second, outages or not."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict, ControllerError, DatabaseUnavailable, RedisUnavailable
from voicegateway_controller.limits import store
from voicegateway_controller.limits.copy import DefinitionsCopy
from voicegateway_controller.limits.definitions import Declared, Definitions, stored_pools, validated
from voicegateway_controller.limits.pools import Pools
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits import PoolSpec

POLL_S: Final = 1.0
"""How often a replica asks Postgres for a newer revision: what one replica declares holds at the others by then."""
START_WAIT_S: Final = 2.0
"""How long a start waits to know the limits, so that the first workers need not be sent away."""

_log = get_logger(__name__)


class Limits:
    """The definitions in force; lives as long as the process. `start` and `close` are its owner's.

    Postgres is the truth whenever it answers. The copy in Redis is for a process that has not heard Postgres yet.
    """

    def __init__(self, engine: AsyncEngine, pools: Pools, copy: DefinitionsCopy) -> None:
        self._engine = engine
        self._pools = pools
        self._copy = copy
        self._current: Definitions | None = None
        self._is_from_postgres = False
        self._refused_revision = 0
        self._taking = asyncio.Lock()
        self._polling = Background("limits", self.refresh, interval_s=POLL_S)

    async def start(self) -> None:
        """Learn the definitions, if that is possible within START_WAIT_S, and go on asking for newer ones."""
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self.refresh()
        except (ControllerError, TimeoutError) as error:
            _log.warning("limits.start_without_postgres", error=str(error) or type(error).__name__)
        self._polling.start()

    async def close(self) -> None:
        """Stop asking."""
        await self._polling.close()

    @property
    def known(self) -> Definitions | None:
        """The definitions in force; None while neither Postgres nor Redis has told us."""
        return self._current

    def current(self) -> Definitions:
        """Return the definitions in force; DatabaseUnavailable while nobody has told us."""
        if self._current is None:
            raise DatabaseUnavailable("the limits are not known yet: neither Postgres nor the copy in Redis answered")
        return self._current

    def validate(self, document: object) -> tuple[PoolSpec, ...]:
        """Return the pools that a document would make; BadRequest with the reason when it is wrong."""
        return validated(document, providers=known_providers())

    async def apply(self, document: object, *, by: str, expected: int | None = None) -> tuple[int, bool]:
        """Declare a whole set; return the revision that holds from now on, and whether it is a new one.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        pools = self.validate(document)
        declared = cast(Sequence[Declared], document or ())
        async with self._taking, raw_connection(self._engine) as connection:
            async with connection.transaction():
                await store.lock(connection)
                before = await store.newest(connection)
                held = before.revision if before is not None else 0
                if expected is not None and expected != held:
                    raise Conflict(f"the limits are at revision {held}, not {expected}: read them and decide again")
                if before is not None and list(before.document) == list(declared):
                    return held, False
                made = await store.append(connection, declared, by=by, above=await self._revision_in_redis())
                # Before the commit: once another replica knows a pool, its first claim would find it cold.
                await self._provision(pools, before, made.revision)
            self._take(made)
        await self._write_copy()
        _log.info("limits.declared", revision=made.revision, pools=len(pools), by=by)
        return made.revision, True

    async def refresh(self) -> None:
        """Take what Postgres says, or, as long as it never answered, what Redis says; keep the copy in Redis.

        Raises DatabaseUnavailable or RedisUnavailable after doing what could be done.
        """
        try:
            async with self._taking, raw_connection(self._engine) as connection:
                revision = await store.newest_revision(connection)
                if not self._is_from_postgres or self._current is None or revision != self._current.revision:
                    self._take(await store.newest(connection))
        except ControllerError:
            if not self._is_from_postgres:
                await self._take_copy()
            raise
        if self._current is not None and await self._copy.revision() != self._current.revision:
            await self._copy.write(self._current)

    def _take(self, found: store.LimitSet | None) -> None:
        if found is None:
            self._adopt(Definitions(), is_from_postgres=True)
        elif (made := self._read(found)) is not None:
            self._adopt(made, is_from_postgres=True)

    async def _take_copy(self) -> None:
        if (copied := await self._copy.read()) is None:
            return
        if self._current is None or copied.revision > self._current.revision:
            made = self._read(copied)
            if made is not None:
                self._adopt(made, is_from_postgres=False)

    def _read(self, found: Any) -> Definitions | None:
        try:
            pools = stored_pools(found.document, providers=known_providers())
        except ConfigurationError as error:
            # A newer version declared something this one does not know, during a rollout: keep what we understand.
            if self._refused_revision != found.revision:
                _log.error("limits.not_understood", revision=found.revision, error=str(error))
            self._refused_revision = found.revision
            return None
        return Definitions(
            revision=found.revision,
            document=found.document,
            pools=pools,
            created_at=found.created_at,
            created_by=found.created_by,
        )

    def _adopt(self, definitions: Definitions, *, is_from_postgres: bool) -> None:
        self._current, self._is_from_postgres = definitions, is_from_postgres
        metrics.LIMIT_REVISION.set(definitions.revision)

    async def _provision(self, pools: Sequence[PoolSpec], before: store.LimitSet | None, revision: int) -> None:
        """Let pools that are new begin full. Without Redis they learn first, which costs seconds and nothing else."""
        known = {pool.id for pool in (self._current.pools if self._current is not None else ())}
        if before is not None and (read := self._read(before)) is not None:
            known |= {pool.id for pool in read.pools}
        try:
            for pool in pools:
                if pool.id not in known:
                    await self._pools.provision(pool, revision=revision)
        except RedisUnavailable as error:
            _log.warning("limits.not_provisioned", revision=revision, error=str(error))

    async def _revision_in_redis(self) -> int:
        try:
            return await self._copy.revision() or 0
        except RedisUnavailable:
            # The sequence in Postgres goes on from its own last number, which only a restored backup sets back.
            return 0

    async def _write_copy(self) -> None:
        try:
            await self._copy.write(self.current())
        except RedisUnavailable as error:
            # The next poll writes it.
            _log.warning("limits.not_copied", error=str(error))
