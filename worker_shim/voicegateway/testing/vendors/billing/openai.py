"""OpenAI's costs and usage API: `/v1/organization/costs` and `/v1/organization/usage/…`.

Shapes are those of openai 3.52.0 (types/admin/organization). Only one spelling of a line item is public
(`gpt-6-astra, input_tokens`); the others here continue it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from aiohttp import web

from voicegateway.testing.vendors.billing.buckets import Bucket, Window, grouped, page_token, window
from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway.testing.vendors.billing.mistakes import WEB_SEARCH
from voicegateway.testing.vendors.billing.server import BadQuery, BillingServer, known, many, whole_number
from voicegateway.testing.vendors.credentials import credential
from voicegateway_shared.money import divide_up

PROJECT: Final = "proj_default"
USER: Final = "user-simulated"
LIMITS: Final = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
COST_LIMITS: Final = (7, 180)
WORDS: Final[Mapping[str, str]] = {
    "input_tokens": "input_tokens",
    "cache_read_tokens": "cached_input_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_5m_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "cache_read_audio_tokens": "cached_input_audio_tokens",
    "output_tokens": "output_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "characters_sent": "characters",
    "audio_sent_ms": "duration_seconds",
    "session_ms": "duration_seconds",
    "socket_open_ms": "duration_seconds",
}
"""Our meters in the words of line items."""
_COST_DIMENSIONS: Final = ("project_id", "user_id", "line_item", "api_key_id", "api_source")
_DIMENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "completions": ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"),
    "audio_speeches": ("project_id", "user_id", "api_key_id", "model", "api_source"),
    "audio_transcriptions": ("project_id", "user_id", "api_key_id", "model", "api_source"),
}
_MODALITIES: Final = {
    "completions": ("llm", "realtime"),
    "audio_speeches": ("tts",),
    "audio_transcriptions": ("stt",),
}


class OpenAIBilling(BillingServer):
    """OpenAI's books over HTTP. Takes `Authorization: Bearer sk-admin-…`."""

    vendor: ClassVar[str] = "openai"

    def routes(self) -> Sequence[web.RouteDef]:
        """Return costs, and the usage of what voice agents use."""
        return [
            web.get("/v1/organization/costs", self._costs),
            *[web.get(f"/v1/organization/usage/{kind}", self._usage) for kind in _DIMENSIONS],
        ]

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        """Return OpenAI's error."""
        codes = {401: "invalid_api_key", 403: "insufficient_permissions", 429: "rate_limit_exceeded"}
        kinds = {429: "requests", 500: "server_error"}
        return {
            "error": {
                "message": message,
                "type": kinds.get(status, "invalid_request_error"),
                "param": None,
                "code": codes.get(status),
            }
        }

    async def _costs(self, request: web.Request) -> web.Response:
        dimensions = known(many(request.query, "group_by"), _COST_DIMENSIONS, "group_by")
        if {"user_id", "project_id"} <= set(dimensions):
            raise BadQuery("group_by: user_id and project_id cannot be combined")
        if request.query.get("bucket_width", "1d") != "1d":
            raise BadQuery("bucket_width must be 1d")
        asked = self._window(request, "1d", COST_LIMITS)
        line_items = many(request.query, "line_items")

        def results(bucket: Bucket) -> list[dict[str, Any]]:
            lines = [
                (charge, meter)
                for charge in bucket.charges
                for meter in charge.meters
                if not line_items or line_item(charge, meter) in line_items
            ]
            groups: dict[tuple[Any, ...], list[tuple[Charge, ChargedMeter]]] = {}
            for charge, meter in lines:
                values = _values(charge)
                key = tuple(line_item(charge, meter) if name == "line_item" else values[name] for name in dimensions)
                groups.setdefault((*key, charge.copy), []).append((charge, meter))
            return [self._cost(dict(zip(dimensions, key[:-1], strict=True)), group) for key, group in groups.items()]

        return self._page(request, asked, results)

    def _cost(self, group: Mapping[str, Any], lines: Sequence[tuple[Charge, ChargedMeter]]) -> dict[str, Any]:
        quantity, unit = None, None
        if "line_item" in group:
            quantity, unit = _quantity(lines)
        return {
            "object": "organization.costs.result",
            "amount": {"value": self.books.dollars([meter.pico_usd for _, meter in lines]), "currency": "usd"},
            "line_item": group.get("line_item"),
            "project_id": group.get("project_id"),
            "api_key_id": group.get("api_key_id"),
            "user_id": group.get("user_id"),
            "api_source": group.get("api_source"),
            "quantity": quantity,
            "quantity_unit": unit,
        }

    async def _usage(self, request: web.Request) -> web.Response:
        kind = request.path.rpartition("/")[2]
        dimensions = known(many(request.query, "group_by"), _DIMENSIONS[kind], "group_by")
        width = request.query.get("bucket_width", "1d")
        if width not in LIMITS:
            raise BadQuery(f"bucket_width must be one of {', '.join(LIMITS)}")
        asked = self._window(request, width, LIMITS[width])
        models = many(request.query, "models")
        batch = request.query.get("batch")

        def results(bucket: Bucket) -> list[dict[str, Any]]:
            charges = [
                charge
                for charge in bucket.charges
                if charge.modality in _MODALITIES[kind]
                and charge.category == "usage"
                and charge.sku == ""
                and charge.copy == 0
                and (not models or charge.model in models)
                and (batch is None or _values(charge)["batch"] == (batch == "true"))
            ]
            groups = grouped(charges, lambda charge: tuple(_values(charge)[name] for name in dimensions))
            shown = dict.fromkeys(_DIMENSIONS[kind])
            return [
                {
                    "object": f"organization.usage.{kind}.result",
                    **_counts(kind, group),
                    **shown,
                    **dict(zip(dimensions, key, strict=True)),
                }
                for key, group in groups.items()
            ]

        return self._page(request, asked, results)

    def _window(self, request: web.Request, width: str, limits: tuple[int, int]) -> Window:
        query = request.query
        end = query.get("end_time")
        return window(
            start=_unix(query.get("start_time"), "start_time"),
            end=self.books.now() if end is None else _unix(end, "end_time"),
            width=width,
            limit=query.get("limit"),
            limits=limits,
            page=query.get("page"),
            page_size=self.books.traps.page_size,
            is_truncated=self.books.traps.truncated_first_bucket,
        )

    def _page(self, request: web.Request, asked: Window, results: Any) -> web.Response:
        query = request.query
        projects, keys = many(query, "project_ids"), many(query, "api_key_ids")
        asks = f"{request.path}?{sorted((name, value) for name, value in query.items() if name != 'page')}"
        charges = [
            charge
            for charge in self.books.shown(asks, is_first_page="page" not in query)
            if (not projects or _values(charge)["project_id"] in projects)
            and (not keys or _values(charge)["api_key_id"] in keys)
        ]
        buckets, has_more = asked.buckets(charges)
        data = [
            {
                "object": "bucket",
                "start_time": int(bucket.start.timestamp()),
                "end_time": int(bucket.end.timestamp()),
                "results": results(bucket),
            }
            for bucket in buckets
        ]
        if self.books.traps.omits_empty_buckets:
            data = [bucket for bucket in data if bucket["results"]]
        next_page = page_token(asked.offset + asked.limit) if has_more else None
        return self.answer({"object": "page", "data": data, "has_more": has_more, "next_page": next_page})


def line_item(charge: Charge, meter: ChargedMeter) -> str:
    """Return how OpenAI's costs spell a line: `gpt-4.1-mini, input_tokens`, for a tier `…, priority`."""
    if charge.sku:
        return charge.sku
    parts = [charge.model, WORDS.get(meter.meter, meter.meter)]
    if charge.context.get("processing") == "batch":
        parts.append("batch")
    elif (tier := charge.context.get("service_tier", "default")) not in ("", "default", "standard"):
        parts.append(tier)
    return ", ".join(parts)


def _values(charge: Charge) -> dict[str, Any]:
    return {
        "project_id": charge.account or (PROJECT if charge.key else None),
        "user_id": USER if charge.key else None,
        "api_key_id": credential("openai", charge.key) or None,
        "api_source": "unlabeled",
        "model": charge.model,
        "batch": charge.context.get("processing") == "batch",
        "service_tier": charge.context.get("service_tier") or "default",
    }


def _quantity(lines: Sequence[tuple[Charge, ChargedMeter]]) -> tuple[float | None, str | None]:
    charge, meter = lines[0]
    quantity = sum(each.quantity for _, each in lines)
    word = WORDS.get(meter.meter, "")
    if charge.sku == WEB_SEARCH or charge.category != "usage" or not word:
        return None, None
    if word == "duration_seconds":
        return quantity / 1000, word
    return quantity, "characters" if word == "characters" else "tokens"


def _counts(kind: str, charges: Sequence[Charge]) -> dict[str, int]:
    def total(meter: str) -> int:
        return sum(charge.usage.get(meter, 0) for charge in charges)

    requests = {"num_model_requests": len(charges)}
    if kind == "audio_speeches":
        return {"characters": total("characters_sent"), **requests}
    if kind == "audio_transcriptions":
        return {"seconds": divide_up(total("audio_sent_ms"), 1000), **requests}
    writes = total("cache_write_tokens") + total("cache_write_5m_tokens") + total("cache_write_1h_tokens")
    cached, cached_audio = total("cache_read_tokens"), total("cache_read_audio_tokens")
    audio = total("input_audio_tokens") - cached_audio
    uncached = total("input_tokens") - cached - writes
    return {
        "input_tokens": total("input_tokens"),
        "output_tokens": total("output_tokens"),
        **requests,
        "input_cached_tokens": cached,
        "input_uncached_tokens": uncached,
        "input_cache_write_tokens": writes,
        "input_text_tokens": uncached - audio,
        "input_cached_text_tokens": cached - cached_audio,
        "input_audio_tokens": audio,
        "input_cached_audio_tokens": cached_audio,
        "input_image_tokens": 0,
        "input_cached_image_tokens": 0,
        "output_text_tokens": total("output_tokens") - total("output_audio_tokens"),
        "output_audio_tokens": total("output_audio_tokens"),
        "output_image_tokens": 0,
    }


def _unix(text: str | None, name: str) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole_number(text, name))
