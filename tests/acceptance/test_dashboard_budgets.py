"""The budgets' page in a real browser on the real controller: it shows what the API says, and can end a call."""

from collections.abc import AsyncIterator
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from tests.fixtures.dashboard import Controller, chromium, require_bundle, running_controller
from tests.fixtures.dashboard_page import CALLS, amounts, assert_fits_and_is_accessible, complaints_of, exact

BUDGETS = "Budgets and how they stand"


@pytest_asyncio.fixture
async def controller(database_url: str, redis_url: str) -> AsyncIterator[Controller]:
    require_bundle()
    async with running_controller(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


async def test_page_shows_how_the_budgets_stand(controller: Controller, browser: Browser) -> None:
    await controller.deliver(CALLS)
    await controller.declare_budgets(
        {"name": "near", "project": "support", "amount": await part_of(controller, "support", 0.85), "window": "total"},
        {"name": "berlin", "amount": "25.00", "window": "day", "zone": "Europe/Berlin", "action": "warn"},
        {"name": "call", "amount": "0.50", "window": "session", "action": "end_session"},
    )
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = complaints_of(page)

    await page.goto(f"{controller.url}/#token={controller.viewer_token}")
    await page.get_by_role("link", name="Budgets").click()
    table = page.get_by_role("table", name=BUDGETS)
    near = table.locator("tbody tr").filter(has_text="project support")

    await expect(near).to_contain_text("80% reached")
    assert page.url == f"{controller.url}/#page=budgets"
    status: Any = await controller.report("/api/v1/budgets/status")
    by_id = {budget["id"]: budget for budget in status["budgets"]}
    assert await table.locator("tbody tr").count() == 3
    for row in await table.locator("tbody tr").all():
        name = (await row.locator("th").inner_text()).splitlines()[0]
        assert (await amounts(row))[: len(shown(by_id[name]))] == shown(by_id[name])
    berlin = table.locator("tbody tr").filter(has_text="per day, Europe/Berlin")
    await expect(berlin).to_contain_text("00:00")
    await expect(berlin).to_contain_text("warns")
    await expect(table.locator("tbody tr").filter(has_text="with each call")).to_contain_text("each call")
    projects = page.get_by_role("table", name="This month by project")
    assert await projects.locator("tbody tr").count() == len(status["projects"]) == 3
    assert complaints == []


async def test_a_threshold_that_is_reached_becomes_an_alert(controller: Controller, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{controller.url}/#page=budgets&token={controller.viewer_token}")
    await expect(page.get_by_text("No budget is declared")).to_be_visible()
    await expect(page.get_by_text("No alerts")).to_be_visible()

    await controller.deliver(CALLS)
    amount = await part_of(controller, "support", 0.85)
    await controller.declare_budgets({"project": "support", "amount": amount, "window": "total", "thresholds": [80]})

    alerts = page.get_by_role("table", name="Alerts and their delivery")
    await expect(alerts.locator("tbody tr")).to_have_count(1, timeout=30_000)
    await expect(alerts).to_contain_text("80")
    # Nobody delivers it here: there is no runner.
    await expect(alerts.locator("tbody tr td")).to_have_text("on its way")


async def test_a_running_call_is_ended_with_a_sentence(controller: Controller, browser: Browser) -> None:
    await controller.say_present(session="call-2", project="sales")
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = complaints_of(page)
    await page.goto(f"{controller.url}/#token={controller.operator_token}")

    await page.get_by_role("button", name="End call call-2").click()
    dialog = page.get_by_role("dialog", name="End this call?")
    await dialog.get_by_role("textbox").fill("We close now. Goodbye.")
    await assert_fits_and_is_accessible(page, "end-call")
    await dialog.get_by_role("button", name="End call").click()

    await expect(dialog).to_be_hidden()
    row = page.get_by_role("table", name="Latest sessions and their cost").locator("tbody tr")
    await expect(row).to_contain_text("ending…")
    told = await controller.say_present(session="call-2", project="sales", seq=2)
    (directive,) = told["directives"]
    assert (directive["session_id"], directive["sentence"]) == ("call-2", "We close now. Goodbye.")
    assert complaints == []


async def test_who_may_only_look_is_offered_no_end(controller: Controller, browser: Browser) -> None:
    await controller.say_present(session="call-2", project="sales")
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    await page.goto(f"{controller.url}/#token={controller.viewer_token}")

    await expect(page.get_by_role("table", name="Latest sessions and their cost")).to_contain_text("live")
    await expect(page.get_by_role("button", name="End call")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_page_fits_and_is_accessible(controller: Controller, browser: Browser, theme: Any, width: int) -> None:
    await controller.deliver(CALLS)
    await controller.declare_budgets(
        {"project": "support", "amount": await part_of(controller, "support", 0.85), "window": "day"},
        {"project": "sales", "amount": "0.0001", "window": "month", "zone": "America/New_York", "action": "warn"},
        {"name": "a-name-as-long-as-they-may-be.of-a-budget-for.all-of-the-fleet", "amount": "1000", "window": "week"},
        {"amount": "2", "window": "session", "action": "end_session"},
    )
    page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    await page.goto(f"{controller.url}/#page=budgets&token={controller.viewer_token}")
    await settled(page)

    await assert_fits_and_is_accessible(page, f"budgets-{theme}-{width}")


async def settled(page: Page) -> None:
    """Wait until every panel of the page has rows."""
    await expect(page.get_by_role("table")).to_have_count(3, timeout=30_000)


async def part_of(controller: Controller, project: str, part: float) -> str:
    """Return the amount of which a project has spent so much, as a budget declares it."""
    costs: Any = await controller.report("/api/v1/costs?by=project")
    (spent,) = (Decimal(row["amount_usd"]) for row in costs["rows"] if row["key"] == project)
    return f"{(spent / Decimal(str(part))).quantize(Decimal('0.000000001'), ROUND_CEILING):f}"


def shown(budget: dict[str, Any]) -> list[str]:
    """Return a budget's amounts in the order in which its row shows them, burn rate and forecast left out."""
    names = ("spent_usd", "amount_usd", "left_usd") if budget["spent_usd"] is not None else ("amount_usd",)
    reserved = [exact(budget["reserved_usd"])] if budget["reserved_usd"] not in (None, "0") else []
    return [exact(budget[name]) for name in names] + reserved
