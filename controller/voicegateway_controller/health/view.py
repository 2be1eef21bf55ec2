"""Vendors' health as people see it."""

from datetime import UTC, datetime
from typing import Final

from voicegateway_controller.access.rules import OPERATORS, Access
from voicegateway_controller.health import schemas
from voicegateway_controller.health.board import HealthBoard
from voicegateway_controller.health.records import Record
from voicegateway_controller.health.switches import Switch
from voicegateway_shared.wire import HealthTarget

LIVE_S: Final = 3.0
"""An older answer of Redis is what was known last."""


def report(board: HealthBoard, access: Access, *, now: datetime) -> schemas.ProvidersHealth:
    """Return what is known of all vendors. How much others use them is not told to a token of some projects."""
    server_ms, is_all = board.server_ms, access.projects is None
    targets = [_target(target, record, server_ms, is_all=is_all) for target, record in board.known.records.items()]
    now_ms = round(now.timestamp() * 1_000)
    off = [each for each in board.switches.off if each.until_ms is None or each.until_ms > now_ms]
    return schemas.ProvidersHealth(
        is_live=board.age_s <= LIVE_S,
        targets=sorted(targets, key=lambda each: (each.provider, each.modality, each.model, each.account, each.region)),
        disabled=[disabled(each) for each in off],
        may_switch=is_all and access.role in OPERATORS,
    )


def disabled(switch: Switch) -> schemas.Disabled:
    """Return one switch as people see it."""
    return schemas.Disabled(
        provider=switch.provider,
        model=switch.model,
        until=None if switch.until_ms is None else _instant(switch.until_ms),
        reason=switch.reason,
        disabled_at=_instant(switch.at_ms),
        disabled_by=switch.by,
    )


def state_of(record: Record, *, now_ms: int) -> str:
    """A breaker whose time has come waits for its probe."""
    return "half_open" if record.state == "open" and record.open_until <= now_ms else record.state


def _target(target: HealthTarget, record: Record, now_ms: int, *, is_all: bool) -> schemas.TargetHealth:
    is_closed = record.state == "closed"
    return schemas.TargetHealth.model_validate(
        {
            "provider": target.provider,
            "model": target.model,
            "modality": target.modality,
            "account": target.account,
            "region": target.region,
            "state": state_of(record, now_ms=now_ms),
            "cause": "" if is_closed else record.why,
            "since": None if is_closed else _instant(record.since),
            "retry_ms": max(0, record.open_until - now_ms) if record.state == "open" else 0,
            "openings": 0 if is_closed else record.openings,
            "is_degraded": bool(record.degraded),
            "ttfb_p50_ms": record.p50,
            "ttfb_p95_ms": record.p95,
            "samples": record.samples if is_all else 0,
            "heard_at": _instant(record.heard_at),
        }
    )


def _instant(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
