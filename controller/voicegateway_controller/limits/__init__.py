"""Fleet-wide limits: the pools in Redis that holders lease from."""

from voicegateway_controller.limits.pools import Pools, PoolState

__all__ = ["PoolState", "Pools"]
