"""The workers: who is there, carrying which calls."""

from voicegateway_controller.fleet.service import Fleet, Holder

__all__ = ["Fleet", "Holder"]
