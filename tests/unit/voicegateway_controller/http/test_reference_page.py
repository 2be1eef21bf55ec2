"""The page that describes the API needs nothing from elsewhere."""

import re

import httpx
from pydantic import SecretStr

from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings


async def test_every_route_is_on_the_page_and_the_page_runs_and_fetches_nothing() -> None:
    settings = Settings(database_url=SecretStr("postgresql://x/none"), redis_url=SecretStr("redis://localhost"))
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        page = await client.get("/docs")
        document = (await client.get("/openapi.json")).json()

    assert page.status_code == 200
    assert [path for path in document["paths"] if f"<code>{path}</code>" not in page.text] == []
    assert "<script" not in page.text
    assert [link for link in re.findall(r'(?:src|href)="([^"]*)"', page.text) if not link.startswith(("#", "/"))] == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]
