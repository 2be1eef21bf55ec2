"""OpenAI's own account of a month: its costs report is the bill, its usage reports are what was counted."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from voicegateway_controller.reconcile.exact import NotExact, Number, pico_usd, whole
from voicegateway_controller.reconcile.sources.answers import Answers, Window, bucket_note, unix_s
from voicegateway_controller.reconcile.sources.line_words import category_of, service_tier, tokens_of
from voicegateway_controller.reconcile.sources.vendor_api import Params, VendorApi
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement

PROVIDER: Final = "openai"
URL: Final = "https://api.openai.com"
REFUSAL: Final = (
    "its costs need an admin key (sk-admin-…), which an owner of the organisation makes at "
    "https://platform.openai.com/settings/organization/admin-keys; set it as VOICEGATEWAY_BILLING_OPENAI_KEY"
)
RESTATED_DAYS: Final = 3
"""Our assumption: the vendor states no delay; figures of the last days were seen to change."""
COST_BUCKETS_MAX: Final = 180
USAGE_BUCKETS_MAX: Final = 31
GRAINS: Final = ("day", "account", "credential", "sku", "model", "meter")

_UNITS: Final[Mapping[str, tuple[str, int]]] = {
    "tokens": ("", 1),
    "1000_tokens": ("", 1_000),
    "characters": ("characters_sent", 1),
    "duration_seconds": ("audio_sent_ms", 1_000),
    "duration_minutes": ("audio_sent_ms", 60_000),
    "duration_hours": ("audio_sent_ms", 3_600_000),
}
"""A quantity's unit as (the meter when no word says it, how many base units)."""
_USAGE: Final[Mapping[str, tuple[str, ...]]] = {
    "completions": ("project_id", "api_key_id", "model", "batch", "service_tier"),
    "audio_speeches": ("project_id", "api_key_id", "model"),
    "audio_transcriptions": ("project_id", "api_key_id", "model"),
}


_Result = tuple[int, datetime, Mapping[str, Any]]
"""A document, when its bucket begins, what it says."""


class OpenAIBilling:
    """OpenAI's organisation, costs and usage; a BillingSource."""

    def __init__(self, key: str, *, url: str = URL, edge_days: int = 0) -> None:
        self._key = key
        self._url = url
        self._edge_days = edge_days

    @property
    def provider(self) -> str:
        """Our id of the vendor."""
        return PROVIDER

    async def fetch(self, month: date, *, now: datetime) -> VendorStatement:
        """Return costs by line item, project and key, and usage by project, key, model, tier and batch."""
        window = Window(month, edge_days=self._edge_days)
        api = VendorApi(
            PROVIDER,
            url=self._url,
            headers={"Authorization": f"Bearer {self._key}"},
            secret=self._key,
            refusal=REFUSAL,
            now=now,
        )
        async with api:
            report = _Report(api, window)
            await report.read_costs()
            for name, grouped in _USAGE.items():
                await report.read_usage(name, grouped)
        return VendorStatement(
            provider=PROVIDER,
            month=window.month,
            lines=window.kept(report.lines),
            documents=tuple(api.documents),
            settled_until=now.date() - timedelta(days=RESTATED_DAYS),
            grains=GRAINS,
            has_amounts=True,
            notes=tuple(filter(None, [*report.notes, bucket_note(report.starts, window)])),
        )


class _Report:
    """The lines of one fetch, as they come."""

    def __init__(self, api: VendorApi, window: Window) -> None:
        self.lines: list[VendorLine] = []
        self.notes: list[str] = []
        self.starts: list[datetime] = []
        self._api = api
        self._read = Answers(api)
        self._window = window

    async def read_costs(self) -> None:
        for document, at, result in await self._results(
            "/v1/organization/costs", ("line_item", "project_id", "api_key_id"), COST_BUCKETS_MAX
        ):
            self.lines.append(self._cost(document, at, result))

    async def read_usage(self, name: str, grouped: tuple[str, ...]) -> None:
        path = f"/v1/organization/usage/{name}"
        for document, at, result in await self._results(path, grouped, USAGE_BUCKETS_MAX):
            self.lines.extend(self._counts(document, at, result))

    async def _results(self, path: str, grouped: tuple[str, ...], limit: int) -> list[_Result]:
        params: Params = [
            ("start_time", str(unix_s(self._window.start))),
            ("end_time", str(unix_s(self._window.end))),
            ("bucket_width", "1d"),
            ("limit", str(min(limit, self._window.days))),
            *(("group_by[]", each) for each in grouped),
        ]
        found: list[_Result] = []
        for document, page in await self._api.get_all(path, params):
            for bucket in self._read.items(page, "data"):
                at = self._read.instant(bucket, "start_time")
                self.starts.append(at)
                found.extend((document, at, result) for result in self._read.items(bucket, "results"))
        return found

    def _cost(self, document: int, at: datetime, result: Mapping[str, Any]) -> VendorLine:
        amount = self._read.object(result, "amount")
        currency = self._read.text(amount, "currency").lower()
        if currency not in ("", "usd"):
            raise self._api.unreadable(f"a cost in {currency!r}; only US dollars are known")
        value = self._read.number(amount, "value")
        sku = self._read.text(result, "line_item")
        model, meter, context = line_item(sku)
        unit = self._read.text(result, "quantity_unit")
        quantity = self._read.number(result, "quantity")
        unit_meter, factor = _UNITS.get(unit, ("", 0))
        if not model and unit_meter and "," not in sku:
            # A model billed by one unit needs no words behind its name.
            model = sku
        meter = meter or (unit_meter if model else "")
        try:
            return VendorLine(
                provider=PROVIDER,
                day=at.date(),
                sku=sku or "(no line item)",
                account=self._read.text(result, "project_id"),
                credential=self._read.text(result, "api_key_id"),
                model=model,
                meter=meter,
                context=context,
                quantity=whole(quantity, factor=factor) if quantity is not None and factor and meter else None,
                amount_pico_usd=None if value is None else pico_usd(value),
                category="usage" if model else category_of(sku),
                document=document,
            )
        except NotExact as error:
            raise self._api.unreadable(str(error)) from error

    def _counts(self, document: int, at: datetime, result: Mapping[str, Any]) -> Iterable[VendorLine]:
        context = service_tier(self._read.text(result, "service_tier"))
        if result.get("batch") is True:
            context = {"processing": "batch"}
        try:
            counted = {meter: whole(number, factor=factor) for meter, (number, factor) in self._meters(result).items()}
        except NotExact as error:
            raise self._api.unreadable(str(error)) from error
        for meter, quantity in counted.items():
            if quantity:
                yield VendorLine(
                    provider=PROVIDER,
                    day=at.date(),
                    sku="",
                    account=self._read.text(result, "project_id"),
                    credential=self._read.text(result, "api_key_id"),
                    model=self._read.text(result, "model"),
                    meter=meter,
                    context=context,
                    quantity=quantity,
                    requests=quantity if meter == "requests" else None,
                    document=document,
                )

    def _meters(self, result: Mapping[str, Any]) -> dict[str, tuple[Number, int]]:
        """Our meters of one result. Totals include their parts; the vendor tells audio without its cached part."""

        def number(name: str) -> Number:
            return self._read.number(result, name) or 0

        cached_audio = number("input_cached_audio_tokens")
        return {
            "requests": (number("num_model_requests"), 1),
            "input_tokens": (number("input_tokens"), 1),
            "cache_read_tokens": (number("input_cached_tokens"), 1),
            "cache_write_tokens": (number("input_cache_write_tokens"), 1),
            "input_audio_tokens": (Decimal(number("input_audio_tokens")) + cached_audio, 1),
            "cache_read_audio_tokens": (cached_audio, 1),
            "output_tokens": (number("output_tokens"), 1),
            "output_audio_tokens": (number("output_audio_tokens"), 1),
            "characters_sent": (number("characters"), 1),
            "audio_sent_ms": (number("seconds"), 1_000),
        }


def line_item(text: str) -> tuple[str, str, dict[str, str]]:
    """Model, meter and context of a line item such as `gpt-4.1-mini, cached_input_tokens, priority`.

    One without a comma names no model that could be told from a service.
    """
    model, comma, words = text.partition(",")
    if not comma:
        return "", "", {}
    meter, context = tokens_of(words)
    return model.strip(), meter, context
