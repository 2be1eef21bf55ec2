"""Rows of FOCUS: the specification's own sample of cached tokens, line by line, and the oddities of prices."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from voicegateway_controller.exports.focus.conditions import broken
from voicegateway_controller.exports.focus.decimals import text_of
from voicegateway_controller.exports.focus.row import Account, FocusRows, Row, columns_of
from voicegateway_controller.exports.focus.validating import validate_rows
from voicegateway_controller.exports.lines import Line
from voicegateway_shared.pricing import Catalog

ACME = Account(id="acme-corp", name="Acme Corp")
# The specification's appendix on prompt caching, scenario A: 0.5 M input at $3, 2 M cache writes at $3.75, 8 M cache
# reads at $0.30 and 1.5 M output at $15 a million.
SAMPLE = """
provider: solora
recorded_at: 2026-10-01T00:00:00Z
sources: {page: {url: "https://solora.example/pricing", read_on: 2026-10-01}}
models:
  - model: solora-1
    modality: llm
    source: page
    confidence: published
    per: 1_000_000 tokens
    prices:
      - {meter: input_tokens, amount: "3.00", minus: [cache_read_tokens, cache_write_tokens]}
      - {meter: cache_write_tokens, amount: "3.75"}
      - {meter: cache_read_tokens, amount: "0.30"}
      - {meter: output_tokens, amount: "15.00"}
"""
CATALOG = Catalog.from_texts({"solora.yaml": SAMPLE})
USAGE = {
    "input_tokens": (10_500_000, 500_000, "1.5"),
    "cache_write_tokens": (2_000_000, 2_000_000, "7.5"),
    "cache_read_tokens": (8_000_000, 8_000_000, "2.4"),
    "output_tokens": (1_500_000, 1_500_000, "22.5"),
}


def _line(meter: str, quantity: int, billed: int, usd: str, price_id: str = "", **changes: object) -> Line:
    pico = int(Decimal(usd) * 10**12)
    made = Line(
        datetime(2026, 10, 5, tzinfo=UTC), "research", "writer", "solora", "solora-1", "llm", meter, "usage", price_id,
        "", "k-1", "", None, quantity, billed, pico, pico, 1, 0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def _row(line: Line) -> Row:
    return FocusRows(grain="day", account=ACME, find_price=CATALOG.price).row(line)


def test_the_specification_s_sample_of_cached_tokens_costs_33_90() -> None:
    prices = {price.meter: price for price in CATALOG.prices}
    rows = [_row(_line(meter, *facts, prices[meter].price_id)) for meter, facts in USAGE.items()]

    shown = ("SkuMeter", "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit", "ListUnitPrice",
             "ContractedUnitPrice", "BilledCost", "SkuPriceDetails")  # fmt: skip
    assert [tuple(row[name] for name in shown) for row in rows] == [
        ("Input Tokens", "10500000", "Tokens", "0.5", "1000000 Tokens", "3", "3", "1.5", '{"x_TokenType":"Input"}'),
        ("Cache Write Input Tokens", "2000000", "Tokens", "2", "1000000 Tokens", "3.75", "3.75", "7.5",
         '{"x_TokenType":"CacheWrite"}'),
        ("Cache Read Input Tokens", "8000000", "Tokens", "8", "1000000 Tokens", "0.3", "0.3", "2.4",
         '{"x_TokenType":"CacheRead"}'),
        ("Output Tokens", "1500000", "Tokens", "1.5", "1000000 Tokens", "15", "15", "22.5",
         '{"x_TokenType":"Output"}'),
    ]  # fmt: skip
    for cost in ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"):
        assert sum(Decimal(row[cost] or "") for row in rows) == Decimal("33.90")
    assert len({row["SkuId"] for row in rows}) == len({row["SkuPriceId"] for row in rows}) == 4
    assert validate_rows(columns_of("day"), rows).broken == {}


def test_one_row_whole() -> None:
    price = next(price for price in CATALOG.prices if price.meter == "cache_read_tokens")

    row = _row(_line("cache_read_tokens", 8_000_000, 8_000_000, "2.4", price.price_id))

    assert {name: value for name, value in row.items() if value is not None} == {
        "BilledCost": "2.4", "EffectiveCost": "2.4", "ContractedCost": "2.4", "ListCost": "2.4",
        "BillingCurrency": "USD", "BillingAccountId": "acme-corp", "BillingAccountName": "Acme Corp",
        "BillingAccountType": "Organization", "BillingPeriodStart": "2026-10-01T00:00:00Z",
        "BillingPeriodEnd": "2026-11-01T00:00:00Z", "ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based",
        "ChargeDescription": "Cache Read Input Tokens: solora solora-1", "ChargePeriodStart": "2026-10-05T00:00:00Z",
        "ChargePeriodEnd": "2026-10-06T00:00:00Z", "ConsumedQuantity": "8000000", "ConsumedUnit": "Tokens",
        "PricingQuantity": "8", "PricingUnit": "1000000 Tokens", "PricingCategory": "Standard",
        "PricingCurrency": "USD", "ListUnitPrice": "0.3", "ContractedUnitPrice": "0.3",
        "PricingCurrencyListUnitPrice": "0.3", "PricingCurrencyContractedUnitPrice": "0.3",
        "PricingCurrencyEffectiveCost": "2.4", "InvoiceIssuerName": "solora", "ProviderName": "solora",
        "ServiceProviderName": "solora", "HostProviderName": "solora", "PublisherName": "solora",
        "ServiceName": "solora Language Models", "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI", "SkuId": "solora/solora-1/cache_read_tokens",
        "SkuMeter": "Cache Read Input Tokens", "SkuPriceId": price.price_id,
        "SkuPriceDetails": '{"x_TokenType":"CacheRead"}', "SubAccountId": "research", "SubAccountName": "research",
        "SubAccountType": "Project", "Tags": '{"agent":"writer"}', "x_Kind": "usage", "x_Meter": "cache_read_tokens",
        "x_Modality": "llm", "x_Quantity": "8000000", "x_BilledQuantity": "8000000", "x_ListAmount": "2.4",
        "x_Entries": "1", "x_EstimatedEntries": "0", "x_CredentialId": "k-1",
    }  # fmt: skip
    assert set(row) == set(columns_of("day"))


def test_what_livekit_resells_names_its_maker() -> None:
    row = _row(_line("audio_sent_ms", 60_000, 60_000, "0.0048", provider="livekit", model="deepgram/nova-3"))

    names = ("ServiceProviderName", "HostProviderName", "InvoiceIssuerName", "PublisherName")
    assert [row[name] for name in names] == ["LiveKit", "LiveKit", "LiveKit", "Deepgram"]


@pytest.mark.parametrize(
    "changes",
    [
        {"pico_usd": 7_000_000_000_001, "list_pico_usd": 9_000_000_000_000},
        {"price_id": "vanished@12345678"},
        {"price_id": "", "unrated_reason": "unknown_model", "billed": 0, "pico_usd": 0, "list_pico_usd": 0},
        {"kind": "rerate", "quantity": 0, "billed": 0, "pico_usd": -5},
        {"kind": "rerate", "booked_in": date(2026, 11, 1), "billed": -3, "quantity": -3, "pico_usd": -5},
        {"booked_in": date(2026, 11, 1)},
        {"kind": "credit", "meter": "allowance", "quantity": 0, "billed": 0, "pico_usd": -5, "list_pico_usd": 0},
        {"kind": "tax", "meter": "tax", "provider": "", "model": "", "modality": "", "quantity": 0, "billed": 0},
        {"kind": "purchase", "meter": "subscription", "pico_usd": -5, "list_pico_usd": -5, "quantity": 0, "billed": 0},
        {"meter": "requests", "quantity": 1, "billed": 0, "pico_usd": 0, "list_pico_usd": 0, "price_id": ""},
        {"project": "", "agent": ""},
        {"entries": 1_000, "pico_usd": 2_400_000_000_499},
    ],
)
def test_whatever_the_books_hold_keeps_the_rules(changes: dict[str, object]) -> None:
    price = next(price for price in CATALOG.prices if price.meter == "cache_read_tokens")
    line = _line("cache_read_tokens", 8_000_000, 8_000_000, "2.4", price.price_id)

    row = _row(msgspec.structs.replace(line, **changes))

    assert broken(row) == []
    assert validate_rows(columns_of("day"), [row]).broken == {}
    assert Fraction(row["BilledCost"] or "") * 10**12 == changes.get("pico_usd", 2_400_000_000_000)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 3), "0.333333333333333333"),
        (Fraction(-1, 10**18), "-0.000000000000000001"),
        (Fraction(-1, 10**19), "0"),
        (Fraction(10**20), "100000000000000000000"),
        (Fraction(1500, 1000), "1.5"),
        (Fraction(0), "0"),
    ],
)
def test_numbers_are_plain_decimals(value: Fraction, text: str) -> None:
    assert text_of(value) == text
