"""Which prices hold: the package's, and what operators recorded beside them."""

from voicegateway_controller.catalog.live import LiveCatalog, PriceBook, load_catalog
from voicegateway_controller.catalog.recording import record_catalog, record_prices
from voicegateway_controller.catalog.service import Prices
from voicegateway_controller.catalog.snapshot import Snapshot

__all__ = ["LiveCatalog", "PriceBook", "Prices", "Snapshot", "load_catalog", "record_catalog", "record_prices"]
