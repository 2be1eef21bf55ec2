"""Deepgram's billing API: projects, `billing/{breakdown,fields,balances}`, `usage/breakdown`.

Shapes are those of Deepgram's SDK 7.17.0 and of developers.deepgram.com/reference/manage. `streaming::nova-3` is the
one line item that is public; the others here continue it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from aiohttp import web
from msgspec.structs import replace

from voicegateway.testing.vendors.billing.buckets import grouped
from voicegateway.testing.vendors.billing.charges import Charge
from voicegateway.testing.vendors.billing.server import BadQuery, BillingServer, known, many
from voicegateway.testing.vendors.credentials import credential
from voicegateway_shared.money import PICO_PER_USD

PROJECT_ID: Final = "5c1d0000-0000-4000-8000-000000000001"
_MS_PER_HOUR: Final = 3_600_000
_ADD_ONS: Final = {"diarize_ms": "::diarize", "keyterm_ms": "::keyterm"}
_BILLING_DIMENSIONS: Final = ("accessor", "deployment", "line_item", "tags")
_USAGE_DIMENSIONS: Final = ("accessor", "endpoint", "feature_set", "models", "method", "tags", "deployment")
_LABELS: Final = {"streaming::nova-3": "Nova - 3 (Stream)"}


class DeepgramBilling(BillingServer):
    """Deepgram's books over HTTP. Takes `Authorization: Token …` of an owner or admin."""

    vendor: ClassVar[str] = "deepgram"

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what an owner's key may read."""
        project = "/v1/projects/{project_id}"
        return [
            web.get("/v1/projects", self._projects),
            web.get(f"{project}/billing/breakdown", self._breakdown),
            web.get(f"{project}/billing/fields", self._fields),
            web.get(f"{project}/billing/balances", self._balances),
            web.get(f"{project}/balances", self._balances),
            web.get(f"{project}/usage/breakdown", self._usage),
        ]

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        """Return Deepgram's error."""
        codes = {401: "INVALID_AUTH", 403: "INSUFFICIENT_PERMISSIONS", 404: "PROJECT_NOT_FOUND",
                 429: "TOO_MANY_REQUESTS", 500: "INTERNAL_SERVER_ERROR"}  # fmt: skip
        request_id = f"simulated-{self.requests}"
        return {"err_code": codes.get(status, "Bad Request"), "err_msg": message, "request_id": request_id}

    async def _projects(self, request: web.Request) -> web.Response:
        return self.answer({"projects": [{"project_id": PROJECT_ID, "name": "Simulated project"}]})

    async def _breakdown(self, request: web.Request) -> web.Response:
        if request.match_info["project_id"] != PROJECT_ID:
            return self.error(404, "no such project")
        dimensions = known(many(request.query, "grouping"), _BILLING_DIMENSIONS, "grouping")
        start, end, charges = self._asked(request, is_by_line=True)
        results: list[dict[str, Any]] = []
        for (day, values, _), group in _by_day(charges, dimensions, _billing_values).items():
            grouping = {"start": day, "end": day, **_open(values, dimensions)}
            dollars = self.books.dollars([charge.pico_usd for charge in group])
            results.append({"grouping": grouping} if self.books.traps.missing_dollars else
                           {"dollars": dollars, "grouping": grouping})  # fmt: skip
        return self.answer(_answer(start, end, results))

    async def _fields(self, request: web.Request) -> web.Response:
        if request.match_info["project_id"] != PROJECT_ID:
            return self.error(404, "no such project")
        _, _, charges = self._asked(request, is_by_line=True, needs_dates=False)
        items = sorted({line_item(charge) for charge in charges})
        return self.answer(
            {
                "accessors": sorted({credential("deepgram", charge.key) for charge in charges if charge.key}),
                "deployments": ["hosted"] if charges else [],
                "tags": sorted({tag for charge in charges for tag in charge.tags}),
                "line_items": {item: _LABELS.get(item, item.replace("::", " ").title()) for item in items},
            }
        )

    async def _balances(self, request: web.Request) -> web.Response:
        if request.match_info["project_id"] != PROJECT_ID:
            return self.error(404, "no such project")
        left = 200 * PICO_PER_USD - sum(charge.pico_usd for charge in self.books.shown("balances"))
        balance = {"balance_id": "5c1d0000-0000-4000-8000-0000000000ba", "amount": left / PICO_PER_USD, "units": "usd"}
        return self.answer({"balances": [{**balance, "purchase_order_id": "simulated-order"}]})

    async def _usage(self, request: web.Request) -> web.Response:
        if request.match_info["project_id"] != PROJECT_ID:
            return self.error(404, "no such project")
        dimensions = known(many(request.query, "grouping"), _USAGE_DIMENSIONS, "grouping")
        start, end, charges = self._asked(request)
        used = [charge for charge in charges if charge.category == "usage" and charge.sku == "" and charge.copy == 0]
        results = [
            {**_counts(group), "grouping": {"start": day, "end": day, **_open(values, dimensions, _USAGE_DIMENSIONS)}}
            for (day, values, _), group in _by_day(used, dimensions, _usage_values).items()
        ]
        return self.answer(_answer(start, end, results))

    def _asked(
        self, request: web.Request, *, is_by_line: bool = False, needs_dates: bool = True
    ) -> tuple[date, date, list[Charge]]:
        """Return the dates of the query and what it is about."""
        query = request.query
        today = self.books.now().date()
        start = _date(query.get("start"), "start") if needs_dates or "start" in query else date(2000, 1, 1)
        end = _date(query["end"], "end") if "end" in query else today + timedelta(days=1)
        if start > end:
            raise BadQuery("start must not be after end")
        until = end + timedelta(days=1) if self.books.traps.is_end_inclusive else end
        begin = datetime.combine(start, time(), UTC)
        finish = datetime.combine(until, time(), UTC)
        filters = {
            name: many(query, parameter)
            for parameter, name in (("accessor", "accessor"), ("deployment", "deployment"), ("line_item", "line_item"))
            if many(query, parameter)
        }
        wanted_tags = set(many(query, "tag"))
        asks = f"{request.path}?{sorted(query.items())}"
        shown = self.books.shown(asks)
        if is_by_line:
            shown = [line for charge in shown for line in _by_line(charge)]
        return (
            start,
            end,
            [
                charge
                for charge in shown
                if begin <= charge.at < finish
                and all(_billing_values(charge)[name] in values for name, values in filters.items())
                and (not wanted_tags or wanted_tags & set(charge.tags))
            ],
        )


def line_item(charge: Charge) -> str:
    """Return how Deepgram's billing spells a charge: `streaming::nova-3`."""
    if charge.sku:
        return charge.sku
    if charge.modality == "tts":
        return f"speak::{_base_voice(charge.model)}"
    model = charge.model
    if charge.context.get("language") == "multi" and model.startswith("nova-3"):
        model = f"{model}-multi"
    return f"{_method(charge)}::{model}"


def _by_line(charge: Charge) -> list[Charge]:
    """Return the charge's lines, each spelled: an add-on is a line of its own."""
    item = line_item(charge)
    return [replace(charge, sku=item + _ADD_ONS.get(meter.meter, ""), meters=(meter,)) for meter in charge.meters]


def _base_voice(model: str) -> str:
    if model.startswith("aura-2"):
        return "aura-2"
    return "aura-1" if model.startswith("aura-") else model


def _method(charge: Charge) -> str:
    return "batch" if charge.context.get("mode") == "batch" else "streaming"


def _billing_values(charge: Charge) -> dict[str, Any]:
    return {
        "accessor": credential("deepgram", charge.key) or None,
        "deployment": "hosted",
        "line_item": line_item(charge),
        "tags": charge.tags,
    }


def _usage_values(charge: Charge) -> dict[str, Any]:
    is_speech = charge.modality == "tts"
    return {
        "accessor": credential("deepgram", charge.key) or None,
        "endpoint": "speak" if is_speech else "listen",
        "feature_set": "",
        "models": (charge.model,),
        "method": "sync" if _method(charge) == "batch" or is_speech else "streaming",
        "tags": charge.tags,
        "deployment": "hosted",
    }


def _by_day(
    charges: Sequence[Charge], dimensions: Sequence[str], values_of: Any
) -> Mapping[tuple[str, tuple[Any, ...], int], list[Charge]]:
    def key(charge: Charge) -> tuple[str, tuple[Any, ...], int]:
        values = values_of(charge)
        return charge.at.date().isoformat(), tuple(values[name] for name in dimensions), charge.copy

    return grouped(charges, key)


def _open(
    values: Sequence[Any], dimensions: Sequence[str], names: Sequence[str] = _BILLING_DIMENSIONS
) -> dict[str, Any]:
    """Return all dimensions, null where they were not asked for; tags and models are lists."""
    given = dict(zip(dimensions, values, strict=True))
    return {name: list(given[name]) if isinstance(given.get(name), tuple) else given.get(name) for name in names}


def _counts(charges: Sequence[Charge]) -> dict[str, Any]:
    hours = sum(charge.usage.get("audio_sent_ms", 0) for charge in charges) / _MS_PER_HOUR
    return {
        "hours": hours,
        "total_hours": hours,
        "agent_hours": 0.0,
        "tokens_in": 0,
        "tokens_out": 0,
        "tts_characters": sum(charge.usage.get("characters_sent", 0) for charge in charges),
        "requests": len(charges),
    }


def _answer(start: date, end: date, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "start": start.isoformat(),
        "end": end.isoformat(),
        "resolution": {"units": "day", "amount": 1},
        "results": results,
    }


def _date(text: str | None, name: str) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError as error:
        raise BadQuery(f"{name} must be a date, YYYY-MM-DD") from error
