"""A token becomes a cookie that scripts cannot read, other sites cannot use, and that ends when it must."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.controller.conftest import MakeToken, StartApi

from voicegateway_controller.access import Role, create_token, revoke_token
from voicegateway_controller.access.remembered import FRESH_S
from voicegateway_controller.access.sign_ins import SIGN_INS_MAX

SIGN_IN = "/api/v1/sign-in"
WHOAMI = "/api/v1/whoami"
LIMITS = "/api/v1/limits"


async def signed_in(client: httpx.AsyncClient, token: str) -> dict[str, str]:
    """Sign a browser in; return the header that its pages send with changes."""
    answered = await client.post(SIGN_IN, json={"token": token})
    assert answered.status_code == 200, answered.text
    return {"X-CSRF-Token": answered.json()["csrf_token"]}


async def refused_soon(client: httpx.AsyncClient) -> httpx.Response:
    """Wait until a replica refuses, sooner than what it remembers would be asked for again."""
    async with asyncio.timeout(FRESH_S / 2):
        while True:
            answered = await client.get(WHOAMI)
            if answered.status_code == 401:
                return answered
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def operator_text(engine: AsyncEngine) -> str:
    return await create_token(engine, role=Role.OPERATOR, name="Ann")


async def test_a_token_becomes_a_cookie(api: httpx.AsyncClient, operator_text: str) -> None:
    answered = await api.post(SIGN_IN, json={"token": f" {operator_text}\n"})
    who = (await api.get(WHOAMI)).json()
    options = (await api.get("/api/v1/sign-in/options")).json()

    [cookie] = answered.headers.get_list("set-cookie")
    assert cookie.startswith("voicegateway=vgs_")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43199"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert answered.headers["cache-control"] == "no-store"
    assert operator_text.split("_", 2)[2] not in cookie + answered.text
    assert who == answered.json() == options["signed_in"]
    assert (who["actor"], who["name"], who["kind"]) == (operator_text.split("_")[1], "Ann", "session")


async def test_over_tls_the_cookie_is_for_this_host_over_tls_alone(start_api: StartApi, operator_text: str) -> None:
    async with start_api(public_url="https://voice.example.com") as behind_a_proxy:
        cookie = (await behind_a_proxy.post(SIGN_IN, json={"token": operator_text})).headers["set-cookie"]
    async with start_api() as direct:
        direct.base_url = httpx.URL("https://api")
        await signed_in(direct, operator_text)
        good = (await direct.get(WHOAMI)).status_code
        text = direct.cookies["__Host-voicegateway"]
        direct.cookies.clear()
        # Whoever controls a neighbouring host, or the way there without TLS, can set this one.
        direct.cookies.set("voicegateway", text)
        planted = (await direct.get(WHOAMI)).status_code

    assert cookie.startswith("__Host-voicegateway=vgs_")
    assert "; Secure" in cookie
    assert "Domain" not in cookie
    assert (good, planted) == (200, 401)


async def test_changes_need_the_proof_that_a_page_of_ours_asks(api: httpx.AsyncClient, operator_text: str) -> None:
    proof = await signed_in(api, operator_text)
    body: dict[str, list[str]] = {"limits": []}

    without = await api.put(LIMITS, json=body)
    wrong = await api.put(LIMITS, json=body, headers={"X-CSRF-Token": "x" * 43})
    elsewhere = await api.put(LIMITS, json=body, headers={**proof, "Origin": "https://evil.example"})
    opaque = await api.put(LIMITS, json=body, headers={**proof, "Origin": "null"})
    odd = await api.put(LIMITS, json=body, headers={**proof, "Origin": "http://["})
    neighbour = await api.put(LIMITS, json=body, headers={**proof, "Sec-Fetch-Site": "same-site"})
    ours = await api.put(LIMITS, json=body, headers={**proof, "Origin": "http://api", "Sec-Fetch-Site": "same-origin"})
    read = await api.get(LIMITS)

    refused = (without, wrong, elsewhere, opaque, odd, neighbour)
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(403, "cross_site")] * 6
    assert (ours.status_code, read.status_code) == (200, 200)


async def test_a_token_needs_no_proof_and_wins_over_a_cookie(
    api: httpx.AsyncClient, operator_text: str, viewer: dict[str, str]
) -> None:
    await signed_in(api, operator_text)

    assert (await api.get(WHOAMI, headers=viewer)).json()["role"] == "viewer"
    assert (await api.put(LIMITS, json={"limits": []}, headers=viewer)).json()["code"] == "forbidden"


JSON = {"Content-Type": "application/json"}


async def test_no_other_site_signs_a_browser_in_and_nonsense_signs_nobody_in(
    api: httpx.AsyncClient, operator_text: str
) -> None:
    for headers, body, status in (
        ({"Content-Type": "text/plain"}, '{"token": "TOKEN"}', 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "token=TOKEN", 415),
        ({**JSON, "Origin": "https://evil.example"}, '{"token": "TOKEN"}', 403),
        (JSON, "{", 400),
        (JSON, '{"token": ""}', 400),
        (JSON, '{"token": "TOKEN", "to": "/"}', 400),
        (JSON, '{"token": "' + "x" * 5_000 + '"}', 413),
        (JSON, '{"token": "vgw_0123456789abcdef_wrong"}', 401),
    ):
        answered = await api.post(SIGN_IN, headers=headers, content=body.replace("TOKEN", operator_text))

        assert answered.status_code == status, answered.text
        assert "set-cookie" not in answered.headers
        assert operator_text not in answered.text


async def test_machines_are_not_signed_in_and_pages_deliver_nothing(
    api: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    worker = await create_token(engine, role=Role.WORKER, name="w")
    refused = await api.post(SIGN_IN, json={"token": worker})
    proof = await signed_in(api, await create_token(engine, role=Role.ADMIN, name="a"))
    delivered = await api.post("/v1/traces", headers={**proof, "Content-Type": "application/x-protobuf"}, content=b"")
    synced = await api.post("/v1/sync", headers=proof, content=b"{}")

    assert refused.status_code == 403
    assert (delivered.status_code, synced.status_code) == (401, 401)


async def test_signing_out_ends_it_for_whoever_copied_the_cookie(api: httpx.AsyncClient, operator_text: str) -> None:
    proof = await signed_in(api, operator_text)
    copied = dict(api.cookies)

    unproven = await api.post("/api/v1/sign-out")
    out = await api.post("/api/v1/sign-out", headers=proof)
    again = await api.post("/api/v1/sign-out")
    api.cookies.update(copied)
    used = await api.get(WHOAMI)

    assert unproven.status_code == 403
    assert (out.status_code, out.json(), again.status_code) == (200, {}, 200)
    assert 'voicegateway=""' in out.headers["set-cookie"]
    assert used.status_code == 401


async def test_signing_in_again_ends_the_sign_in_that_was_there(api: httpx.AsyncClient, operator_text: str) -> None:
    await signed_in(api, operator_text)
    planted = dict(api.cookies)
    await signed_in(api, operator_text)
    now = dict(api.cookies)
    api.cookies.update(planted)
    before = await api.get(WHOAMI)
    api.cookies.update(now)

    assert planted != now
    assert before.status_code == 401
    assert (await api.get(WHOAMI)).status_code == 200


async def test_a_sign_in_ends_with_its_token_at_every_replica(
    start_api: StartApi, engine: AsyncEngine, operator_text: str
) -> None:
    async with start_api() as browser:
        await signed_in(browser, operator_text)

        await revoke_token(engine, operator_text.split("_")[1], by="database")

        refused = await refused_soon(browser)
        assert "revoked" in refused.json()["detail"]
        assert (await browser.get("/api/v1/sign-in/options")).json()["signed_in"] is None


async def test_a_sign_in_never_outlives_its_token(api: httpx.AsyncClient, engine: AsyncEngine) -> None:
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    text = await create_token(engine, role=Role.VIEWER, name="short", projects=["acme"], expires_at=expires_at)

    await signed_in(api, text)
    who = (await api.get(WHOAMI)).json()

    assert datetime.fromisoformat(who["expires_at"]) == expires_at
    assert who["projects"] == ["acme"]


async def test_it_ends_when_unused_and_at_last_however_used(
    start_api: StartApi, operator_text: str, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for column, ago in (("last_seen_at", "3 hours"), ("expires_at", "1 second")):
        async with start_api() as browser:
            await signed_in(browser, operator_text)
            await db.execute(f"UPDATE sign_in SET {column} = clock_timestamp() - interval '{ago}'")
        async with start_api() as later:
            later.cookies.update(dict(browser.cookies))

            refused = await later.get(WHOAMI)

            assert refused.status_code == 401
            assert "has expired" in refused.json()["detail"]


async def test_people_see_and_end_their_own_admins_everybodys(
    start_api: StartApi, engine: AsyncEngine, operator_text: str, make_token: MakeToken
) -> None:
    async with start_api() as ann, start_api() as bob:
        proof = await signed_in(ann, operator_text)
        await signed_in(bob, await create_token(engine, role=Role.VIEWER, name="Bob"))
        mine = (await ann.get("/api/v1/sign-ins")).json()["sign_ins"]
        theirs = (await bob.get("/api/v1/sign-ins")).json()["sign_ins"]
        admin = await make_token(Role.ADMIN)
        every = (await ann.get("/api/v1/sign-ins", headers=admin)).json()["sign_ins"]
        foreign = await ann.delete(f"/api/v1/sign-ins/{theirs[0]['id']}", headers=proof)
        asked_for = (await ann.get("/api/v1/sign-ins", params={"actor": theirs[0]["actor"]})).json()["sign_ins"]

        assert [(each["name"], each["is_current"]) for each in mine] == [("Ann", True)]
        assert [each["name"] for each in every] == ["Bob", "Ann"]
        assert (foreign.status_code, asked_for) == (404, [])
        assert (await bob.get(WHOAMI)).status_code == 200

        ended = await ann.delete(f"/api/v1/sign-ins/{theirs[0]['id']}", headers=admin)

        assert ended.status_code == 200
        await refused_soon(bob)


async def test_sign_ins_of_one_token_are_bounded(
    start_api: StartApi, operator_text: str, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with start_api() as browser:
        for _ in range(SIGN_INS_MAX + 3):
            browser.cookies.clear()
            await signed_in(browser, operator_text)

        assert await db.fetchval("SELECT count(*) FROM sign_in WHERE ended_at IS NULL") == SIGN_INS_MAX
        assert (await browser.get(WHOAMI)).status_code == 200
    # The audit log says of each that was ended which one came in its place.
    ended = await db.fetch("SELECT id FROM sign_in WHERE ended_by = 'too many' ORDER BY ended_at")
    told = await db.fetch(
        "SELECT after::json -> 'ended' AS ended FROM audit_record WHERE action = 'sign_in.begin' ORDER BY number"
    )
    assert [json.loads(row["ended"]) for row in told] == [[]] * SIGN_INS_MAX + [[row["id"]] for row in ended]


async def test_cookies_are_stored_as_hashes_and_told_to_nobody(
    api: httpx.AsyncClient,
    operator_text: str,
    make_token: MakeToken,
    db: "asyncpg.Connection[asyncpg.Record]",
    capsys: pytest.CaptureFixture[str],
) -> None:
    proof = await signed_in(api, operator_text)
    admin = await make_token(Role.ADMIN)
    secrets = [
        api.cookies["voicegateway"].split("_", 2)[2], proof["X-CSRF-Token"], operator_text.split("_", 2)[2],
    ]  # fmt: skip
    listed = (await api.get("/api/v1/sign-ins", headers=admin)).text + (
        await api.get("/api/v1/audit", headers=admin)
    ).text
    stored = await db.fetchval("SELECT string_agg(s::text, '') FROM sign_in s")
    metrics = (await api.get("/metrics")).text
    said = capsys.readouterr()

    assert "sign_in.begin" in listed
    assert "sign_in.begun" in said.out + said.err
    for place in (listed, stored, metrics, said.out, said.err):
        assert not any(secret in place for secret in secrets)
