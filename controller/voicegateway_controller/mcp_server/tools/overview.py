"""The tool that looks at everything at once: is all well, and if not, where to look."""

import asyncio
from typing import Any, Final

from voicegateway_controller.mcp_server import results
from voicegateway_controller.mcp_server.asking import AdminApi, Refused
from voicegateway_controller.mcp_server.bounds import fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of

ALERTS: Final = 10
PENDING_WARN: Final = 1_000
"""Spans that wait to be rated: a few seconds of a large fleet's work."""
_PARTS: Final = {
    "live": "/api/v1/live",
    "ledger": "/api/v1/ledger/status",
    "providers": "/api/v1/providers/health",
    "budgets": "/api/v1/budgets/status",
    "alerts": f"/api/v1/alerts?limit={ALERTS}",
}


async def get_health(ctx: Ctx) -> results.Health:
    """How the whole installation is right now, and what wants a look. Begin here when something seems wrong."""
    api = api_of(ctx)
    found = dict(zip(_PARTS, await asyncio.gather(*(_part(api, path) for path in _PARTS.values())), strict=True))
    known = {name: part for name, part in found.items() if not isinstance(part, Refused)}
    live, ledger = known.get("live", {}), known.get("ledger", {})
    providers = known.get("providers", {"targets": [], "disabled": [], "is_live": True})
    down = [each for each in providers["targets"] if each["state"] != "closed"]
    unknown = [f"{name}: {part}" for name, part in found.items() if isinstance(part, Refused)]
    concerns = [*_of_ledger(ledger), *_of_providers(providers, down), *_of_budgets(known.get("budgets"))]
    alerts = [] if "alerts" not in known else known["alerts"]["alerts"]
    made = {
        "is_well": not concerns and not unknown,
        "concerns": concerns,
        "unknown": unknown,
        "live_calls": live.get("calls"),
        "workers": live.get("workers"),
        "pending_spans": ledger.get("pending_spans"),
        "quarantined_spans": ledger.get("quarantined_total"),
        "unrated_requests": ledger.get("unrated_requests_total"),
        "providers_down": down,
        "switched_off": providers["disabled"],
        "recent_alerts": alerts,
    }
    return fitted(results.Health.model_validate(made), "providers_down", "switched_off", "recent_alerts", "concerns")


async def _part(api: AdminApi, path: str) -> Any:
    """Return one part of the picture, or why it cannot be had: the others are worth seeing without it."""
    try:
        return await api.get(path)
    except Refused as error:
        return error


def _of_ledger(ledger: dict[str, Any]) -> list[str]:
    told = []
    if ledger.get("pending_spans", 0) >= PENDING_WARN:
        told.append(f"{ledger['pending_spans']} spans wait to be rated: is a runner there?")
    if ledger.get("quarantined_total", 0):
        told.append(f"{ledger['quarantined_total']} malformed spans are in the quarantine")
    if ledger.get("unrated_requests_total", 0):
        told.append(f"{ledger['unrated_requests_total']} requests have no price: costs are lower bounds")
    return told


def _of_providers(providers: dict[str, Any], down: list[dict[str, Any]]) -> list[str]:
    told = [f"{_name(each)} is {each['state']}: {each['cause']}" for each in down]
    told += [f"{_name(each)} is slow" for each in providers["targets"] if each["is_degraded"]]
    told += [f"{_name(each)} is switched off by hand" for each in providers["disabled"]]
    if not providers["is_live"]:
        told.append("Redis is away: limits, budgets and live calls are not known")
    return told


def _of_budgets(status: dict[str, Any] | None) -> list[str]:
    if status is None:
        return []
    told = [f"budget {each['id']} is {each['state']}" for each in status["budgets"] if each["state"] != "ok"]
    for each in status["budgets"]:
        percent = each["percent"]
        if each["state"] == "ok" and percent is not None and percent >= min(each["thresholds"], default=101):
            told.append(f"budget {each['id']} is spent to {percent:g} %")
    told += [f"{each['project'] or 'the fleet'} spent far more than usual in the hour of {each['hour']}"
             for each in status["anomalies"]]  # fmt: skip
    return told


def _name(each: dict[str, Any]) -> str:
    return f"{each['provider']}/{each['model']}" if each["model"] else str(each["provider"])
