"""What leaves the ledger for others: FOCUS files, statements, usage events; and what customers are charged."""

from voicegateway_controller.exports.markups.service import Markups
from voicegateway_controller.exports.service import Exports

__all__ = ["Exports", "Markups"]
