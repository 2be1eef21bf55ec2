"""Made-up budgets and alerts for the stand-in: one in each state, by several clocks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]


def status(now: datetime) -> Json:
    """Answer `/api/v1/budgets/status`."""
    berlin, new_york = "Europe/Berlin", "America/New_York"
    return {
        "as_of": now.isoformat(),
        "revision": 7,
        "is_live": True,
        "budgets": [
            budget(now, "fleet.month", {}, "month", "5000", "1841.118420127", window_end="2380", zone=berlin),
            budget(
                now, "support-line.day", {"project": "support-line"}, "day", "25", "21.407311", action="end_session",
                window_end="29.1", runs_out=timedelta(hours=3), zone=berlin,
            ),
            budget(
                now, "outbound-sales.day", {"project": "outbound-sales"}, "day", "12.5", "12.499991", zone=new_york,
                state="exhausted", window_end="20.4", runs_out=timedelta(0),
            ),
            budget(
                now, "clinic-booking.anthropic.rolling_24h", {"project": "clinic-booking", "provider": "anthropic"},
                "rolling_24h", "8", "4.31", action="throttle",
            ),
            budget(
                now, "fleet-tts.week", {"modality": "tts"}, "week", "40", "51.2", action="warn", state="over",
                window_end="66", runs_out=timedelta(0), thresholds=[50, 100, 150], is_unbacked=True,
            ),
            budget(now, "trial", {"project": "trial"}, "total", "100", "0.912"),
            budget(now, "call", {}, "session", "2", None, action="end_session"),
        ],
        "projects": [
            project(now, "", "4120.5", "5711"),
            project(now, "support-line", "2110.12", "2900.4"),
            project(now, "outbound-sales", "1500.02", "2110"),
            project(now, "clinic-booking", "510.36", "700.6"),
        ],
        "anomalies": [
            {
                "project": "outbound-sales", "hour": now.replace(minute=0, second=0, microsecond=0).isoformat(),
                "spent_usd": "9.412", "usual_usd": "2.1", "weeks": 4, "is_over": False,
            }
        ],
    }  # fmt: skip


def budget(
    now: datetime,
    name: str,
    selector: Json,
    window: str,
    amount: str,
    spent: str | None,
    *,
    zone: str = "UTC",
    window_end: str = "",
    runs_out: timedelta | None = None,
    **changes: Any,
) -> Json:
    reserved = Decimal(0) if spent is None else min(Decimal("0.84"), max(Decimal(0), Decimal(amount) - Decimal(spent)))
    is_calendar = window in ("hour", "day", "week", "month")
    resets_at = midnight(now, zone) if is_calendar else None
    return {
        "id": name,
        "selector": selector,
        "window": window,
        "window_id": window,
        "zone": zone,
        "starts_at": None,
        "resets_at": None if resets_at is None else resets_at.isoformat(),
        "action": "block",
        "offline": "last_lease",
        "state": "ok",
        "thresholds": [50, 80, 100],
        "amount_usd": amount,
        "spent_usd": spent,
        "reserved_usd": None if spent is None else f"{reserved:f}",
        "left_usd": None if spent is None else f"{max(Decimal(0), Decimal(amount) - Decimal(spent) - reserved):f}",
        "percent": None,
        "holders": 3,
        "is_unbacked": False,
        "forecast": None
        if spent is None
        else {
            "burn_last_hour_usd": f"{Decimal(spent) / 19:.9f}",
            "burn_last_day_usd": f"{Decimal(spent) / 24:.9f}",
            "runs_out_at": None if runs_out is None else (now + runs_out).isoformat(),
            "window_end": projection(now, window_end) if window_end else None,
            "month_end": projection(now, amount),
            "sureness": "good" if is_calendar else "poor",
            "weeks": 4,
        },
        **changes,
    }


def project(now: datetime, name: str, spent: str, month_end: str) -> Json:
    return {
        "project": name,
        "zone": "Europe/Berlin",
        "spent_this_month_usd": spent,
        "burn_last_hour_usd": f"{Decimal(spent) / 480:.9f}",
        "burn_last_day_usd": f"{Decimal(spent) / 500:.9f}",
        "month_end": projection(now, month_end),
        "sureness": "good",
        "weeks": 4,
    }


def projection(now: datetime, likely: str) -> Json:
    return {
        "at": (now + timedelta(days=9)).isoformat(),
        "likely_usd": likely,
        "low_usd": f"{Decimal(likely) * 9 / 10:f}",
        "high_usd": f"{Decimal(likely) * 12 / 10:f}",
    }


def midnight(now: datetime, zone: str) -> datetime:
    """The next one by a zone's clocks."""
    day = (now.astimezone(ZoneInfo(zone)) + timedelta(days=1)).date()
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))


def alerts(now: datetime) -> Json:
    """Answer `/api/v1/alerts`."""
    told = (
        ("budget_exhausted", "critical", "outbound-sales", "outbound-sales.day: $12.50 is spent; it blocks", 4),
        ("budget_threshold", "warning", "support-line", "support-line.day: 80% of $25.00 is spent", 31),
        ("anomaly", "warning", "outbound-sales", "project outbound-sales has spent $9.412 in the hour of 13:00", 42),
        ("unrated_usage", "warning", "", "no price is known for acme-voice/beta-7", 55),
        ("test", "info", "", "A test: alerts arrive", 2000),
    )  # fmt: skip
    rows = [
        {
            "id": f"00000000-0000-4000-8000-{index:012d}",
            "key": f"key-{index}",
            "kind": kind,
            "severity": severity,
            "project": project_name,
            "title": title,
            "details": {},
            "raised_at": (now - timedelta(minutes=minutes)).astimezone(UTC).isoformat(),
            "is_routed": index > 0,
            "deliveries": [
                delivery(now, "slack", "delivered"),
                delivery(now, "webhook", ("pending", "delivered", "dead")[index % 3], "HTTP 500"),
            ],
        }
        for index, (kind, severity, project_name, title, minutes) in enumerate(told)
    ]
    return {"alerts": rows, "next": None}


def delivery(now: datetime, channel: str, state: str, error: str = "") -> Json:
    return {
        "channel": channel,
        "state": state,
        "attempts": 12 if state == "dead" else 1,
        "next_attempt_at": now.isoformat() if state == "pending" else None,
        "delivered_at": now.isoformat() if state == "delivered" else None,
        "last_error": error if state == "dead" else "",
    }
