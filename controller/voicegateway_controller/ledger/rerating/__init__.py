"""Re-rating: a corrected or a new price makes the past right, by entries that hold the differences."""

from voicegateway_controller.ledger.rerating.arrival import PriceArrival
from voicegateway_controller.ledger.rerating.selection import Selection
from voicegateway_controller.ledger.rerating.service import Reratings
from voicegateway_controller.ledger.rerating.store import Run, StoredChange
from voicegateway_controller.ledger.rerating.work import Rerater

__all__ = ["PriceArrival", "Rerater", "Reratings", "Run", "Selection", "StoredChange"]
