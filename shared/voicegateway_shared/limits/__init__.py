"""Limits: what a vendor allows the whole fleet, declared, checked and matched. Pure: it enforces nothing."""

from voicegateway_shared.limits.declaration import parse_limits
from voicegateway_shared.limits.pool import METERS, LimitMeter, PoolSpec
from voicegateway_shared.limits.selector import Selector, Target

__all__ = ["METERS", "LimitMeter", "PoolSpec", "Selector", "Target", "parse_limits"]
