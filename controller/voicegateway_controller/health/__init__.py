"""Health of vendors: breakers that the whole fleet shares, times to first byte, and what a person has switched off."""

from voicegateway_controller.health.answering import RoutingAnswering
from voicegateway_controller.health.board import HealthBoard
from voicegateway_controller.health.gauges import HealthGauges
from voicegateway_controller.health.store import HealthStore
from voicegateway_controller.health.switching import Switching

__all__ = ["HealthBoard", "HealthGauges", "HealthStore", "RoutingAnswering", "Switching"]
