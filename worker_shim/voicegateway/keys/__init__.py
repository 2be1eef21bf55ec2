"""Vendors' keys that the fleet lends to this process: held in memory only, and for a time."""

from voicegateway.keys.keyring import Keyring
from voicegateway.keys.loan import Lend, Loan

__all__ = ["Keyring", "Lend", "Loan"]
