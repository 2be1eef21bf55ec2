"""Prices and rating: the catalogue, and the pure function that turns usage into exact money.

Names are loaded on first use (PEP 562): a worker prices by tariffs, and needs neither the catalogue nor YAML.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicegateway_shared.pricing.bound import cost_bound
    from voicegateway_shared.pricing.catalog import Catalog
    from voicegateway_shared.pricing.derivation import Derivation, Scope
    from voicegateway_shared.pricing.document import Document, read_document
    from voicegateway_shared.pricing.errors import CatalogError
    from voicegateway_shared.pricing.local import local_document
    from voicegateway_shared.pricing.managed import Managed
    from voicegateway_shared.pricing.plans import PlanWindow
    from voicegateway_shared.pricing.price import Price, Source
    from voicegateway_shared.pricing.rating import RatedLine, Rating, RatingRequest, rate, rate_by
    from voicegateway_shared.pricing.selection import UnratedReason
    from voicegateway_shared.pricing.tariff import Tariff
    from voicegateway_shared.pricing.written import write_row

__all__ = [
    "Catalog",
    "CatalogError",
    "Derivation",
    "Document",
    "Managed",
    "PlanWindow",
    "Price",
    "RatedLine",
    "Rating",
    "RatingRequest",
    "Scope",
    "Source",
    "Tariff",
    "UnratedReason",
    "cost_bound",
    "local_document",
    "rate",
    "rate_by",
    "read_document",
    "write_row",
]

_HOMES = {
    "Catalog": "catalog",
    "CatalogError": "errors",
    "Derivation": "derivation",
    "Document": "document",
    "Managed": "managed",
    "PlanWindow": "plans",
    "Price": "price",
    "RatedLine": "rating",
    "Rating": "rating",
    "RatingRequest": "rating",
    "Scope": "derivation",
    "Source": "price",
    "Tariff": "tariff",
    "UnratedReason": "selection",
    "cost_bound": "bound",
    "local_document": "local",
    "rate": "rating",
    "rate_by": "rating",
    "read_document": "document",
    "write_row": "written",
}


def __getattr__(name: str) -> Any:
    import importlib
    import sys

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    setattr(sys.modules[__name__], name, value)
    return value
