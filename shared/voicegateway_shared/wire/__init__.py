"""The worker protocol's messages, version 1: the only contract between shim and controller."""

from voicegateway_shared.wire.keys import HeldKey, KeysAnswer, KeysReport, LeasedKey
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
from voicegateway_shared.wire.workers import WorkerOrder, WorkerState

__all__ = [
    "SYNC_VERSION",
    "BudgetPool",
    "Claim",
    "Directive",
    "HealthTarget",
    "HeldKey",
    "KeysAnswer",
    "KeysReport",
    "Lease",
    "LeasedKey",
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
    "WorkerOrder",
    "WorkerState",
]
