"""Choose the price catalogue and note which versions have rated anything."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.pricing.nodes import read_nodes

BUILTIN: Final = "builtin"
RECORD: Final = """
INSERT INTO price_catalog (version, source) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING
"""


def load_catalog(local_nodes: str = "") -> Catalog:
    """Return the catalogue to rate with: the one shipped with this package, and what local nodes are said to cost."""
    nodes = read_nodes(local_nodes, stated_on=datetime.now(UTC).date())
    return Catalog.builtin().extended(nodes) if nodes else Catalog.builtin()


async def record_catalog(engine: AsyncEngine, catalog: Catalog, *, source: str = BUILTIN) -> None:
    """Note that this version rates from now on; the entries' price ids belong to one of the noted versions."""
    async with raw_connection(engine) as connection:
        await connection.execute(RECORD, catalog.version, source)
