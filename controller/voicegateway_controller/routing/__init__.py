"""Routing: chains, stacks and defaults, declared by people and told to workers; and who would serve a request now."""

from voicegateway_controller.routing.definitions import RoutingDefinitions
from voicegateway_controller.routing.explaining import Explainer
from voicegateway_controller.routing.service import Applied, Routings

__all__ = ["Applied", "Explainer", "RoutingDefinitions", "Routings"]
