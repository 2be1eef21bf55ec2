"""The dashboard in a real browser on the real controller: what it shows is what the ledger holds."""

import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect
from tests.fixtures.dashboard import Controller, chromium, require_bundle, running_controller
from tests.fixtures.dashboard_page import CALLS, amounts, assert_fits_and_is_accessible, complaints_of, exact

PERIOD = "last 24 hours"


@pytest_asyncio.fixture
async def controller(database_url: str, redis_url: str) -> AsyncIterator[Controller]:
    require_bundle()
    async with running_controller(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


async def test_page_shows_what_the_ledger_holds(controller: Controller, browser: Browser, database_url: str) -> None:
    await controller.deliver(CALLS)
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = complaints_of(page)
    asked = reports_asked_by(page)

    await page.goto(f"{controller.url}/#token={controller.viewer_token}")
    await page.get_by_label("24 hours").check()
    await settled(page)

    total = await ledger_by(database_url, "'total'")
    assert await amounts(page.get_by_role("group", name=f"Spend, {PERIOD}")) == [total["total"]]
    assert await page.get_by_role("group", name="Requests").locator(".tile-figure").inner_text() == "5"
    assert await page.get_by_role("group", name="Estimated").locator(".tile-figure").inner_text() == "1"
    assert await page.get_by_role("group", name="Unrated").locator(".tile-figure").inner_text() == "1"
    for name, column in (("Provider", "provider"), ("Model", "provider || '/' || model"), ("Project", "project")):
        await page.get_by_role("group", name="Break down by").get_by_label(name).check()
        await settled(page)
        table = page.get_by_role("table", name=f"Spend by {name.lower()}, {PERIOD}")
        in_ledger = await ledger_by(database_url, column)
        assert await rows_of(table) == in_ledger
        in_api: Any = await controller.report(last(asked, f"costs?by={name.lower()}"))
        assert {row["key"]: exact(row["amount_usd"]) for row in in_api["rows"]} == in_ledger
    legend = page.get_by_role("table", name="Spend in this window")
    assert await rows_of(legend) == await ledger_by(database_url, "provider")
    await expect(page.locator(".chart .recharts-bar-rectangle path").first).to_be_visible()

    by_session = await ledger_by(database_url, "session_id")
    assert await rows_of(page.get_by_role("table", name="Latest sessions and their cost")) == by_session
    assert complaints == []


async def test_page_shows_calls_and_how_fast_vendors_answer(controller: Controller, browser: Browser) -> None:
    await controller.deliver(CALLS)
    await controller.say_present(session="call-2", project="sales")
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = complaints_of(page)
    asked = reports_asked_by(page)

    await page.goto(f"{controller.url}/#token={controller.viewer_token}")
    await page.get_by_label("24 hours").check()

    sessions = page.get_by_role("table", name="Latest sessions and their cost")
    first = sessions.locator("tbody tr").first
    await expect(first).to_contain_text("call-2")
    await expect(first).to_contain_text("live")
    await expect(first).to_contain_text("1 unrated")
    await expect(first).to_contain_text("1 error")

    await settled(page)
    shown = page.get_by_role("table", name=f"Time to first byte by provider and model, {PERIOD}")
    latency: Any = await controller.report(last(asked, "latency"))
    for row in latency["rows"]:
        line = shown.locator("tbody tr").filter(has_text=row["model"]).filter(has_text=row["provider"])
        for percentile in ("ttfb_p50_ms", "ttfb_p95_ms"):
            await expect(line).to_contain_text(f"{row[percentile]:,} ms")
    assert await shown.locator("tbody tr").count() == len(latency["rows"]) == 4

    assert page.url == f"{controller.url}/"
    await expect(page.locator("header")).to_contain_text("Calls live1")
    await expect(page.locator("header")).to_contain_text("Processes1")
    await expect(page.get_by_role("status").filter(has_text="Connected")).to_be_visible()
    assert complaints == []


async def test_new_spend_appears_without_a_reload(controller: Controller, browser: Browser, database_url: str) -> None:
    page = await browser.new_page()
    await page.goto(f"{controller.url}/#token={controller.viewer_token}")
    await page.get_by_label("24 hours").check()
    await expect(page.get_by_text("No requests in this period")).to_be_visible()

    await controller.deliver(CALLS[:2])

    total = await ledger_by(database_url, "'total'")
    shown = page.get_by_role("group", name=f"Spend, {PERIOD}").locator(".tile-figure data")
    await expect(shown).to_have_attribute("value", total["total"])


async def test_wrong_token_stays_at_the_login(controller: Controller, browser: Browser) -> None:
    page = await browser.new_page()
    complaints = complaints_of(page)
    await page.goto(controller.url)

    await page.get_by_label("Access token").fill("vgw_0123456789abcdef_wrong")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("alert")).to_contain_text("The token is unknown")
    await expect(page.get_by_label("Access token")).to_be_visible()
    # The browser itself reports the refused request; nothing else went wrong.
    assert [re.sub(r".*(status of \d+).*", r"\1", complaint) for complaint in complaints] == ["status of 401"]

    await page.get_by_label("Access token").fill(controller.viewer_token)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("heading", name="Spend over time")).to_be_visible()


async def test_worker_token_cannot_read(controller: Controller, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(controller.url)

    await page.get_by_label("Access token").fill(controller.worker_token)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("alert")).to_contain_text("A token of the role worker is for machines")


async def test_unknown_token_in_the_address_leads_to_the_login_with_the_reason(
    controller: Controller, browser: Browser
) -> None:
    page = await browser.new_page()

    await page.goto(f"{controller.url}/#token=vgw_0123456789abcdef_wrong")

    await expect(page.get_by_role("alert")).to_contain_text("The token is unknown")
    assert page.url == f"{controller.url}/"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_page_fits_and_is_accessible(controller: Controller, browser: Browser, theme: Any, width: int) -> None:
    await controller.deliver(CALLS)
    page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    await page.goto(f"{controller.url}/#token={controller.viewer_token}")
    await page.get_by_label("24 hours").check()
    await expect(page.get_by_role("table", name=f"Spend by provider, {PERIOD}")).to_be_visible()
    await expect(page.locator(".chart .recharts-bar-rectangle path").first).to_be_visible()

    await assert_fits_and_is_accessible(page, f"{theme}-{width}")


async def settled(page: Page) -> None:
    """Wait until every panel shows the answer to what was chosen last."""
    await expect(page.get_by_role("table")).to_have_count(4)
    await expect(page.locator('[aria-busy="true"]')).to_have_count(0)


def reports_asked_by(page: Page) -> list[str]:
    """Collect the reports the page asks for, as path and query."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append("/" + request.url.split("/", 3)[3]))
    return asked


def last(asked: list[str], report: str) -> str:
    """Return the latest question to one report."""
    return next(each for each in reversed(asked) if each.startswith(f"/api/v1/{report}"))


async def ledger_by(database_url: str, column: str) -> dict[str, str]:
    """Sum the ledger itself, past every rollup and report, by an expression over its columns."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        rows = await connection.fetch(
            f"SELECT {column} AS key, sum(amount_usd)::text AS amount FROM ledger_entry GROUP BY 1"
        )
    finally:
        await connection.close()
    return {row["key"]: exact(row["amount"]) for row in rows}


async def rows_of(table: Locator) -> dict[str, str]:
    """Return the exact amount in each row of a table, by the row's first line of text."""
    found: dict[str, str] = {}
    for row in await table.locator("tbody tr").all():
        name = (await row.locator("th").inner_text()).strip().splitlines()[0]
        found[name] = (await amounts(row))[0]
    return found
