"""Of who is not known nothing large is read, whatever the route."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from voicegateway_controller.access import Role
from voicegateway_controller.http.known_first import STRANGER_BYTES_MAX

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("how", ["in pieces", "declared"])
@pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/keys", "/api/v1/limits/openai", "/api/v1/sessions/end"])
async def test_nothing_of_a_strangers_body_is_read(api: httpx.AsyncClient, path: str, how: str) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1
            yield b" " * 1024

    more = {"Content-Length": str(64 * 1024)} if how == "declared" else {}
    method = "PUT" if path.startswith("/api/v1/limits") else "POST"
    wrong = {"Authorization": "Bearer vgw_0000000000000000_wrong"}
    answers = [
        await api.request(method, path, content=pieces(), headers=JSON | more | who)
        for who in (dict[str, str](), wrong)
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "unauthenticated")] * 2
    assert read == 0


async def test_what_is_small_or_from_somebody_known_is_read(api: httpx.AsyncClient, make_token: Any) -> None:
    admin = await make_token(Role.ADMIN)
    padded = b'{"name": "a", "role": "viewer"' + b" " * STRANGER_BYTES_MAX + b"}"

    async def pieces() -> AsyncIterator[bytes]:
        yield padded

    known = [await api.post("/api/v1/tokens", content=content, headers=admin | JSON) for content in (padded, pieces())]
    small = await api.post("/api/v1/tokens", content=b"{}", headers=JSON)
    sign_in = await api.post("/api/v1/sign-in", content=padded, headers=JSON)

    assert [answer.status_code for answer in known] == [201, 201]
    assert (small.status_code, sign_in.status_code) == (401, 413)
