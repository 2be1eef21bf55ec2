"""Who may speak to `/mcp` at all: tokens, roles, hosts, origins, methods, sizes."""

from typing import Any

import httpx

from voicegateway_controller.mcp_server.endpoint import BODY_BYTES_MAX

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


async def test_a_reader_is_heard(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    answers = [await api.post(path, json=PING, headers=HEADERS | viewer) for path in ("/mcp", "/mcp/")]

    assert [each.status_code for each in answers] == [200, 200]
    assert all(each.json() == {"jsonrpc": "2.0", "id": 1, "result": {}} for each in answers)


async def test_without_a_token_nobody_is_nor_a_worker(api: httpx.AsyncClient, worker: dict[str, str]) -> None:
    none = await api.post("/mcp", json=PING, headers=HEADERS)
    unknown = await api.post("/mcp", json=PING, headers=HEADERS | {"Authorization": "Bearer vgw_0123_x"})
    cookie = await api.post("/mcp", json=PING, headers=HEADERS | {"Cookie": "__Host-voicegateway=x; voicegateway=x"})
    no_reader = await api.post("/mcp", json=PING, headers=worker | HEADERS)

    assert (no_reader.status_code, no_reader.json()["code"]) == (403, "forbidden")
    for answer in (none, unknown, cookie):
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert none.json()["detail"] == "a token is needed: send `Authorization: Bearer vgw_<id>_<secret>`"


async def test_pages_of_others_are_not(start_api: Any, viewer: dict[str, str]) -> None:
    asked = [
        {"Host": "localhost:8790", "Origin": "http://localhost:8790"},
        {"Host": "voicegateway.svc:8790"},
        {"Host": "evil.example:8790", "Origin": "http://evil.example:8790"},
        {"Host": "evil.example:8790", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:8790", "Origin": "http://evil.example"},
        {"Host": "[:8790"},
    ]
    async with start_api() as api:
        open_ = [await api.post("/mcp", json=PING, headers=HEADERS | viewer | each) for each in asked]
    async with start_api(mcp_hosts="voice.acme.example, Voicegateway.svc") as api:
        asked = [
            {"Host": "voice.acme.example", "Origin": "https://voice.acme.example"},
            {"Host": "voicegateway.svc:80"},
            {"Host": "other.example"},
        ]
        listed = [await api.post("/mcp", json=PING, headers=HEADERS | viewer | each) for each in asked]

    assert [each.status_code for each in open_] == [200, 200, 421, 421, 403, 421]
    assert [each.status_code for each in listed] == [200, 200, 421]
    assert open_[2].json()["detail"] == "the host 'evil.example' is not one of ours: see VOICEGATEWAY_MCP_HOSTS"


async def test_there_is_no_stream_to_hold_open_no_session_to_end_and_no_oauth(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    answers = [await api.request(method, "/mcp", headers=HEADERS | viewer) for method in ("GET", "DELETE", "PUT")]
    oauth = await api.get("/.well-known/oauth-protected-resource/mcp")

    assert (oauth.status_code, oauth.json()["code"]) == (404, "not_found")
    assert [(each.status_code, each.headers["Allow"]) for each in answers] == [(405, "POST")] * 3


async def test_what_is_too_large_or_no_message_is_refused(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    large = await api.post("/mcp", content=b"x" * (BODY_BYTES_MAX + 1), headers=HEADERS | viewer)
    garbage = await api.post("/mcp", content=b"\x00{", headers=HEADERS | viewer)
    batch = await api.post("/mcp", json=[PING] * 100, headers=HEADERS | viewer)

    assert [large.status_code, garbage.status_code, batch.status_code] == [413, 400, 400]
