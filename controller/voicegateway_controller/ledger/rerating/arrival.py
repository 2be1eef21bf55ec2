"""When a price arrives for what had none: the unrated requests are rated anew without anybody's asking."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.ledger.rerating import store
from voicegateway_controller.ledger.rerating.selection import Selection
from voicegateway_controller.ledger.rerating.service import begin
from voicegateway_controller.ledger.rerating.store import Unrated
from voicegateway_controller.logs import get_logger
from voicegateway_shared.pricing import Catalog

INTERVAL_S: Final = 2.0
SETTLE_S: Final = 5.0
"""Other processes learn a price a second or two later: what they rated without it until then is rated anew, too."""
MODELS_MAX: Final = 1_000
REASON: Final = "a price arrived"
ACTOR: Final = "runner"

_log = get_logger(__name__)


class PriceArrival:
    """Looks whether the catalogue is a new one; lives as long as its process. In a fleet each one is looked at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        catalog: Callable[[], Catalog],
        *,
        settle_s: float = SETTLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._settle_s = settle_s
        self._clock = clock
        self._version = ""
        self._since = 0.0
        self._done = ""

    async def step(self) -> None:
        """Begin a run about the unrated requests whose model has prices now, once for each catalogue that comes."""
        catalog = self._catalog()
        if catalog.version == self._done:
            return
        if catalog.version != self._version:
            self._version, self._since = catalog.version, self._clock()
        if self._clock() - self._since < self._settle_s:
            return
        async with raw_connection(self._engine) as connection, connection.transaction():
            if await connection.fetchval(store.SEE_CATALOG, catalog.version) is not None:
                found = rateable(await store.unrated(connection, MODELS_MAX), catalog)
                if found:
                    run = await begin(
                        connection,
                        narrowest(found),
                        reason=REASON,
                        actor=ACTOR,
                        is_dry_run=False,
                        is_automatic=True,
                        now=await store.now(connection),
                    )
                    _log.info("rerating.price_arrived", number=run.number, requests=run.expected)
        self._done = catalog.version


def rateable(unrated: Iterable[Unrated], catalog: Catalog) -> list[Unrated]:
    """Return those models whose prices a catalogue has; whether for their context and time, only rating can tell."""
    return [
        each
        for each in unrated
        if not isinstance(
            # The sums do not know for which key a request was: what any key or project agreed may be its price.
            catalog.model_for_all(provider=each.provider, model=each.model, modality=each.modality),
            str,
        )
    ]


def narrowest(found: Iterable[Unrated]) -> Selection:
    """Return the least that a run must look at to see all of them."""
    every = list(found)

    def only(values: set[str]) -> str:
        return next(iter(values)) if len(values) == 1 else ""

    provider = only({each.provider for each in every})
    return Selection(
        provider=provider,
        model=only({each.model for each in every}) if provider else "",
        project=only({each.project for each in every}),
        since=min(each.since for each in every),
        only_unrated=True,
    )
