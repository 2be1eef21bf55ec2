"""Which prices hold."""

from voicegateway_controller.catalog.service import load_catalog, record_catalog

__all__ = ["load_catalog", "record_catalog"]
