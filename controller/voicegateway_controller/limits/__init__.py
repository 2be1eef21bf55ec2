"""Fleet-wide limits: declared by people, kept as pools in Redis that holders lease from, seen and simulated."""

from voicegateway_controller.limits.copy import DefinitionsCopy
from voicegateway_controller.limits.gauges import Gauges
from voicegateway_controller.limits.leasing import Leasing
from voicegateway_controller.limits.pools import Pools, PoolState
from voicegateway_controller.limits.records import PoolRecords
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.limits.signals import Signals
from voicegateway_controller.limits.simulations import Simulations
from voicegateway_controller.limits.view import LimitsView

__all__ = [
    "DefinitionsCopy",
    "Gauges",
    "Leasing",
    "Limits",
    "LimitsView",
    "PoolRecords",
    "PoolState",
    "Pools",
    "Signals",
    "Simulations",
]
