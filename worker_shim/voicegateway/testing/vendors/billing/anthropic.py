"""Anthropic's usage and cost API: `/v1/organizations/usage_report/messages` and `/v1/organizations/cost_report`.

Shapes are those of platform.claude.com/docs/en/manage-claude/usage-cost-api; the words of descriptions are our own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from aiohttp import web

from voicegateway.testing.vendors.billing.buckets import Bucket, Window, grouped, page_token, window
from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway.testing.vendors.billing.mistakes import WEB_SEARCH, WEB_SEARCHES
from voicegateway.testing.vendors.billing.server import BadQuery, BillingServer, instant, known, many
from voicegateway.testing.vendors.credentials import credential
from voicegateway_shared.money import PICO_PER_USD

VERSION: Final = "2023-06-01"
LIMITS: Final = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
TOKEN_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "input_tokens": ("uncached_input_tokens", "Input Tokens"),
    "output_tokens": ("output_tokens", "Output Tokens"),
    "cache_read_tokens": ("cache_read_input_tokens", "Input Tokens, Cache Hit"),
    "cache_write_tokens": ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write"),
    "cache_write_5m_tokens": ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write"),
    "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens", "Input Tokens, Cache Write (1h)"),
}
"""Our meters: Anthropic's token type, and how its description ends."""
_USAGE_DIMENSIONS: Final = (
    "api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo", "speed",
)  # fmt: skip
_FILTERS: Final = {
    "api_key_ids": "api_key_id",
    "workspace_ids": "workspace_id",
    "models": "model",
    "service_tiers": "service_tier",
    "context_window": "context_window",
    "inference_geos": "inference_geo",
    "speeds": "speed",
}
_LONG_CONTEXT_TOKENS: Final = 200_000
_PICO_PER_CENT: Final = PICO_PER_USD // 100


class AnthropicBilling(BillingServer):
    """Anthropic's books over HTTP. Takes `x-api-key: sk-ant-admin…` and `anthropic-version`."""

    vendor: ClassVar[str] = "anthropic"

    def routes(self) -> Sequence[web.RouteDef]:
        """Return both reports."""
        return [
            web.get("/v1/organizations/usage_report/messages", self._usage),
            web.get("/v1/organizations/cost_report", self._costs),
        ]

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        """Return Anthropic's error."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 500: "api_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "invalid_request_error"), "message": message}}

    async def _usage(self, request: web.Request) -> web.Response:
        dimensions = known(many(request.query, "group_by"), _USAGE_DIMENSIONS, "group_by")
        if "speed" in dimensions and "anthropic-beta" not in request.headers:
            raise BadQuery("group_by: speed needs a beta header")
        width = request.query.get("bucket_width", "1d")

        def results(bucket: Bucket) -> list[dict[str, Any]]:
            charges = [
                charge
                for charge in bucket.charges
                if charge.category == "usage" and charge.sku in ("", WEB_SEARCH) and charge.copy == 0
            ]
            groups = grouped(charges, lambda charge: tuple(_values(charge)[name] for name in dimensions))
            shown = dict.fromkeys(name for name in _USAGE_DIMENSIONS if name != "speed" or "speed" in dimensions)
            return [
                {**_counts(group), **shown, **dict(zip(dimensions, key, strict=True))} for key, group in groups.items()
            ]

        return self._page(request, self._window(request, width), results)

    async def _costs(self, request: web.Request) -> web.Response:
        dimensions = known(many(request.query, "group_by"), ("workspace_id", "description"), "group_by")
        if request.query.get("bucket_width", "1d") != "1d":
            raise BadQuery("bucket_width must be 1d")

        def results(bucket: Bucket) -> list[dict[str, Any]]:
            groups: dict[tuple[int, tuple[tuple[str, Any], ...]], list[int]] = {}
            for charge in bucket.charges:
                if _values(charge)["service_tier"].startswith("priority"):
                    continue
                for meter in charge.meters:
                    described = _described(charge, meter) if "description" in dimensions else {}
                    if "workspace_id" in dimensions:
                        described["workspace_id"] = _values(charge)["workspace_id"]
                    groups.setdefault((charge.copy, tuple(described.items())), []).append(meter.pico_usd)
            return [self._cost(dict(key), parts) for (_, key), parts in groups.items()]

        return self._page(request, self._window(request, "1d"), results)

    def _cost(self, group: Mapping[str, Any], parts: Sequence[int]) -> dict[str, Any]:
        return {
            "amount": _cents(self.books.amount(sum(parts))),
            "currency": "USD",
            "cost_type": group.get("cost_type"),
            "description": group.get("description"),
            "model": group.get("model"),
            "token_type": group.get("token_type"),
            "service_tier": group.get("service_tier"),
            "context_window": group.get("context_window"),
            "inference_geo": group.get("inference_geo"),
            "workspace_id": group.get("workspace_id"),
        }

    def _window(self, request: web.Request, width: str) -> Window:
        if request.headers.get("anthropic-version") != VERSION:
            raise BadQuery(f"anthropic-version: {VERSION} is required")
        if width not in LIMITS:
            raise BadQuery(f"bucket_width must be one of {', '.join(LIMITS)}")
        query = request.query
        return window(
            start=instant(query.get("starting_at"), "starting_at"),
            end=instant(query["ending_at"], "ending_at") if "ending_at" in query else self.books.now(),
            width=width,
            limit=query.get("limit"),
            limits=LIMITS[width],
            page=query.get("page"),
            page_size=self.books.traps.page_size,
            is_truncated=self.books.traps.truncated_first_bucket,
        )

    def _page(self, request: web.Request, asked: Window, results: Any) -> web.Response:
        query = request.query
        asks = f"{request.path}?{sorted((name, value) for name, value in query.items() if name != 'page')}"
        wanted = {dimension: many(query, name) for name, dimension in _FILTERS.items() if many(query, name)}
        charges = [
            charge
            for charge in self.books.shown(asks, is_first_page="page" not in query)
            if all(_values(charge)[dimension] in values for dimension, values in wanted.items())
        ]
        buckets, has_more = asked.buckets(charges)
        data = [
            {"starting_at": _text(bucket.start), "ending_at": _text(bucket.end), "results": results(bucket)}
            for bucket in buckets
        ]
        if self.books.traps.omits_empty_buckets:
            data = [bucket for bucket in data if bucket["results"]]
        next_page = page_token(asked.offset + asked.limit) if has_more else None
        return self.answer({"data": data, "has_more": has_more, "next_page": next_page})


def _values(charge: Charge) -> dict[str, Any]:
    tier = charge.context.get("service_tier") or "standard"
    if charge.context.get("processing") == "batch":
        tier = "batch"
    is_long = charge.usage.get("input_tokens", 0) > _LONG_CONTEXT_TOKENS
    return {
        "api_key_id": credential("anthropic", charge.key) or None,
        "workspace_id": charge.account or None,
        "model": charge.model,
        "service_tier": "standard" if tier == "default" else tier,
        "context_window": "200k-1M" if is_long else "0-200k",
        "inference_geo": "global",
        "speed": charge.context.get("speed") or "standard",
    }


def _described(charge: Charge, meter: ChargedMeter) -> dict[str, Any]:
    if charge.sku == WEB_SEARCH:
        return {"cost_type": "web_search", "description": "Web Search Usage"}
    if charge.sku:
        return {"description": charge.sku}
    token_type, words = TOKEN_TYPES.get(meter.meter, (None, meter.meter))
    values = _values(charge)
    return {
        "cost_type": "tokens",
        "description": f"{_title(charge.model)} Usage - {words}",
        "token_type": token_type,
        **{name: values[name] for name in ("model", "service_tier", "context_window", "inference_geo")},
    }


def _title(model: str) -> str:
    """Return the name for people: `claude-haiku-4-5` is Claude Haiku 4.5."""
    words = [word for word in model.split("-") if not (word.isdigit() and len(word) == 8)]
    numbers = [word for word in words if word.isdigit()]
    return " ".join([*(word.title() for word in words if not word.isdigit()), ".".join(numbers)]).strip()


def _counts(charges: Sequence[Charge]) -> dict[str, Any]:
    def total(meter: str) -> int:
        return sum(charge.usage.get(meter, 0) for charge in charges)

    written_5m = total("cache_write_tokens") + total("cache_write_5m_tokens")
    written_1h, read = total("cache_write_1h_tokens"), total("cache_read_tokens")
    searches = sum(WEB_SEARCHES for charge in charges if charge.sku == WEB_SEARCH)
    return {
        "uncached_input_tokens": total("input_tokens") - written_5m - written_1h - read,
        "cache_creation": {"ephemeral_1h_input_tokens": written_1h, "ephemeral_5m_input_tokens": written_5m},
        "cache_read_input_tokens": read,
        "output_tokens": total("output_tokens"),
        "server_tool_use": {"web_search_requests": searches},
    }


def _cents(pico_usd: int) -> str:
    """Return dollars as a decimal text of cents, with two digits at least: `123.45` is $1.2345."""
    sign = "-" if pico_usd < 0 else ""
    whole, part = divmod(abs(pico_usd), _PICO_PER_CENT)
    digits = f"{part:010d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
