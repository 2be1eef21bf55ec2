"""By which prices a run goes: as they were known at its instant, kept in Postgres before it books by them."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.catalog import LiveCatalog, PriceBook, record_catalog
from voicegateway_shared.pricing import Catalog


class PricesAsOf:
    """Remembers the prices of the run that is worked on; lives as long as its process."""

    def __init__(self, engine: AsyncEngine, prices: PriceBook) -> None:
        self._engine = engine
        self._prices = prices
        self._read: tuple[datetime, Catalog] | None = None

    async def __call__(self, instant: datetime) -> Catalog:
        """Return the prices as they were known then. Raises DatabaseUnavailable or PricesUnreadable."""
        if not isinstance(self._prices, LiveCatalog):
            return self._prices.current()
        if self._read is None or self._read[0] != instant:
            catalog = (await self._prices.as_of(instant)).catalog
            await record_catalog(self._engine, catalog)
            self._read = (instant, catalog)
        return self._read[1]
