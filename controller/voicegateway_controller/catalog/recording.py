"""Every price is kept before it rates anything, so that an entry's price id can be traced for ever."""

from collections.abc import Set
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.catalog import store
from voicegateway_controller.catalog.snapshot import is_managed
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.pricing.written import describe

BUILTIN: Final = "builtin"
MANAGED: Final = "managed"
LOCAL_NODE: Final = "local node"


async def record_catalog(engine: AsyncEngine, catalog: Catalog, *, known: Set[str] = frozenset()) -> set[str]:
    """Keep every price of a catalogue and its version; `known` are ids that were kept before. Return all that are."""
    async with raw_connection(engine) as connection, connection.transaction():
        return await record_prices(connection, catalog, known=known)


async def record_prices(connection: Connection, catalog: Catalog, *, known: Set[str] = frozenset()) -> set[str]:
    """Do the same in a transaction of the caller's: for whoever books by a catalogue of their own."""
    fresh = {price.price_id: price for price in catalog.prices if price.price_id not in known}
    rows = [
        store.PriceRowKept(
            price_id=price_id,
            provider=price.provider,
            model=price.model,
            modality=price.modality,
            meter=price.meter,
            layer=price.layer,
            scope=price.scope,
            content=msgspec.json.encode(describe(price)).decode(),
            origin=origin_of(price),
        )
        # In key order, so that two processes that do the same cannot deadlock.
        for price_id, price in sorted(fresh.items())
    ]
    source = MANAGED if any(is_managed(price) for price in catalog.prices) else BUILTIN
    await store.keep_rows(connection, rows, version=catalog.version, source=source)
    return {*known, *fresh}


def origin_of(price: Price) -> str:
    """Say who states a price: the package, an operator, or the configuration of local nodes."""
    if is_managed(price):
        return MANAGED
    return LOCAL_NODE if price.origin == LOCAL_NODE else BUILTIN
