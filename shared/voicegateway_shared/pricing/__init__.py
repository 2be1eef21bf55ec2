"""Prices and rating: the catalogue, and the pure function that turns usage into exact money."""

from voicegateway_shared.pricing.bound import cost_bound
from voicegateway_shared.pricing.catalog import Catalog
from voicegateway_shared.pricing.document import Document, read_document
from voicegateway_shared.pricing.errors import CatalogError
from voicegateway_shared.pricing.local import local_document
from voicegateway_shared.pricing.price import Price, Source
from voicegateway_shared.pricing.rating import RatedLine, Rating, RatingRequest, rate
from voicegateway_shared.pricing.selection import UnratedReason

__all__ = [
    "Catalog",
    "CatalogError",
    "Document",
    "Price",
    "RatedLine",
    "Rating",
    "RatingRequest",
    "Source",
    "UnratedReason",
    "cost_bound",
    "local_document",
    "rate",
    "read_document",
]
