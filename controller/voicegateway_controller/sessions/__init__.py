"""Ending sessions: workers are told to through their next message, and LiveKit when they do not in time."""

from voicegateway_controller.sessions.directives import Directives
from voicegateway_controller.sessions.ending import Ending

__all__ = ["Directives", "Ending"]
