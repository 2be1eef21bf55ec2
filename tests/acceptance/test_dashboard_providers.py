"""The vendors' page in a real browser on the real controller: trouble is seen, a vendor is switched off and on."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.fixtures.dashboard import Controller, chromium, require_bundle, running_controller
from tests.fixtures.dashboard_page import assert_fits_and_is_accessible, complaints_of
from tests.fixtures.health_worker import TARGET, HealthWorker

from voicegateway_shared.wire import HealthTarget

VENDORS = "Vendors and how they fare"
NOVA = HealthTarget(provider="deepgram", model="nova-3", modality="stt", account="9c1d")


@pytest_asyncio.fixture
async def controller(database_url: str, redis_url: str) -> AsyncIterator[Controller]:
    require_bundle()
    async with running_controller(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


async def test_trouble_is_seen_and_a_vendor_is_switched_off_and_on(controller: Controller, browser: Browser) -> None:
    async with httpx.AsyncClient(base_url=controller.url) as api:
        worker = HealthWorker(api, {"Authorization": f"Bearer {controller.worker_token}"})
        await worker.says(ok=40, ttfb_counts=((15, 30), (21, 10)))
        await worker.says(target=NOVA, limited=1, retry_after_ms=300_000)
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = complaints_of(page)
    await page.goto(f"{controller.url}/#token={controller.operator_token}")
    await page.get_by_role("link", name="Providers").click()
    rows = page.get_by_role("table", name=VENDORS).locator("tbody tr")

    await expect(rows.first).to_contain_text("nova-3")
    await expect(rows.first).to_contain_text("it refuses more requests")
    await expect(rows.nth(1)).to_contain_text("316 ms")

    await page.get_by_role("button", name=f"Switch off: {TARGET.model}").click()
    await page.get_by_text("Everything of openai").click()
    await page.get_by_role("button", name="Switch off", exact=True).click()
    off = page.get_by_role("table", name="Vendors and models that are switched off")
    await expect(off).to_contain_text("openai")
    await assert_fits_and_is_accessible(page, "providers")
    await page.get_by_role("button", name="Switch on: openai").click()
    await expect(page.get_by_text("Nothing is switched off")).to_be_visible()
    assert complaints == []

    await page.set_viewport_size({"width": 390, "height": 844})
    await assert_fits_and_is_accessible(page, "providers-phone")
