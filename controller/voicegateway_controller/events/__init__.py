"""Live events: what happens now, for people and programs that watch. The books are for counting, not these."""

from voicegateway_controller.events.event import Event
from voicegateway_controller.events.hub import Hub
from voicegateway_controller.events.stream import EventStream
from voicegateway_controller.events.telling import RequestTeller
from voicegateway_controller.events.watching import EventWatch

__all__ = ["Event", "EventStream", "EventWatch", "Hub", "RequestTeller"]
