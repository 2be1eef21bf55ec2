"""Who changed what, and what it was before: append-only, each record sealed with the one before it."""

from voicegateway_controller.audit.record import Change, record_change

__all__ = ["Change", "record_change"]
