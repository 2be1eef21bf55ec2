"""Anthropic's own account of a month: its cost report is the bill, in cents, and its usage report what was counted."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from voicegateway_controller.reconcile.exact import NotExact, pico_usd_of_cents, whole
from voicegateway_controller.reconcile.sources.answers import Answers, Window, bucket_note, midnight
from voicegateway_controller.reconcile.sources.line_words import category_of, service_tier
from voicegateway_controller.reconcile.sources.vendor_api import Params, VendorApi
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement

PROVIDER: Final = "anthropic"
URL: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"
REFUSAL: Final = (
    "its reports need an admin key (sk-ant-admin…), which an admin of the organisation makes at "
    "https://platform.claude.com/settings/admin-keys (accounts of individuals have none); "
    "set it as VOICEGATEWAY_BILLING_ANTHROPIC_KEY"
)
RESTATED_DAYS: Final = 2
"""The vendor says "typically within 5 minutes"; two days are our margin for restatements."""
BUCKETS_MAX: Final = 31
GRAINS: Final = ("day", "account", "credential", "sku", "model", "meter")
NOTE_PRIORITY: Final = "use at the priority tier is counted and never in the cost report: it is paid by commitment"

_TOKEN_METERS: Final = {
    "uncached_input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m_tokens",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h_tokens",
}
_COSTS: Final = ("/v1/organizations/cost_report", ("workspace_id", "description"))
_USAGE: Final = (
    "/v1/organizations/usage_report/messages",
    ("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo"),
)


_Result = tuple[int, datetime, Mapping[str, Any]]
"""A document, when its bucket begins, what it says."""


class AnthropicBilling:
    """Anthropic's organisation, costs and usage; a BillingSource."""

    def __init__(self, key: str, *, url: str = URL, edge_days: int = 0) -> None:
        self._key = key
        self._url = url
        self._edge_days = edge_days

    @property
    def provider(self) -> str:
        """Our id of the vendor."""
        return PROVIDER

    async def fetch(self, month: date, *, now: datetime) -> VendorStatement:
        """Return costs by workspace and description, and usage by key, workspace, model and tier."""
        window = Window(month, edge_days=self._edge_days)
        api = VendorApi(
            PROVIDER,
            url=self._url,
            headers={"x-api-key": self._key, "anthropic-version": VERSION},
            secret=self._key,
            refusal=REFUSAL,
            now=now,
        )
        lines: list[VendorLine] = []
        starts: list[datetime] = []
        async with api:
            read = _Reader(api)
            for document, at, result in await read.results(*_COSTS, window, starts):
                lines.append(read.cost(document, at, result))
            for document, at, result in await read.results(*_USAGE, window, starts):
                lines.extend(read.counts(document, at, result))
        kept = window.kept(lines)
        has_priority = any(line.context.get("service_tier", "").startswith("priority") for line in kept)
        notes = [NOTE_PRIORITY if has_priority else None, bucket_note(starts, window)]
        return VendorStatement(
            provider=PROVIDER,
            month=window.month,
            lines=kept,
            documents=tuple(api.documents),
            settled_until=now.date() - timedelta(days=RESTATED_DAYS),
            grains=GRAINS,
            has_amounts=True,
            notes=tuple(filter(None, notes)),
        )


class _Reader:
    def __init__(self, api: VendorApi) -> None:
        self._api = api
        self._read = Answers(api)

    async def results(
        self, path: str, grouped: tuple[str, ...], window: Window, starts: list[datetime]
    ) -> list[_Result]:
        """All results of a report, each with its document and its bucket's start."""
        params: Params = [
            ("starting_at", f"{midnight(window.start):%Y-%m-%dT%H:%M:%SZ}"),
            ("ending_at", f"{midnight(window.end):%Y-%m-%dT%H:%M:%SZ}"),
            ("bucket_width", "1d"),
            ("limit", str(min(BUCKETS_MAX, window.days))),
            *(("group_by[]", each) for each in grouped),
        ]
        found: list[_Result] = []
        for document, page in await self._api.get_all(path, params):
            for bucket in self._read.items(page, "data"):
                at = self._read.instant(bucket, "starting_at")
                starts.append(at)
                found.extend((document, at, result) for result in self._read.items(bucket, "results"))
        return found

    def cost(self, document: int, at: datetime, result: Mapping[str, Any]) -> VendorLine:
        """A line of the bill."""
        currency = self._read.text(result, "currency").upper()
        if currency not in ("", "USD"):
            raise self._api.unreadable(f"a cost in {currency!r}; only US dollars are known")
        cents = self._read.number(result, "amount")
        token_type = self._read.text(result, "token_type")
        kind = self._read.text(result, "cost_type")
        sku = self._read.text(result, "description") or token_type or kind or "(no description)"
        model = self._read.text(result, "model")
        try:
            amount = None if cents is None else pico_usd_of_cents(cents)
        except NotExact as error:
            raise self._api.unreadable(str(error)) from error
        return VendorLine(
            provider=PROVIDER,
            day=at.date(),
            sku=sku,
            account=self._read.text(result, "workspace_id"),
            model=model,
            meter=_TOKEN_METERS.get(token_type, ""),
            context=self._context(result),
            amount_pico_usd=amount,
            category="usage" if model or kind else category_of(sku),
            document=document,
        )

    def counts(self, document: int, at: datetime, result: Mapping[str, Any]) -> Iterable[VendorLine]:
        """What was counted. Our totals include their parts; the vendor's `uncached_input_tokens` is without them."""
        written = self._read.object(result, "cache_creation")
        try:
            parts = {
                "cache_read_tokens": whole(self._read.number(result, "cache_read_input_tokens") or 0),
                "cache_write_5m_tokens": whole(self._read.number(written, "ephemeral_5m_input_tokens") or 0),
                "cache_write_1h_tokens": whole(self._read.number(written, "ephemeral_1h_input_tokens") or 0),
            }
            uncached = whole(self._read.number(result, "uncached_input_tokens") or 0)
            output = whole(self._read.number(result, "output_tokens") or 0)
        except NotExact as error:
            raise self._api.unreadable(str(error)) from error
        counted = {"input_tokens": uncached + sum(parts.values()), **parts, "output_tokens": output}
        for meter, quantity in counted.items():
            if quantity:
                yield VendorLine(
                    provider=PROVIDER,
                    day=at.date(),
                    sku="",
                    account=self._read.text(result, "workspace_id"),
                    credential=self._read.text(result, "api_key_id"),
                    model=self._read.text(result, "model"),
                    meter=meter,
                    context=self._context(result),
                    quantity=quantity,
                    document=document,
                )

    def _context(self, result: Mapping[str, Any]) -> dict[str, str]:
        told = {name: self._read.text(result, name) for name in ("context_window", "inference_geo")}
        if (speed := self._read.text(result, "speed")) not in ("", "standard"):
            told["speed"] = speed
        return {**service_tier(self._read.text(result, "service_tier")), **{k: v for k, v in told.items() if v}}
