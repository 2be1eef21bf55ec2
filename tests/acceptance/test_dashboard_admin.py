"""The pages of the fleet and of the administration, in a real browser on the real controller."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from cryptography.fernet import Fernet
from playwright.async_api import Browser, Page, expect
from tests.fixtures.dashboard import Controller, chromium, require_bundle, running_controller
from tests.fixtures.dashboard_page import assert_fits_and_is_accessible, complaints_of

VENDOR_KEY = "sk-planted-0123456789abcdef-2345"


@pytest_asyncio.fixture
async def controller(database_url: str, redis_url: str) -> AsyncIterator[Controller]:
    require_bundle()
    secret = Fernet.generate_key().decode()
    async with running_controller(database_url, redis_url, vault_secrets=secret) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


async def open_page(controller: Controller, browser: Browser, name: str, token: str, width: int = 1280) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": 900})
    await page.goto(f"{controller.url}/#token={token}&page={name}")
    return page


async def test_an_administrator_makes_and_revokes_a_token_and_sees_it_recorded(
    controller: Controller, browser: Browser
) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {controller.admin_token}"}) as client:
        key = {"id": "openai-main", "provider": "openai", "secret": VENDOR_KEY}
        assert (await client.post(f"{controller.url}/api/v1/keys", json=key)).status_code == 201
        limits = {"limits": [{"provider": "openai", "requests_per_min": 100}]}
        declared = await client.put(f"{controller.url}/api/v1/limits", json=limits)
        assert declared.status_code == 200, declared.text
    page = await open_page(controller, browser, "admin", controller.admin_token)
    complaints = complaints_of(page)
    tokens = page.get_by_role("table", name="Access tokens")

    await expect(page.get_by_role("table", name="Vendors' keys")).to_contain_text("sk-p...2345")
    await expect(page.get_by_role("table", name="Versions of the configuration")).to_contain_text("limits")
    await page.get_by_role("button", name="New token").click()
    await page.get_by_label("For whom or what").fill("grafana")
    await page.get_by_role("button", name="Make it").click()
    made = await page.locator(".new-token").text_content() or ""
    assert made.startswith("vgw_")
    await page.get_by_role("button", name="I have it").click()
    await expect(tokens).to_contain_text("grafana")
    await page.get_by_role("button", name="Revoke: grafana").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(tokens.get_by_role("row", name="grafana")).to_contain_text("revoked")

    audit = page.get_by_role("table", name="Changes, the newest first")
    await expect(audit).to_contain_text("token.revoke", timeout=15_000)
    await expect(page.get_by_role("table", name="Sessions of dashboards")).to_contain_text("you")
    await assert_fits_and_is_accessible(page, "admin")
    shown = await page.content()
    assert made not in shown
    assert VENDOR_KEY not in shown
    assert complaints == []

    await page.set_viewport_size({"width": 390, "height": 844})
    await assert_fits_and_is_accessible(page, "admin-phone")


async def test_a_session_that_is_ended_elsewhere_is_signed_out(controller: Controller, browser: Browser) -> None:
    page = await open_page(controller, browser, "admin", controller.admin_token)
    await expect(page.get_by_role("table", name="Sessions of dashboards")).to_contain_text("you")

    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {controller.admin_token}"}) as client:
        listed = (await client.get(f"{controller.url}/api/v1/sign-ins")).json()["sign_ins"]
        ended = await client.delete(f"{controller.url}/api/v1/sign-ins/{listed[0]['id']}")
        assert ended.status_code == 200, ended.text

    await expect(page.get_by_label("Access token")).to_be_visible(timeout=10_000)


async def test_the_session_outlives_a_reload_and_is_in_no_script_s_reach(
    controller: Controller, browser: Browser
) -> None:
    page = await open_page(controller, browser, "overview", controller.viewer_token)
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    await page.reload()

    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert await page.evaluate("[document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]") == [
        "", "{}", "{}",
    ]  # fmt: skip
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Access token")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Access token")).to_be_visible()


async def test_a_worker_is_drained_and_comes_back(controller: Controller, browser: Browser) -> None:
    said = {
        "version": 1, "incarnation": "worker-1-abc", "seq": 1, "host": "host-a", "pid": 11, "shim_version": "0.1.0",
        "agents_version": "1.8.9",
        "worker": {"kind": "worker", "worker_id": "AW_1", "agent": "support", "load_permille": 412, "active_jobs": 3},
    }  # fmt: skip
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {controller.worker_token}"}) as client:
        assert (await client.post(f"{controller.url}/v1/sync", json=said)).status_code == 200
        page = await open_page(controller, browser, "fleet", controller.operator_token)
        table = page.get_by_role("table", name="Worker and job processes")

        await expect(table).to_contain_text("41.2%")
        await page.get_by_role("button", name="Drain: host-a 11").click()
        await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        await expect(table).to_contain_text("draining")
        answer = await client.post(f"{controller.url}/v1/sync", json={**said, "seq": 2})
        assert answer.json()["order"] == {"is_drained": True}
        await assert_fits_and_is_accessible(page, "fleet")
        await page.get_by_role("button", name="Undrain: host-a 11").click()
        await page.get_by_role("dialog").get_by_role("button", name="Undrain").click()
        await expect(table).to_contain_text("in service")
