"""The worker protocol's messages, version 1: the only contract between shim and controller."""

from voicegateway_shared.wire.money import (
    BudgetPool,
    Directive,
    ModelName,
    MoneyAnswer,
    MoneyClaim,
    MoneyLease,
    MoneyReport,
)
from voicegateway_shared.wire.routing import HealthTarget, ModelHealth, Observation, RoutingAnswer, RoutingReport
from voicegateway_shared.wire.sync import (
    SYNC_VERSION,
    Claim,
    Lease,
    Priority,
    SessionPresence,
    SyncRequest,
    SyncResponse,
    VendorSignal,
)

__all__ = [
    "SYNC_VERSION",
    "BudgetPool",
    "Claim",
    "Directive",
    "HealthTarget",
    "Lease",
    "ModelHealth",
    "ModelName",
    "MoneyAnswer",
    "MoneyClaim",
    "MoneyLease",
    "MoneyReport",
    "Observation",
    "Priority",
    "RoutingAnswer",
    "RoutingReport",
    "SessionPresence",
    "SyncRequest",
    "SyncResponse",
    "VendorSignal",
]
