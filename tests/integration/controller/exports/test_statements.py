"""Statements: exact, neutralised for spreadsheets, escaped in HTML, and what is charged beside what it cost."""

import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import pytest

from voicegateway_controller.access import Role

pytestmark = pytest.mark.usefixtures("books")
PATH = "/api/v1/exports/statement"
MARKUPS = [
    {"name": "all", "percent": "20"},
    {"name": "acme speech", "project": "acme", "modality": "stt", "meter": "audio_sent_ms", "price": "0.06",
     "per": "1 minute", "from": "2026-10-01"},
    {"name": "beta", "project": "beta", "percent": "0", "minimum": "5.00"},
]  # fmt: skip


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def _statement(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> httpx.Response:
    return await api.get(PATH, params={"project": "acme", "month": "2026-10", **query}, headers=headers)


async def test_a_statement_s_lines_are_the_books_to_the_last_digit(
    api: httpx.AsyncClient, viewer: dict[str, str], db: Any
) -> None:
    report = (await _statement(api, viewer)).json()
    text = (await _statement(api, viewer, format="csv")).text

    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    *lines, total = rows
    amount = await db.fetchval(
        "SELECT sum(amount_usd) FROM ledger_entry WHERE project = 'acme' AND (booked_in = '2026-10-01' OR"
        " (booked_in IS NULL AND charged_at >= '2026-10-01' AND charged_at < '2026-11-01'))"
    )
    assert sum(Decimal(row["cost_usd"]) for row in lines) == Decimal(total["cost_usd"]) == amount
    assert sum(Decimal(row["previous_cost_usd"]) for row in lines) == Decimal(total["previous_cost_usd"])
    assert report["rows"] == rows
    assert (report["cost_usd"], report["previous_cost_usd"], report["is_closed"]) == (
        total["cost_usd"], "0.0048", False,
    )  # fmt: skip
    assert (report["requests"], report["estimated_requests"], report["unrated_requests"]) == (8, 1, 0)
    assert [each["reason"] for each in report["corrections"]] == [
        "a price was wrong", "September's price was wrong", "free minutes",
    ]  # fmt: skip
    assert [(row["late_for"], row["cost_usd"]) for row in lines if row["late_for"]] == [("2026-09", "0.800000000001")]
    september = (await _statement(api, viewer, month="2026-09")).json()
    assert (september["cost_usd"], september["is_closed"]) == ("0.0048", True)


async def test_names_that_would_be_formulas_are_neutralised_and_names_in_html_escaped(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    text = (await _statement(api, viewer, project="beta", format="csv")).text
    page = await _statement(api, viewer, project="beta", format="html")
    odd = await _statement(api, viewer, project="<script>alert(1)</script>", format="html")

    cells = [row["agent"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert cells == ["'=cmd|'/c calc'!A1", ""]
    assert "1 request has a quantity without a known price" in page.text
    assert "<script>" not in odd.text
    assert "&lt;script&gt;" in odd.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_prices_follow_the_markups_and_margins_say_where_little_is_left(
    api: httpx.AsyncClient, viewer: dict[str, str], operator: dict[str, str]
) -> None:
    declared = await api.put("/api/v1/markups", json={"markups": MARKUPS}, headers=operator)
    acme = (await _statement(api, viewer, with_price="true")).json()
    beta = (await _statement(api, viewer, project="beta", with_price="true")).json()
    shared = (await _statement(api, viewer, project="_shared", with_price="true")).json()
    margins = (await api.get("/api/v1/margins", params={"month": "2026-10"}, headers=viewer)).json()

    assert declared.json() == {"revision": 1, "is_changed": True, "markups": 3}
    *lines, total = acme["rows"]
    speech = [row for row in lines if row["model"] == "nova-3" and row["kind"] == "usage"]
    # 73.341 s at $0.06 a minute, whatever they cost.
    assert [row["price_usd"] for row in speech] == ["0.073341"]
    # A late correction of September: its day has no fixed price yet, so 20 % on top.
    assert [row["price_usd"] for row in lines if row["late_for"]] == ["0.960000000001"]
    assert abs(sum(Decimal(row["price_usd"]) for row in lines) - Decimal(total["price_usd"])) < Decimal("1e-11")
    assert Decimal(total["price_usd"]) - Decimal(total["cost_usd"]) == Decimal(acme["margin_usd"])
    assert (beta["cost_usd"], beta["price_usd"]) == ("0", "5")
    assert [row["section"] for row in beta["rows"]] == ["line", "minimum", "total"]
    # 20 % on the subscription and the rounding, nothing on the tax: 299 * 1.2 + 19.000000000007 - 1.2e-12
    assert shared["price_usd"] == "377.800000000006"
    cost = sum((Decimal(each["cost_usd"]) for each in (acme, beta, shared)), Decimal(0))
    assert Decimal(margins["total"]["cost_usd"]) == cost
    assert sum(Decimal(row["price_usd"]) for row in margins["rows"]) == pytest.approx(
        Decimal(margins["total"]["price_usd"]), abs=Decimal("1e-11")
    )
    nova = next(row for row in margins["rows"] if row["project"] == "acme" and row["model"] == "nova-3")
    assert nova["is_thin"] is (Decimal(nova["margin_percent"]) < 10)


async def test_what_is_declared_is_shown_kept_and_refused_when_wrong(
    api: httpx.AsyncClient, viewer: dict[str, str], operator: dict[str, str], make_token: Any, db: Any
) -> None:
    beta = await make_token(Role.OPERATOR, projects=["beta"])
    await api.put("/api/v1/markups", json={"markups": MARKUPS}, headers=operator)

    shown = await api.get("/api/v1/markups", headers=viewer)
    theirs = await api.get("/api/v1/markups", headers=beta)
    refused = [
        (await api.put("/api/v1/markups", json=body, headers=headers | more)).status_code
        for body, headers, more in (
            ({"markups": []}, viewer, {}),
            ({"markups": []}, beta, {}),
            ({"markups": [{"percent": 20}]}, operator, {}),
            ({"markups": []}, operator, {"If-Match": "7"}),
        )
    ]

    assert (shown.json()["markups"], shown.headers["etag"]) == (MARKUPS, '"1"')
    assert [each["name"] for each in theirs.json()["markups"]] == ["all", "beta"]
    assert refused == [403, 403, 400, 409]
    with pytest.raises(Exception, match="append-only"):
        await db.execute("DELETE FROM markup_set")
