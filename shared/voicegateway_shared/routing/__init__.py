"""Routing: which of several models serves a request, and why not the others."""

from voicegateway_shared.routing.chain import Chain, ChainModel, ProjectDefault, Routing, Stack, Strategy
from voicegateway_shared.routing.choice import Decision, Rejection, Standing, choose
from voicegateway_shared.routing.declaration import parse_routing

__all__ = [
    "Chain",
    "ChainModel",
    "Decision",
    "ProjectDefault",
    "Rejection",
    "Routing",
    "Stack",
    "Standing",
    "Strategy",
    "choose",
    "parse_routing",
]
