"""Limits: which definitions hold, declared by people, learned by every replica within a second, outages or not."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.declared import DeclaredSets, StoredSet
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.limits.copy import DefinitionsCopy
from voicegateway_controller.limits.definitions import Definitions, stored_pools, validated
from voicegateway_controller.limits.pools import Pools
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.limits.store import LIMIT_SETS
from voicegateway_controller.logs import get_logger
from voicegateway_shared.limits import PoolSpec

_log = get_logger(__name__)


class Limits(DeclaredSets[Definitions]):
    """The definitions in force; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, pools: Pools, copy: DefinitionsCopy) -> None:
        super().__init__("limits", engine, LIMIT_SETS, copy, revision=metrics.LIMIT_REVISION)
        self._pools = pools

    def validate(self, document: object) -> tuple[PoolSpec, ...]:
        """Return the pools that a document would make; BadRequest with the reason when it is wrong."""
        return validated(document, providers=known_providers())

    async def apply(self, document: object, *, by: str, expected: int | None = None) -> tuple[int, bool]:
        """Declare a whole set; return the revision that holds from now on, and whether it is a new one.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        self.validate(document)
        return await self._append(document, by=by, expected=expected)

    def _read(self, stored: StoredSet) -> Definitions:
        return Definitions(
            revision=stored.revision,
            document=stored.document,
            pools=stored_pools(stored.document, providers=known_providers()),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )

    async def _prepare(self, made: StoredSet, before: StoredSet | None) -> None:
        """Let pools that are new begin full. Without Redis they learn first, which costs seconds and nothing else.

        Before the commit: once another replica knows a pool, its first claim would find it cold.
        """
        known = _ids(self._current)
        if before is not None:
            known |= _ids(self._understood(before))
        try:
            for pool in self._read(made).pools:
                if pool.id not in known:
                    await self._pools.provision(pool, revision=made.revision)
        except RedisUnavailable as error:
            _log.warning("limits.not_provisioned", revision=made.revision, error=str(error))


def _ids(definitions: Definitions | None) -> set[str]:
    pools: Iterable[PoolSpec] = () if definitions is None else definitions.pools
    return {pool.id for pool in pools}
