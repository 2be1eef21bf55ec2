"""Models: what is priced, known and used; what each costs now, how it fares, how much it is asked."""

from voicegateway_controller.models.service import Models

__all__ = ["Models"]
