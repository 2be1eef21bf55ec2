"""The books, the prices and one call in a real browser on the real controller, with a month that does not agree."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr
from tests.fixtures.dashboard import Controller, chromium, require_bundle, running_controller
from tests.fixtures.dashboard_page import CALLS, amounts, assert_fits_and_is_accessible, complaints_of, exact
from tests.fixtures.month import Month, MonthPlan, make_month

from voicegateway.testing.vendors.billing import ADMIN_KEYS, BillingFaults, BillingSimulators, PriceChange
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.reconcile.asking import Asking
from voicegateway_controller.reconcile.service import Reconciliations, Wanted
from voicegateway_controller.reconcile.sources import billing_source
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_controller.settings import Settings
from voicegateway_shared.pricing import Catalog

MONTH = date(2026, 10, 1)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VENDORS = ("openai", "anthropic", "deepgram", "elevenlabs")


@pytest_asyncio.fixture
async def controller(database_url: str, redis_url: str) -> AsyncIterator[Controller]:
    require_bundle()
    async with running_controller(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


async def reconcile(database_url: str, sims: BillingSimulators, vendor: str) -> None:
    """Hold the month against the vendor's simulated bill, as the nightly job does."""
    keys: dict[str, Any] = {}
    for name, url in sims.urls().items():
        keys |= {f"billing_{name}_key": SecretStr(ADMIN_KEYS[name]), f"billing_{name}_url": url}
    settings = Settings(database_url=SecretStr(database_url), redis_url=SecretStr("redis://localhost"), **keys)
    engine = make_engine(database_url, pool_size=2, application_name="test-reconcile")
    try:
        fetch = Asking(engine, lambda name: billing_source(name, settings)).api(vendor, MONTH)
        runs = Reconciliations(engine, Catalog.builtin, Alerts(engine))
        wanted = Wanted(provider=vendor, month=MONTH, source="api", threshold=Threshold.parse("0.5%"), actor="test")
        await runs.run(wanted, lambda _: fetch(NOW))
    finally:
        await engine.dispose()


async def reconciled(controller: Controller, database_url: str, folder: Path) -> Month:
    """Put a month into the books, five requests short, and hold it against bills with a price nobody announced."""
    plan = MonthPlan(requests=250, seed=15, weights={"gpt-4.1-mini": 30, "nova-3": 20}, calls=4)
    month = make_month(plan)
    month.write_truth(folder)
    engine = make_engine(database_url, pool_size=2, application_name="test-month")
    try:
        await month.insert(engine, lose=5)
    finally:
        await engine.dispose()
    await controller.runner.ledger.drain(limit_s=60.0)
    rise = PriceChange(model="gpt-4.1-mini", factor="1.1", starts_at=datetime(2026, 10, 16, tzinfo=UTC))
    async with BillingSimulators(truth_dir=folder, accounts=month.accounts, now=NOW) as sims:
        await reconcile(database_url, sims, "openai")
    faults = BillingFaults(price_changes=(rise,), tax_percent="19", credit_usd="0.01")
    async with BillingSimulators(truth_dir=folder, accounts=month.accounts, now=NOW, faults=faults) as sims:
        for vendor in VENDORS:
            await reconcile(database_url, sims, vendor)
    return month


async def open_page(controller: Controller, browser: Browser, page_name: str, token: str, width: int = 1280) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": 900})
    await page.goto(f"{controller.url}/#token={token}&page={page_name}")
    return page


async def test_books_show_what_the_api_holds(
    controller: Controller, browser: Browser, database_url: str, tmp_path: Path
) -> None:
    await reconciled(controller, database_url, tmp_path)
    runs: Any = await controller.report("/api/v1/reconciliations")
    openai = next(run for run in runs["reconciliations"] if run["provider"] == "openai")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {controller.operator_token}"}) as client:
        answer = await client.post(
            f"{controller.url}/api/v1/reconciliations/{openai['number']}/accept",
            json={"reason": "the bill is right", "force": True},
        )
    assert answer.status_code == 200, answer.text
    page = await open_page(controller, browser, "books", controller.viewer_token)
    complaints = complaints_of(page)

    table = page.get_by_role("table", name="The newest reconciliation of each vendor and month")
    await expect(table.locator("tbody tr")).to_have_count(len(VENDORS))
    await expect(table.locator("tbody tr").filter(has_text="openai")).to_contain_text("accepted")
    balance: Any = await controller.report("/api/v1/ledger/balance?since=2026-10&until=2026-11")
    await page.get_by_label("Month", exact=True).select_option("2026-10")
    await expect(page.get_by_text("balanced", exact=True)).to_be_visible()
    accounts = page.get_by_role("table", name="Accounts")
    await expect(accounts.locator("tbody tr")).to_have_count(len(balance["accounts"]))
    assert await amounts(accounts.locator("tfoot")) == [
        exact(balance[name]) for name in ("debit_usd", "credit_usd", "difference_usd")
    ]
    await expect(page.get_by_role("table", name="Corrections of the books")).to_contain_text("the bill is right")
    await expect(page.locator('[aria-busy="true"]')).to_have_count(0)
    await assert_fits_and_is_accessible(page, "books")
    await page.set_viewport_size({"width": 390, "height": 844})
    await assert_fits_and_is_accessible(page, "books-phone")
    await page.set_viewport_size({"width": 1280, "height": 900})

    await page.get_by_role("link", name="openai 2026-10").click()
    falls = page.get_by_role("table", name="Why the amounts differ")
    parts = [exact(part["amount_usd"]) for part in openai["report"]["parts"]]
    await expect(falls.locator("tbody tr")).to_have_count(len(parts))
    assert await amounts(falls) == [*parts, exact(openai["report"]["difference_usd"])]
    await expect(page.get_by_role("table", name="Parts that changed")).to_contain_text("Tax")
    await expect(page.get_by_role("table", name="The cells that differ most")).to_be_visible()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download the report").click()
    downloaded = await (await downloading.value).path()
    assert downloaded.read_text().startswith("<!doctype html>")
    await assert_fits_and_is_accessible(page, "books-run")
    await page.set_viewport_size({"width": 390, "height": 844})
    await assert_fits_and_is_accessible(page, "books-run-phone")
    assert complaints == []


async def test_a_token_of_some_projects_is_told_why_it_sees_no_books(
    controller: Controller, browser: Browser, database_url: str
) -> None:
    engine = make_engine(database_url, pool_size=1, application_name="test-token")
    try:
        token = await create_token(engine, role=Role.VIEWER, name="acme", projects=["acme"])
    finally:
        await engine.dispose()

    page = await open_page(controller, browser, "books", token)

    await expect(page.get_by_role("alert").first).to_contain_text("This token reaches some projects only")
    await expect(page.get_by_text("Nobody else counted anything")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
async def test_prices_are_found_and_flagged(controller: Controller, browser: Browser, width: int) -> None:
    page = await open_page(controller, browser, "prices", controller.viewer_token, width)
    complaints = complaints_of(page)
    held: Any = await controller.report("/api/v1/prices?provider=deepgram&limit=1000")

    await page.get_by_label("Provider").select_option("deepgram")
    rows = page.get_by_role("table", name="Prices that hold").locator("tbody tr")

    await expect(rows).to_have_count(min(held["total"], 150))
    first = held["prices"][0]
    count, unit = first["per"].split(" ", 1)
    await expect(rows.first).to_contain_text(f"${first['amount']} per {int(count):,} {unit}")
    await assert_fits_and_is_accessible(page, f"prices-{width}")
    assert complaints == []


async def test_a_call_of_the_overview_opens_with_its_timeline(controller: Controller, browser: Browser) -> None:
    await controller.deliver(CALLS)
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = complaints_of(page)
    await page.goto(f"{controller.url}/#token={controller.viewer_token}")
    await page.get_by_role("link", name="call-1").click()

    call: Any = await controller.report("/api/v1/sessions/call-1")
    timeline = page.get_by_role("table", name="Requests and legs of the call")
    await expect(timeline.locator("tbody tr")).to_have_count(3)
    assert await amounts(timeline) == [exact(item["amount_usd"]) for item in call["items"]]
    sums = page.get_by_role("table", name="What each part of the call cost")
    assert (await amounts(sums))[-1] == exact(call["total_usd"])
    await assert_fits_and_is_accessible(page, "call")
    await page.set_viewport_size({"width": 390, "height": 844})
    await assert_fits_and_is_accessible(page, "call-phone")
    assert complaints == []
