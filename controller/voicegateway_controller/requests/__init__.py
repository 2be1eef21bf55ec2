"""Requests, one by one: what workers delivered, and what the books made of it."""

from voicegateway_controller.requests.service import Requests

__all__ = ["Requests"]
