"""Instrument native LiveKit plugin instances in place; the only package that touches livekit-agents' insides."""

from voicegateway.instrument.subclass import instrument, is_instrumented, stand_together

__all__ = ["instrument", "is_instrumented", "stand_together"]
