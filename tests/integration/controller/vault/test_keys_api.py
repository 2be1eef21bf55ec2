"""Keys over HTTP: nobody sees them again, everybody may hold them only as far as they should."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from tests.integration.controller.conftest import MakeToken, StartApi

from voicegateway_controller.access.rules import Role
from voicegateway_controller.vault.ring import new_secret, secret_id
from voicegateway_shared.fingerprints import fingerprint

KEY = "sk-test-0123456789abcdefghij"
OTHER = "sk-test-jihgfedcba9876543210"
NEW: dict[str, Any] = {"id": "openai-main", "provider": "openai", "secret": KEY}


@pytest_asyncio.fixture
async def keys_api(start_api: StartApi, secret: str, make_token: MakeToken) -> AsyncIterator[httpx.AsyncClient]:
    """The API with a vault secret, asked by an admin."""
    async with start_api(vault_secrets=secret) as client:
        client.headers.update(await make_token(Role.ADMIN))
        yield client


async def test_a_key_is_sealed_and_shown_masked_only(
    keys_api: httpx.AsyncClient, db: "asyncpg.Connection[asyncpg.Record]", secret: str
) -> None:
    made = await keys_api.post("/api/v1/keys", json={**NEW, "projects": ["acme"], "note": "main"})
    shown = await keys_api.get("/api/v1/keys/openai-main")
    row = await db.fetchrow("SELECT * FROM vault_key")

    assert made.status_code == 201, made.text
    body = shown.json()
    assert (body["masked"], body["fingerprint"], body["projects"]) == ("sk-t...ghij", fingerprint(KEY), ["acme"])
    assert (body["state"], body["source"], body["version"], body["sealed_by"]) == ("active", "db", 1, secret_id(secret))
    assert KEY not in made.text + shown.text
    assert row is not None
    assert KEY.encode() not in bytes(row["sealed"])
    assert KEY not in str(dict(row))


async def test_every_change_is_in_the_audit_log_without_the_key(
    keys_api: httpx.AsyncClient, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await keys_api.post("/api/v1/keys", json=NEW)
    await keys_api.patch("/api/v1/keys/openai-main", json={"projects": ["acme"]})
    await keys_api.post("/api/v1/keys/openai-main/rotate", json={"secret": OTHER})
    await keys_api.delete("/api/v1/keys/openai-main", params={"reason": "leaked"})

    rows = await db.fetch("SELECT action, resource, reason, before, after FROM audit_record ORDER BY number")

    told = [(row["action"], row["resource"], row["reason"]) for row in rows if row["resource"] == "keys/openai-main"]
    assert told == [
        ("key.add", "keys/openai-main", ""),
        ("key.change", "keys/openai-main", ""),
        ("key.rotate", "keys/openai-main", ""),
        ("key.revoke", "keys/openai-main", "leaked"),
    ]
    assert KEY not in str([dict(row) for row in rows])
    assert OTHER not in str([dict(row) for row in rows])
    assert "sk-t...ghij" in rows[-4]["after"]


async def test_a_revoked_key_is_overwritten_and_its_name_is_free_again(
    keys_api: httpx.AsyncClient, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await keys_api.post("/api/v1/keys", json=NEW)
    revoked = await keys_api.delete("/api/v1/keys/openai-main")
    again = await keys_api.delete("/api/v1/keys/openai-main")
    sealed = await db.fetchval("SELECT sealed FROM vault_key")
    rotated = await keys_api.post("/api/v1/keys/openai-main/rotate", json={"secret": OTHER})
    listed = await keys_api.get("/api/v1/keys")
    anew = await keys_api.post("/api/v1/keys", json={**NEW, "secret": OTHER})

    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert again.status_code == 200
    assert sealed is None
    assert rotated.status_code == 409
    assert listed.json()["keys"] == []
    assert anew.status_code == 201
    # No holder takes the new key for the old one: revoking counted, too.
    assert anew.json()["version"] == 3


async def test_the_same_key_twice_is_refused_and_so_is_a_name_that_is_taken(keys_api: httpx.AsyncClient) -> None:
    await keys_api.post("/api/v1/keys", json=NEW)

    twin = await keys_api.post("/api/v1/keys", json={**NEW, "id": "other"})
    taken = await keys_api.post("/api/v1/keys", json={**NEW, "secret": OTHER})
    same = await keys_api.post("/api/v1/keys/openai-main/rotate", json={"secret": KEY})
    elsewhere = await keys_api.post("/api/v1/keys", json={**NEW, "id": "elsewhere", "provider": "groq"})

    assert (twin.status_code, "'openai-main'" in twin.json()["detail"]) == (409, True)
    assert taken.status_code == 409
    assert same.status_code == 409
    assert elsewhere.status_code == 201


async def test_two_people_who_change_the_same_key_are_told_of_each_other(keys_api: httpx.AsyncClient) -> None:
    made = await keys_api.post("/api/v1/keys", json=NEW)
    tag = {"If-Match": made.headers["ETag"]}

    first = await keys_api.patch("/api/v1/keys/openai-main", json={"note": "mine"}, headers=tag)
    second = await keys_api.patch("/api/v1/keys/openai-main", json={"note": "no, mine"}, headers=tag)
    late = await keys_api.delete("/api/v1/keys/openai-main", headers=tag)

    assert [first.status_code, second.status_code, late.status_code] == [200, 409, 409]
    assert first.headers["ETag"] != made.headers["ETag"]


async def test_what_is_no_key_is_refused_and_never_repeated(keys_api: httpx.AsyncClient) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"id": "Not A Name"}, "id"),
        ({"provider": "nobody"}, "provider"),
        ({"secret": "short"}, "characters"),
        ({"secret": "sk-with a space inside it"}, "characters that no key has"),
        ({"secret": "sk-with\nline-end-inside"}, "characters that no key has"),
        ({"projects": []}, "projects"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"unknown": 1}, "unknown"),
    ]
    for changes, said in wrong:
        answer = await keys_api.post("/api/v1/keys", json={**NEW, **changes})

        assert answer.status_code in (400, 422)
        assert said in answer.json()["detail"]
        assert str(changes.get("secret", KEY)) not in answer.text


async def test_only_admins_of_everything_change_keys(keys_api: httpx.AsyncClient, make_token: MakeToken) -> None:
    callers = [await make_token(role) for role in (Role.OPERATOR, Role.VIEWER, Role.WORKER)]
    for headers in [*callers, await make_token(Role.ADMIN, projects=["acme"])]:
        answers = [
            await keys_api.post("/api/v1/keys", json=NEW, headers=headers),
            await keys_api.patch("/api/v1/keys/openai-main", json={}, headers=headers),
            await keys_api.delete("/api/v1/keys/openai-main", headers=headers),
            await keys_api.get("/api/v1/vault", headers=headers),
            await keys_api.post("/api/v1/vault/rotate-secret", json={}, headers=headers),
        ]

        assert [each.status_code for each in answers] == [403] * 5


async def test_a_token_of_some_projects_sees_their_keys_and_no_other_projects_name(
    keys_api: httpx.AsyncClient, make_token: MakeToken
) -> None:
    await keys_api.post("/api/v1/keys", json={**NEW, "projects": ["acme", "globex"]})
    await keys_api.post("/api/v1/keys", json={**NEW, "id": "hidden", "secret": OTHER, "projects": ["globex"]})
    acme = await make_token(Role.VIEWER, projects=["acme"])

    listed = await keys_api.get("/api/v1/keys", headers=acme)
    hidden = await keys_api.get("/api/v1/keys/hidden", headers=acme)

    assert [(each["id"], each["projects"]) for each in listed.json()["keys"]] == [("openai-main", ["acme"])]
    assert hidden.status_code == 404
    assert "globex" not in listed.text


async def test_a_token_of_some_projects_is_not_told_how_many_processes_of_others_hold_a_key(
    keys_api: httpx.AsyncClient, make_token: MakeToken
) -> None:
    await keys_api.post("/api/v1/keys", json=NEW)
    worker = await make_token(Role.WORKER)
    for pid, project in enumerate(("acme", "globex", "globex")):
        call = {"session_id": f"AJ_{pid}", "project": project, "agent": "a", "room": "r", "started_at": "2026-11-21"}
        message = {
            "incarnation": f"i-{pid}", "seq": 1, "host": "h", "pid": pid, "shim_version": "0.1.0", "sessions": [call],
            "keys": {"needs": ["openai"], "held": [{"id": "openai-main", "version": 1}]},
        }  # fmt: skip
        assert (await keys_api.post("/v1/sync", json=message, headers=worker)).status_code == 200
    acme = await make_token(Role.VIEWER, projects=["acme"])

    seen = [(await keys_api.get("/api/v1/keys/openai-main", headers=each)).json()["holders"] for each in ({}, acme)]

    assert seen == [3, 1]


async def test_without_a_secret_the_vault_is_locked_and_everything_else_goes_on(
    start_api: StartApi, make_token: MakeToken, secret: str
) -> None:
    admin = await make_token(Role.ADMIN)
    async with start_api(vault_secrets=secret) as client:
        await client.post("/api/v1/keys", json=NEW, headers=admin)
    async with start_api() as client:
        client.headers.update(admin)
        added = await client.post("/api/v1/keys", json={**NEW, "id": "other", "secret": OTHER})
        status = (await client.get("/api/v1/vault")).json()
        listed = (await client.get("/api/v1/keys")).json()["keys"]
        tried = await client.post("/api/v1/keys/openai-main/test")
        revoked = await client.delete("/api/v1/keys/openai-main")
        ready = await client.get("/readyz")

    assert (added.status_code, added.json()["code"]) == (503, "vault_locked")
    assert "voicegw vault new-secret" in added.json()["detail"]
    assert (status["is_open"], status["unopened"]) == (False, ["openai-main"])
    assert [each["state"] for each in listed] == ["locked"]
    assert (tried.status_code, tried.json()["code"]) == (503, "vault_locked")
    # What nobody can open can still be taken away.
    assert revoked.status_code == 200
    assert ready.status_code == 200


@pytest.mark.parametrize("text", ["not-a-secret", "c2hvcnQ="], ids=["nonsense", "short"])
async def test_a_secret_that_is_none_locks_the_vault_and_is_not_repeated(
    start_api: StartApi, make_token: MakeToken, text: str
) -> None:
    async with start_api(vault_secrets=text) as client:
        client.headers.update(await make_token(Role.ADMIN))
        status = await client.get("/api/v1/vault")

    assert status.json()["is_open"] is False
    assert "secret 1 of VOICEGATEWAY_VAULT_SECRETS" in status.json()["problem"]
    assert text not in status.text


async def test_everything_is_sealed_anew_under_a_new_primary_while_it_is_lent(
    start_api: StartApi, make_token: MakeToken, secret: str, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    admin, newer = await make_token(Role.ADMIN), new_secret()
    async with start_api(vault_secrets=secret) as client:
        for number in range(3):
            await client.post(
                "/api/v1/keys", json={**NEW, "id": f"k{number}", "secret": f"{KEY}{number}"}, headers=admin
            )
    async with start_api(vault_secrets=f"{newer},{secret}") as client:
        client.headers.update(admin)
        before = (await client.get("/api/v1/vault")).json()
        preview = (await client.post("/api/v1/vault/rotate-secret", json={"dry_run": True})).json()
        done = (await client.post("/api/v1/vault/rotate-secret", json={})).json()
        again = (await client.post("/api/v1/vault/rotate-secret", json={})).json()
        versions = [each["version"] for each in (await client.get("/api/v1/keys")).json()["keys"]]
    async with start_api(vault_secrets=newer) as client:
        after = (await client.get("/api/v1/vault", headers=admin)).json()

    assert before["sealed_under"] == {secret_id(secret): 3}
    assert (done["resealed"], done["keys"], done["unopened"]) == (3, ["k0", "k1", "k2"], [])
    assert preview == {**done, "is_dry_run": True}
    assert again["resealed"] == 0
    # No worker is sent a key again.
    assert versions == [1, 1, 1]
    assert (after["is_open"], after["sealed_under"]) == (True, {secret_id(newer): 3})
    assert await db.fetchval("SELECT count(*) FROM audit_record WHERE action = 'vault.reseal'") == 1


async def test_nothing_is_sealed_under_a_secret_that_a_controller_has_not_yet(
    start_api: StartApi, make_token: MakeToken, secret: str
) -> None:
    admin, newer = await make_token(Role.ADMIN), new_secret()
    nobody = "openai=http://127.0.0.1:9"
    async with (
        start_api(vault_secrets=secret, vault_test_urls=nobody) as old,
        start_api(vault_secrets=f"{newer},{secret}", vault_test_urls=nobody) as new,
    ):
        made = await new.post("/api/v1/keys", json=NEW, headers=admin)
        opened = await old.post("/api/v1/keys/openai-main/test", headers=admin)
        refused = await new.post("/api/v1/vault/rotate-secret", json={}, headers=admin)
        forced = await new.post("/api/v1/vault/rotate-secret", json={"force": True}, headers=admin)

    assert made.json()["sealed_by"] == secret_id(secret)
    assert opened.status_code == 200
    assert (refused.status_code, secret_id(newer) in refused.json()["detail"]) == (409, True)
    assert forced.json()["resealed"] == 1


async def test_keys_whose_secret_is_gone_stay_as_they_are_when_the_rest_is_sealed_anew(
    start_api: StartApi, make_token: MakeToken, secret: str
) -> None:
    admin = await make_token(Role.ADMIN)
    lost, newer = new_secret(), new_secret()
    async with start_api(vault_secrets=lost) as client:
        await client.post("/api/v1/keys", json={**NEW, "id": "lost"}, headers=admin)
    async with start_api(vault_secrets=secret) as client:
        await client.post("/api/v1/keys", json={**NEW, "id": "mine", "secret": OTHER}, headers=admin)
    async with start_api(vault_secrets=f"{newer},{secret}") as client:
        done = (await client.post("/api/v1/vault/rotate-secret", json={}, headers=admin)).json()
        given = await client.post("/api/v1/keys/lost/rotate", json={"secret": f"{KEY}-new"}, headers=admin)
        status = (await client.get("/api/v1/vault", headers=admin)).json()

    assert (done["keys"], done["unopened"]) == (["mine"], ["lost"])
    assert given.status_code == 200
    assert status["is_open"] is True


async def test_seals_that_changed_places_are_not_opened(
    keys_api: httpx.AsyncClient, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await keys_api.post("/api/v1/keys", json={**NEW, "id": "a"})
    await keys_api.post("/api/v1/keys", json={**NEW, "id": "b", "provider": "groq", "secret": OTHER})
    await db.execute("UPDATE vault_key SET sealed = (SELECT sealed FROM vault_key WHERE id = 'a') WHERE id = 'b'")

    tried = await keys_api.post("/api/v1/keys/b/test")

    assert (tried.status_code, tried.json()["code"]) == (503, "vault_locked")
    assert "another key's" in tried.json()["detail"]


async def test_two_changes_at_once_are_made_one_after_the_other(keys_api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(keys_api.post("/api/v1/keys", json={**NEW, "id": f"k{number}"}) for number in range(6))
    )

    assert sorted(each.status_code for each in answers) == [201] + [409] * 5


async def test_the_vendor_is_asked_whether_a_key_is_good(
    start_api: StartApi, make_token: MakeToken, secret: str
) -> None:
    statuses = [200, 401, 403, 302, 429, 500]
    seen: list[tuple[str, str]] = []

    async def models(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers["Authorization"]))
        # A vendor that says the key back, and one that sends it elsewhere.
        told = {"echo": request.headers["Authorization"]}
        return web.json_response(told, status=statuses[len(seen) - 1], headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_get("/{path:.*}", models)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"openai=http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with start_api(vault_secrets=secret, vault_test_urls=url) as client:
            client.headers.update(await make_token(Role.ADMIN))
            await client.post("/api/v1/keys", json=NEW)
            tried = [await client.post("/api/v1/keys/openai-main/test") for _ in statuses]
            shown = (await client.get("/api/v1/keys/openai-main")).json()
    finally:
        await runner.cleanup()

    assert seen == [("/v1/models", f"Bearer {KEY}")] * len(statuses)
    assert [each.json()["verdict"] for each in tried] == ["good", "refused", "refused"] + ["unclear"] * 3
    assert [each.json()["status"] for each in tried] == statuses
    assert KEY not in "".join(each.text for each in tried)
    assert (shown["version"], shown["test_result"]) == (1, "unclear")


async def test_a_vendor_that_is_not_there_says_nothing_of_the_key(
    start_api: StartApi, make_token: MakeToken, secret: str
) -> None:
    async with start_api(vault_secrets=secret, vault_test_urls="openai=http://127.0.0.1:9") as client:
        client.headers.update(await make_token(Role.ADMIN))
        await client.post("/api/v1/keys", json=NEW)
        await client.post("/api/v1/keys", json={**NEW, "id": "hume", "provider": "hume"})
        unclear = (await client.post("/api/v1/keys/openai-main/test")).json()
        not_tried = (await client.post("/api/v1/keys/hume/test")).json()
        missing = await client.post("/api/v1/keys/none/test")

    assert unclear["verdict"] == "unclear"
    assert not_tried["verdict"] == "not_tried"
    assert missing.status_code == 404


async def test_pages_of_keys_follow_each_other(keys_api: httpx.AsyncClient) -> None:
    for number in range(3):
        await keys_api.post("/api/v1/keys", json={**NEW, "id": f"k{number}", "secret": f"{KEY}{number}"})

    first = (await keys_api.get("/api/v1/keys", params={"limit": 2})).json()
    second = (await keys_api.get("/api/v1/keys", params={"limit": 2, "cursor": first["next"]})).json()

    assert [each["id"] for each in first["keys"]] == ["k0", "k1"]
    assert [each["id"] for each in second["keys"]] == ["k2"]
    assert second["next"] is None


async def test_a_worker_elsewhere_is_lent_keys_over_tls_only(
    start_api: StartApi, make_token: MakeToken, secret: str
) -> None:
    worker, admin = await make_token(Role.WORKER), await make_token(Role.ADMIN)
    message: dict[str, Any] = {
        "version": 1, "incarnation": "test", "seq": 1, "host": "h", "pid": 1, "shim_version": "1", "sessions": [],
        "keys": {"needs": ["openai"]},
    }  # fmt: skip
    async with start_api(vault_secrets=secret) as client:
        await client.post("/api/v1/keys", json=NEW, headers=admin)
        transport = client._transport
        assert isinstance(transport, httpx.ASGITransport)

        async def lent(scheme: str, address: str, headers: dict[str, str]) -> Any:
            way = httpx.ASGITransport(transport.app, client=(address, 1))
            async with httpx.AsyncClient(transport=way, base_url=f"{scheme}://api") as elsewhere:
                answer = await elsewhere.post("/v1/sync", json=message, headers=headers)
            keys = answer.json().get("keys")
            return keys and [each["secret"] for each in keys["keys"]]

        assert await lent("http", "127.0.0.1", worker) == [KEY]
        assert await lent("https", "10.0.0.7", worker) == [KEY]
        assert await lent("http", "10.0.0.7", worker) is None
        assert await lent("http", "127.0.0.1", worker | {"X-Forwarded-For": "10.0.0.7"}) is None
        assert await lent("https", "10.0.0.7", admin) is None
