"""A line of the books as a row of FOCUS: pure, and every amount exact to the last digit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.exports.focus import names
from voicegateway_controller.exports.focus.kept import kept_price
from voicegateway_controller.exports.focus.pricing import Terms, details, sku_of, terms_of
from voicegateway_controller.exports.lines import Grain, Line
from voicegateway_controller.months import midnight, next_month
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing.price import Price

FindPrice = Callable[[str], Price | None]
Row = dict[str, str | None]
COLUMNS: Final = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodStart", "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
    "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ResourceId",
    "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter",
    "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
    # 1.3
    "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "HostProviderName", "ServiceProviderName",
    # ours, at every grain
    "x_Kind", "x_Meter", "x_Modality", "x_Quantity", "x_BilledQuantity", "x_ListAmount", "x_Entries",
    "x_EstimatedEntries", "x_UnratedReason", "x_CredentialId", "x_CorrectionId",
)  # fmt: skip
ENTRY_COLUMNS: Final = ("x_RequestId", "x_SessionId", "x_Revision", "x_ResponseId", "x_ChargedAt", "x_RecordedAt")
"""What only single entries have."""
ALLOCATION: Final = "busy-slot-seconds"
"""How a node's price is split: by the time its slots were busy."""
SHARED_MAX: Final = 20_000
"""Kinds of lines that are remembered; a month has some thousands."""
_CATEGORY: Final = {
    "usage": "Usage", "rerate": "Usage", "credit": "Credit", "adjustment": "Adjustment", "purchase": "Purchase",
    "tax": "Tax",
}  # fmt: skip
_SECOND: Final = timedelta(seconds=1)
_WIDTH: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who exports: the name that stands on its bills, and behind the nodes of its own."""

    id: str
    name: str


def columns_of(grain: Grain) -> tuple[str, ...]:
    """Return the columns of a file, in their order."""
    return (*COLUMNS, *ENTRY_COLUMNS) if grain == "entry" else COLUMNS


class FocusRows:
    """Makes the rows of one file; what many lines share is made once. Lives as long as its export."""

    def __init__(self, *, grain: Grain, account: Account, find_price: FindPrice) -> None:
        self._grain: Grain = grain
        self._account = account
        self._find_price = find_price
        self._prices: dict[str, Price | None] = {}
        self._shared: dict[tuple[object, ...], tuple[Row, Terms | None]] = {}

    async def learn(self, connection: Connection, line: Line) -> None:
        """Look up the price of a line if the catalogue has it no more; once for each price."""
        price_id = line.price_id
        if price_id and price_id not in self._prices:
            self._prices[price_id] = self._find_price(price_id) or await kept_price(connection, price_id)

    def row(self, line: Line) -> Row:
        """Return the row of one line, whose price was learnt."""
        key = (
            line.project, line.agent, line.provider, line.model, line.modality, line.meter, line.kind, line.price_id,
            line.unrated_reason, line.key_id, line.correction_id, line.booked_in,
        )  # fmt: skip
        held = self._shared.get(key)
        if held is None:
            if len(self._shared) >= SHARED_MAX:
                self._shared.clear()
            held = self._shared[key] = self._made(line)
        shared, terms = held
        row = {**shared, **_money(line), **_periods(line, self._grain), **_counts(line)}
        if terms is not None:
            row.update(terms.columns(line))
        elif row["ChargeCategory"] == "Purchase":
            row.update(_bought(line))
        else:
            row["PricingCurrencyEffectiveCost"] = row["BilledCost"]
        if self._grain == "entry":
            row.update(_single(line))
        return row

    def _made(self, line: Line) -> tuple[Row, Terms | None]:
        category = category_of(line)
        price = self._prices.get(line.price_id) or self._find_price(line.price_id)
        shared: Row = dict.fromkeys(columns_of(self._grain))
        shared |= {"BillingCurrency": "USD", "PricingCurrency": "USD"}
        shared |= {**_charge(line, category), **_account(line, self._account), **_parties(line, self._account)}
        shared |= _own(line)
        if category in ("Usage", "Purchase"):
            shared |= _sku(line, price)
        return shared, terms_of(line.meter, price) if category == "Usage" else None


def category_of(line: Line) -> str:
    """Return a line's ChargeCategory.

    A re-rating in a period that is still open is no correction to FOCUS, and has no quantity that times a price
    would give it: an adjustment.
    """
    if line.kind == "rerate" and line.booked_in is None:
        return "Adjustment"
    return _CATEGORY.get(line.kind, "Adjustment")


def _money(line: Line) -> Row:
    amount = format_usd(line.pico_usd)
    is_priced = category_of(line) == "Usage"
    return {
        "BilledCost": amount,
        "EffectiveCost": amount,
        "ContractedCost": amount,
        # Without a list price the list cost is what was billed; the ledger's own figure stands in x_ListAmount.
        "ListCost": format_usd(line.list_pico_usd) if is_priced else amount,
        "x_ListAmount": format_usd(line.list_pico_usd),
    }


def _periods(line: Line, grain: Grain) -> Row:
    start = line.at.astimezone(UTC).replace(microsecond=0)
    month = line.booked_in or date(start.year, start.month, 1)
    return {
        "BillingPeriodStart": _instant(midnight(month)),
        "BillingPeriodEnd": _instant(midnight(next_month(month))),
        "ChargePeriodStart": _instant(start),
        "ChargePeriodEnd": _instant(start + _WIDTH.get(grain, _SECOND)),
    }


def _charge(line: Line, category: str) -> Row:
    frequency = "Usage-Based" if category == "Usage" else "One-Time"
    if category == "Purchase" and line.meter == "subscription":
        frequency = "Recurring"
    return {
        "ChargeCategory": category,
        "ChargeClass": None if line.booked_in is None else "Correction",
        "ChargeFrequency": frequency,
        "ChargeDescription": _description(line),
    }


def _description(line: Line) -> str:
    what = " ".join(part for part in (names.vendor(line.provider), line.model) if part)
    text = f"{names.sku_meter(line.meter)}: {what}" if what else names.sku_meter(line.meter)
    if line.kind != "usage":
        text += f" ({line.kind})"
    return f"{text}; not priced: {line.unrated_reason}" if line.unrated_reason else text


def _account(line: Line, account: Account) -> Row:
    tags = {"agent": line.agent} if line.agent else {}
    return {
        "BillingAccountId": account.id,
        "BillingAccountName": account.name,
        "BillingAccountType": "Organization",
        "SubAccountId": line.project or None,
        "SubAccountName": line.project or None,
        "SubAccountType": "Project" if line.project else None,
        "Tags": json.dumps(tags, separators=(",", ":")) if tags else None,
    }


def _parties(line: Line, account: Account) -> Row:
    is_local = line.meter == names.LOCAL_METER
    provider = account.name if is_local else names.vendor(line.provider) or account.name
    service, category, subcategory = names.service(line.provider, line.modality)
    consumer = "/".join(part for part in (line.project, line.agent) if part)
    return {
        "ProviderName": provider,
        "ServiceProviderName": provider,
        "HostProviderName": provider,
        "InvoiceIssuerName": provider,
        "PublisherName": names.publisher(line.provider, line.model) or account.name,
        "ServiceName": service.strip(),
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
        "ResourceId": f"node/{line.provider}" if is_local else None,
        "ResourceName": None,
        "ResourceType": "Inference Node" if is_local else None,
        "AllocatedMethodId": ALLOCATION if is_local else None,
        "AllocatedResourceId": consumer or None if is_local else None,
        "AllocatedResourceName": line.agent or None if is_local else None,
    }


def _bought(line: Line) -> Row:
    """A purchase is one of a thing at its price; what takes one back is minus one of it."""
    price = format_usd(abs(line.pico_usd))
    return {
        "PricingQuantity": "-1" if line.pico_usd < 0 else "1",
        "PricingUnit": "Units",
        "PricingCategory": "Standard",
        "ListUnitPrice": price,
        "ContractedUnitPrice": price,
        "PricingCurrencyListUnitPrice": price,
        "PricingCurrencyContractedUnitPrice": price,
        "PricingCurrencyEffectiveCost": format_usd(line.pico_usd),
    }


def _sku(line: Line, price: Price | None) -> Row:
    sku, price_id = sku_of(line)
    return {
        "SkuId": sku,
        "SkuMeter": names.sku_meter(line.meter),
        "SkuPriceId": price_id,
        "SkuPriceDetails": details(line, price),
    }


def _own(line: Line) -> Row:
    return {
        "x_Kind": line.kind,
        "x_Meter": line.meter,
        "x_Modality": line.modality or None,
        "x_UnratedReason": line.unrated_reason or None,
        "x_CredentialId": line.key_id or None,
        "x_CorrectionId": line.correction_id or None,
    }


def _counts(line: Line) -> Row:
    return {
        "x_Quantity": str(line.quantity),
        "x_BilledQuantity": str(line.billed),
        "x_Entries": str(line.entries),
        "x_EstimatedEntries": str(line.estimated),
    }


def _single(line: Line) -> Row:
    return {
        "x_RequestId": line.request_id,
        "x_SessionId": line.session_id or None,
        "x_Revision": str(line.revision),
        "x_ResponseId": line.response_id or None,
        "x_ChargedAt": _instant(line.at, "microseconds"),
        "x_RecordedAt": None if line.recorded_at is None else _instant(line.recorded_at, "microseconds"),
    }


def _instant(at: datetime, precision: str = "seconds") -> str:
    return at.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
