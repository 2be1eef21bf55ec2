"""The validator: FOCUS 1.2's own list of mandatory columns, and each rule broken once."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from voicegateway_controller.exports.focus.rules import COLUMNS, MANDATORY, SERVICE_SUBCATEGORIES
from voicegateway_controller.exports.focus.validating import validate_file, validate_rows
from voicegateway_shared.errors import ConfigurationError

GOOD: dict[str, str | None] = {
    "BilledCost": "4.8", "BillingAccountId": "a", "BillingAccountName": None, "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z", "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargeCategory": "Usage", "ChargeClass": None, "ChargeDescription": "Audio", "ConsumedQuantity": "60000",
    "ConsumedUnit": "Seconds", "ContractedCost": "4.8", "ContractedUnitPrice": "0.0048", "EffectiveCost": "4.8",
    "ChargeFrequency": "Usage-Based", "ChargePeriodStart": "2026-10-05T00:00:00Z",
    "ChargePeriodEnd": "2026-10-06T00:00:00Z", "InvoiceIssuerName": "Deepgram", "ListCost": "4.8",
    "ListUnitPrice": "48E-4", "PricingCategory": "Standard", "PricingQuantity": "1000", "PricingUnit": "Minutes",
    "ProviderName": "Deepgram", "PublisherName": "Deepgram", "ServiceCategory": "AI and Machine Learning",
    "ServiceName": "Speech", "ServiceSubcategory": "Natural Language Processing", "SkuId": "s", "SkuMeter": "Audio",
    "SkuPriceId": "p", "SkuPriceDetails": '{"x_Mode":"streaming"}', "SubAccountId": None, "SubAccountName": None,
    "Tags": '{"team":"ops","live":true}', "ResourceId": None, "ResourceType": None,
}  # fmt: skip


def _broken(**changes: str | None) -> set[str]:
    row = {**GOOD, **changes}
    return set(validate_rows(list(row), [row]).broken)


def test_the_mandatory_columns_are_the_specification_s_twenty_one() -> None:
    assert sorted(MANDATORY) == [
        "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
        "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
        "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity",
        "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
    ]  # fmt: skip
    # 57 columns in 1.2, and 8 more of 1.3.
    assert [sum(column.version == version for column in COLUMNS) for version in ("1.2", "1.3")] == [57, 8]
    assert (len(SERVICE_SUBCATEGORIES), sum(map(len, SERVICE_SUBCATEGORIES.values()))) == (19, 82)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"BilledCost": None}, "BilledCost: must not be null"),
        ({"BilledCost": "$4.80"}, "BilledCost: must be a plain number, such as -0.0048"),
        ({"BilledCost": "+4.8"}, "BilledCost: must be a plain number, such as -0.0048"),
        ({"BilledCost": "1,000"}, "BilledCost: must be a plain number, such as -0.0048"),
        ({"BilledCost": "35.2E+7"}, "BilledCost: must be a plain number, such as -0.0048"),
        ({"ListUnitPrice": "-1"}, "ListUnitPrice: must not be negative"),
        ({"ChargePeriodStart": "2026-10-05"}, "ChargePeriodStart: must be an instant such as 2026-10-01T00:00:00Z"),
        ({"ChargeCategory": "Refund"}, "ChargeCategory: must be one of Usage, Purchase, Tax, Credit, Adjustment"),
        ({"ChargeClass": "Fix"}, "ChargeClass: must be one of Correction"),
        ({"ServiceName": " "}, "ServiceName: must be null rather than blank"),
        ({"Tags": "team=ops"}, "Tags: must be a JSON object"),
        ({"Tags": '["ops"]'}, "Tags: must be a JSON object"),
        ({"Tags": '{"a":1,"a":2}'}, "Tags: must not name a key twice"),
        ({"Tags": '{"a":{"b":1}}'}, "Tags: must have plain values: no object, no array"),
        ({"SkuPriceDetails": '{"Mode":"streaming"}'}, "SkuPriceDetails' own keys must begin with x_"),
        ({"ServiceSubcategory": "Bots", "ServiceCategory": "Web"}, "ServiceSubcategory must belong to ServiceCategory"),
        ({"BillingCurrency": "usd"}, "BillingCurrency must be a national currency's three letters"),
        ({"PricingUnit": "minutes"}, "PricingUnit must look like Tokens, 1000 Characters or GB-Hours"),
        ({"PricingUnit": None}, "PricingUnit must not be null when PricingQuantity is not"),
        ({"ConsumedUnit": None}, "ConsumedUnit must not be null when ConsumedQuantity is not"),
        ({"ListCost": "4.9"}, "ListCost must be PricingQuantity times ListUnitPrice"),
        ({"ContractedUnitPrice": "0.005"}, "ContractedCost must be PricingQuantity times ContractedUnitPrice"),
        ({"BillingPeriodEnd": "2026-10-01T00:00:00Z"}, "BillingPeriodEnd must be after BillingPeriodStart"),
        ({"SubAccountId": "acme"}, "SubAccountName must not be null when SubAccountId is not"),
        ({"SubAccountName": "acme"}, "SubAccountName must be null when SubAccountId is"),
        ({"ResourceId": "node"}, "ResourceType must not be null when ResourceId is not"),
        ({"SkuPriceId": None, "SkuPriceDetails": None},
         "SkuPriceId must not be null when ChargeCategory is Usage or Purchase and ChargeClass is not Correction"),
    ],
)  # fmt: skip
def test_each_rule_is_held(changes: dict[str, str | None], rule: str) -> None:
    assert _broken() == set()
    assert rule in _broken(**changes)


def test_a_correction_need_not_multiply_and_a_tax_has_no_price() -> None:
    nulls = dict.fromkeys(
        ("ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "PricingUnit", "PricingCategory", "SkuId",
         "SkuMeter", "SkuPriceId", "SkuPriceDetails", "ConsumedQuantity", "ConsumedUnit")
    )  # fmt: skip

    assert _broken(ListCost="4.9", ChargeClass="Correction") == set()
    assert _broken(ChargeCategory="Tax", **nulls) == set()
    assert len(_broken(ChargeCategory="Tax")) == 7


def test_columns_that_are_missing_strange_or_doubled_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("BilledCost,x_Mine,Cost,BilledCost\r\n1,2,3\r\n1,2,3,4\r\n")

    found = validate_file(path)

    assert found.rows == 2
    assert found.broken["PricingUnit: the column must be present"] == 1
    assert found.broken["BilledCost: the column is there 2 times"] == 1
    assert found.broken["Cost: no column of FOCUS 1.2 or 1.3; its own columns must begin with x_"] == 1
    assert found.broken["columns of its own should stand behind all of FOCUS's"] == 1
    assert found.examples["a row has more or fewer values than the header"] == [1]


@pytest.mark.parametrize("data", [b"\x1f\x8bnot gzip", gzip.compress(b"a,b\r\n", mtime=0)[:-9], b'"a', b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_said_so(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(data)

    with pytest.raises(ConfigurationError, match="cannot be read"):
        validate_file(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        validate_file(tmp_path / "none.csv")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "focus.parquet"
    path.write_bytes(b"PAR1")
    missing: Any = None
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", missing)

    with pytest.raises(ConfigurationError, match=r"voicegateway\[parquet\]"):
        validate_file(path)
