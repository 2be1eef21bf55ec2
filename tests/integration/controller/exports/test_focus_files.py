"""FOCUS files of a month: whatever the grain and the format, they add up to the books, and keep FOCUS's rules."""

import csv
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.fixtures.exporting import Booked, book_entries

from voicegateway_controller.access import Role
from voicegateway_controller.exports.focus.rules import MANDATORY
from voicegateway_controller.exports.focus.validating import validate_file

pytestmark = pytest.mark.usefixtures("books")
OCTOBER = """
SELECT sum(amount_usd), sum(list_amount_usd), sum(quantity), sum(billed_quantity), count(*) FROM ledger_entry
WHERE booked_in = '2026-10-01' OR (booked_in IS NULL AND charged_at >= '2026-10-01' AND charged_at < '2026-11-01')
"""
GRAINS = ["entry", "hour", "day"]


async def _file(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> bytes:
    response = await api.get("/api/v1/exports/focus", params={"month": "2026-10", **query}, headers=headers)
    assert response.status_code == 200, response.text
    return response.content


async def _rows(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await _file(api, headers, **query)).decode(), newline="")))


def _sum(rows: list[dict[str, str]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


@pytest.mark.parametrize("grain", GRAINS)
async def test_every_grain_adds_up_to_the_books_and_keeps_the_rules(
    grain: str, api: httpx.AsyncClient, viewer: dict[str, str], db: Any, tmp_path: Path
) -> None:
    data = await _file(api, viewer, grain=grain)
    path = tmp_path / "focus.csv"
    path.write_bytes(data)
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    amount, listed, quantity, billed, entries = await db.fetchrow(OCTOBER)

    assert [_sum(rows, name) for name in ("BilledCost", "EffectiveCost", "ContractedCost")] == [amount] * 3
    assert _sum(rows, "x_ListAmount") == listed
    assert (_sum(rows, "x_Quantity"), _sum(rows, "x_BilledQuantity")) == (quantity, billed)
    assert _sum(rows, "x_Entries") == entries
    assert validate_file(path).broken == {}
    assert data.count(b"\r\n") == len(rows) + 1
    assert set(MANDATORY) <= set(rows[0])


async def test_a_closed_month_s_corrections_stand_in_the_month_that_took_them(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    october = await _rows(api, viewer)
    september = await _rows(api, viewer, month="2026-09")

    corrections = [row for row in october if row["ChargeClass"]]
    shown = ("BilledCost", "ChargeCategory", "ChargeClass", "BillingPeriodStart", "BillingPeriodEnd",
             "ChargePeriodStart", "ChargePeriodEnd", "x_Kind")  # fmt: skip
    assert [[row[name] for name in shown] for row in corrections] == [
        ["0.800000000001", "Usage", "Correction", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
         "2026-09-20T00:00:00Z", "2026-09-21T00:00:00Z", "rerate"]
    ]  # fmt: skip
    assert [row["BilledCost"] for row in september] == ["0.0048"]
    kinds = {row["x_Kind"]: row["ChargeCategory"] for row in october if not row["ChargeClass"]}
    assert kinds == {
        "usage": "Usage", "rerate": "Adjustment", "credit": "Credit", "purchase": "Purchase", "tax": "Tax",
        "adjustment": "Adjustment",
    }  # fmt: skip


async def test_what_each_row_says(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    rows = await _rows(api, viewer, grain="entry")
    by = {(row["x_Kind"], row["SkuId"] or row["x_Meter"]): row for row in rows}

    groq = next(row for row in rows if row["ProviderName"] == "Groq")
    assert [groq[name] for name in ("ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit")] == [
        "3.2", "Seconds", "0.002777777777777778", "Hours",
    ]  # fmt: skip
    assert (groq["BilledCost"], groq["ListUnitPrice"], groq["x_BilledQuantity"]) == ("0.000111111111", "0.04", "10000")
    cartesia = next(row for row in rows if row["ProviderName"] == "Cartesia" and row["x_Kind"] == "usage")
    names = (
        "PricingCurrency",
        "PricingCurrencyListUnitPrice",
        "PricingCurrencyEffectiveCost",
        "ListUnitPrice",
        "BilledCost",
    )
    assert [cartesia[name] for name in names] == ["Credits", "1", "1001", "0.000037375", "0.037412375"]
    node = next(row for row in rows if row["x_Meter"] == "node_busy_ms")
    names = ("ServiceProviderName", "HostProviderName", "ResourceId", "AllocatedMethodId", "AllocatedResourceId")
    assert [node[name] for name in names] == [
        "VoiceGateway", "VoiceGateway", "node/whisper", "busy-slot-seconds", "acme/receptionist",
    ]  # fmt: skip
    unpriced = by["usage", "openai/gpt-99/input_tokens"]
    assert (unpriced["BilledCost"], unpriced["x_UnratedReason"]) == ("0", "unknown_model")
    # FOCUS files are for programs: names stand in them as they are.
    assert unpriced["Tags"] == '{"agent":"=cmd|\'/c calc\'!A1"}'
    bought = by["purchase", "cartesia/subscription"]
    names = ("PricingQuantity", "ListUnitPrice", "ChargeFrequency", "SubAccountId", "BilledCost")
    assert [bought[name] for name in names] == ["1", "299", "Recurring", "_shared", "299"]
    single = next(row for row in rows if row["x_SessionId"] == "AJ_1")
    assert (single["x_ChargedAt"], single["ChargePeriodStart"]) == (
        "2026-10-05T12:30:15.250000Z",
        "2026-10-05T12:30:15Z",
    )


async def test_parquet_and_gzip_hold_what_csv_holds(
    api: httpx.AsyncClient, viewer: dict[str, str], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = await _rows(api, viewer, grain="entry")
    (tmp_path / "focus.parquet").write_bytes(await _file(api, viewer, grain="entry", format="parquet"))
    table = parquet.read_table(tmp_path / "focus.parquet")
    zipped = await _file(api, viewer, grain="entry", format="csv.gz")
    (tmp_path / "focus.csv.gz").write_bytes(zipped)

    assert gzip.decompress(zipped) == await _file(api, viewer, grain="entry")
    assert table.num_rows == len(rows)
    assert str(table.schema.field("BilledCost").type) == "decimal128(38, 12)"
    assert str(table.schema.field("ChargePeriodStart").type) == "timestamp[us, tz=UTC]"
    assert sum(table["BilledCost"].to_pylist()) == _sum(rows, "BilledCost")
    for name in ("focus.parquet", "focus.csv.gz"):
        found = validate_file(tmp_path / name)
        assert (found.rows, found.broken) == (len(rows), {})


async def test_a_token_exports_its_own_projects_only(api: httpx.AsyncClient, make_token: Any) -> None:
    beta = await make_token(Role.VIEWER, projects=["beta"])

    rows = await _rows(api, beta)
    refused = await api.get("/api/v1/exports/focus", params={"month": "2026-10", "project": "acme"}, headers=beta)

    assert {row["SubAccountId"] for row in rows} == {"beta"}
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [({"month": "2026-13"}, 400), ({"month": "October"}, 400), ({}, 422), ({"month": "2026-10", "format": "xls"}, 422)],
)
async def test_what_cannot_be_exported_is_refused(
    query: dict[str, str], status: int, api: httpx.AsyncClient, viewer: dict[str, str], worker: dict[str, str]
) -> None:
    assert (await api.get("/api/v1/exports/focus", params=query, headers=viewer)).status_code == status
    assert (await api.get("/api/v1/exports/focus", params=query, headers=worker)).status_code in (403, 422)


async def test_a_month_without_entries_is_a_file_with_a_header(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    for form in ("csv", "csv.gz", "parquet"):
        assert await _file(api, viewer, month="2025-01", format=form)
    assert await _rows(api, viewer, month="2025-01") == []


async def test_a_price_that_the_catalogue_has_no_more_is_shown_as_it_was(
    api: httpx.AsyncClient, viewer: dict[str, str], db: Any
) -> None:
    price_id = "deepgram/nova-3/streaming/audio_sent_ms@00000000"
    content = {"modality": "stt", "amount": "0.0042", "per": "1 minute", "confidence": "published",
               "when": {"mode": "streaming"}}  # fmt: skip
    await db.execute(
        "INSERT INTO price_row (price_id, provider, model, modality, meter, layer, scope, content, origin,"
        " first_version) VALUES ($1, 'deepgram', 'nova-3', 'stt', 'audio_sent_ms', 'list', '', $2, 'managed', 'v')",
        price_id, json.dumps(content),
    )  # fmt: skip
    entry = Booked(meter="audio_sent_ms", quantity=90_000, billed=90_000, pico=6_300_000_000, price_id=price_id)
    await book_entries(db, [entry])

    [row] = [row for row in await _rows(api, viewer) if row["SkuPriceId"] == price_id]

    shown = ("PricingQuantity", "PricingUnit", "ListUnitPrice", "SkuPriceDetails")
    assert [row[name] for name in shown] == ["1.5", "Minutes", "0.0042", '{"x_Mode":"streaming"}']
