"""The live catalogue: the package's prices and what operators recorded, followed by every process within a second."""

import asyncio
from datetime import UTC, date, datetime
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.catalog import store
from voicegateway_controller.catalog.snapshot import Memory, Snapshot, read_snapshot
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import ControllerError, DatabaseUnavailable, PricesUnreadable
from voicegateway_controller.logs import get_logger
from voicegateway_shared.pricing import Catalog, CatalogError
from voicegateway_shared.pricing.nodes import read_nodes

POLL_S: Final = 1.0
"""How often a process asks for a newer revision: a price that is set holds everywhere by then."""
START_WAIT_S: Final = 2.0
"""How long a start waits to know the prices."""
PAST_MAX: Final = 8
"""Catalogues of the past that are kept ready: some megabytes each, and asked for again and again."""
MEMORY_MIN: Final = 1_000
"""Rows that are always kept read."""

_log = get_logger(__name__)


class PriceBook(Protocol):
    """Whatever knows the prices that hold now: a live catalogue, or one catalogue that never changes."""

    def current(self) -> Catalog:
        """Return the prices that hold now."""
        ...


def load_catalog(local_nodes: str = "", *, stated_on: date | None = None) -> Catalog:
    """Return the catalogue without managed prices: the package's, and what local nodes are said to cost."""
    nodes = read_nodes(local_nodes, stated_on=stated_on or datetime.now(UTC).date())
    return Catalog.builtin().extended(nodes) if nodes else Catalog.builtin()


class LiveCatalog:
    """The prices in force. Lives as long as the process; `start` and `close` are its owner's.

    The last ones that could be read hold on while Postgres is away, or says what this version cannot read.
    """

    def __init__(self, engine: AsyncEngine, *, local_nodes: str = "") -> None:
        self._engine = engine
        self._base = load_catalog(local_nodes)
        self._snapshot: Snapshot | None = None
        self._unread: tuple[int, str] | None = None
        self.memory: Memory = {}
        """Rows that were read before: reading them is nearly all the work of a large catalogue."""
        self._past: dict[int, Snapshot] = {}
        self._reading = asyncio.Lock()
        self._polling = Background("prices", self.refresh, interval_s=POLL_S)

    async def start(self) -> None:
        """Learn the prices, if that is possible within START_WAIT_S, and go on asking for newer ones."""
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self.refresh()
        except (ControllerError, TimeoutError) as error:
            _log.warning("prices.start_without_postgres", error=str(error) or type(error).__name__)
        self._polling.start()

    async def close(self) -> None:
        """Stop asking."""
        await self._polling.close()

    @property
    def base(self) -> Catalog:
        """The catalogue without managed prices."""
        return self._base

    @property
    def revision(self) -> int:
        """The number of the newest record that holds here; 0 where nothing is known or was recorded."""
        return self._snapshot.revision if self._snapshot is not None else 0

    def current(self) -> Catalog:
        """Return the prices that hold. Raises what `snapshot` raises: nothing is rated by half of what is known."""
        return self.snapshot().catalog

    def best(self) -> Catalog:
        """Return the prices that hold, or the package's while nobody has told us: for estimates."""
        return self._snapshot.catalog if self._snapshot is not None else self._base

    def snapshot(self) -> Snapshot:
        """Return what holds; DatabaseUnavailable or PricesUnreadable while nothing could be read yet."""
        if self._snapshot is not None:
            return self._snapshot
        if self._unread is not None:
            raise PricesUnreadable(self._unread[1])
        raise DatabaseUnavailable("the managed prices are not known yet: Postgres has not answered")

    async def refresh(self) -> None:
        """Take what Postgres says, if it is newer. Raises DatabaseUnavailable."""
        async with self._reading:
            async with raw_connection(self._engine) as connection:
                revision = await store.newest_revision(connection)
                if self._snapshot is not None and revision == self._snapshot.revision:
                    return
                if self._unread is not None and revision == self._unread[0]:
                    return
                records = await store.in_force(connection)
            try:
                # Thousands of records take longer than a request may wait for its turn.
                read = await asyncio.to_thread(
                    read_snapshot, self._base, records, revision=revision, memory=self.memory
                )
            except CatalogError as error:
                self._refuse(revision, error)
                return
            self._snapshot, self._unread = read, None
            self._forget(read)
            metrics.PRICES_REVISION.set(revision)
            metrics.PRICES_UNREADABLE.set(0)
            _log.info("prices.read", revision=revision, records=len(records), version=read.catalog.version)

    async def as_of(self, instant: datetime) -> Snapshot:
        """Return what was known at an instant: the records of then, over this package's prices.

        Raises DatabaseUnavailable, and PricesUnreadable when those records cannot be read together with this package.
        """
        async with raw_connection(self._engine) as connection:
            revision = await store.revision_at(connection, instant)
            if (known := self._past.get(revision)) is not None:
                return known
            records = await store.in_force(connection, as_of=instant)
        try:
            read = await asyncio.to_thread(read_snapshot, self._base, records, revision=revision, memory=self.memory)
        except CatalogError as error:
            raise PricesUnreadable(f"the prices as of {instant.isoformat()}: {error}") from error
        if len(self._past) >= PAST_MAX:
            self._past.clear()
        self._past[revision] = read
        return read

    def _forget(self, read: Snapshot) -> None:
        """Let go of rows that no longer hold once they are more than those that do."""
        if len(self.memory) > 2 * len(read.records) + MEMORY_MIN:
            for gone in [key for key in list(self.memory) if key[0] not in read.records]:
                self.memory.pop(gone, None)

    def _refuse(self, revision: int, error: CatalogError) -> None:
        message = f"the managed prices cannot be read by this version, withdraw what is wrong or upgrade: {error}"
        self._unread = (revision, message)
        metrics.PRICES_UNREADABLE.set(1)
        _log.error("prices.not_read", revision=revision, error=str(error))
