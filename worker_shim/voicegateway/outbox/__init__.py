"""The outbox: what a worker host still owes the controller, kept on its disk until the controller has it."""

from voicegateway.outbox.intent import Intent
from voicegateway.outbox.outbox import Outbox
from voicegateway.outbox.stats import Loss, OutboxStats, inspect

__all__ = ["Intent", "Loss", "Outbox", "OutboxStats", "inspect"]
