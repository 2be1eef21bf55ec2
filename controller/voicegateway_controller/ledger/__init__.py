"""From committed spans to append-only entries and their rollups, exactly once."""

from voicegateway_controller.ledger.rules import bucket_middle_ms
from voicegateway_controller.ledger.service import Ledger
from voicegateway_controller.ledger.verify import RollupMismatch, verify_rollups

__all__ = ["Ledger", "RollupMismatch", "bucket_middle_ms", "verify_rollups"]
