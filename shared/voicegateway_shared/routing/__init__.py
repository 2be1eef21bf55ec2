"""Routing: which of several models serves a request, and why not the others."""

from voicegateway_shared.routing.chain import Chain, Routing, Stack, Strategy
from voicegateway_shared.routing.choice import Decision, Rejection, Standing, choose

__all__ = ["Chain", "Decision", "Rejection", "Routing", "Stack", "Standing", "Strategy", "choose"]
