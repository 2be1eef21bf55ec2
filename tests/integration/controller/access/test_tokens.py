"""Tokens over HTTP: made, listed, used, expired, revoked everywhere at once; and only by admins of everything."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.controller.conftest import MakeToken, StartApi

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.access.remembered import FRESH_S

TOKENS = "/api/v1/tokens"
WHOAMI = "/api/v1/whoami"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_a_token_is_shown_once_and_stored_as_its_hash(
    api: httpx.AsyncClient, make_token: MakeToken, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    admin = await make_token(Role.ADMIN)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)

    made = await api.post(
        TOKENS,
        headers=admin,
        json={
            "name": "agents", "role": "worker", "projects": ["beta", "acme", "acme"],
            "expires_at": expires_at.isoformat(),
        },
    )  # fmt: skip
    answer = made.json()
    text = answer.pop("token")
    who = (await api.get(WHOAMI, headers=bearer(text))).json()
    shown = (await api.get(f"{TOKENS}/{answer['id']}", headers=admin)).json()
    stored = await db.fetchval("SELECT t::text FROM access_token t WHERE id = $1", answer["id"])

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert {**answer, "last_used_at": shown["last_used_at"]} == shown
    assert datetime.fromisoformat(answer["expires_at"]) == expires_at
    assert (who["role"], who["projects"], who["kind"], who["csrf_token"]) == ("worker", ["acme", "beta"], "token", None)
    assert who["name"] == "agents"
    assert shown["last_used_at"] is not None
    assert text.split("_", 2)[2] not in stored


async def test_the_audit_log_tells_who_made_and_revoked_it_and_no_secret(
    api: httpx.AsyncClient, make_token: MakeToken, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    admin = await make_token(Role.ADMIN)
    me = (await api.get(WHOAMI, headers=admin)).json()["actor"]
    made = (await api.post(TOKENS, headers=admin, json={"name": "a", "role": "viewer"})).json()
    await api.delete(f"{TOKENS}/{made['id']}", headers=admin, params={"reason": "left"})
    await api.delete(f"{TOKENS}/{made['id']}", headers=admin)

    records = await db.fetch("SELECT actor, action, resource, reason, after FROM audit_record ORDER BY number")

    assert [(row["actor"], row["action"], row["resource"], row["reason"]) for row in records] == [
        (me, "token.create", f"tokens/{made['id']}", ""),
        (me, "token.revoke", f"tokens/{made['id']}", "left"),
    ]
    assert made["token"].split("_", 2)[2] not in "".join(row["after"] for row in records)


async def test_what_makes_no_token_is_refused(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    admin = await make_token(Role.ADMIN)
    bodies: tuple[tuple[dict[str, Any], int], ...] = (
        ({"role": "viewer"}, 422),
        ({"name": "", "role": "viewer"}, 422),
        ({"name": "a\nb", "role": "viewer"}, 422),
        ({"name": "a", "role": "root"}, 422),
        ({"name": "a", "role": "viewer", "projects": []}, 422),
        ({"name": "a", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}, 400),
        ({"name": "a", "role": "viewer", "expires_at": "9999-12-31T23:59:59-12:00"}, 400),
        ({"name": "a", "role": "viewer", "secret_hash": "x"}, 422),
    )
    for body, status in bodies:
        made = await api.post(TOKENS, headers=admin, json=body)

        assert made.status_code == status, (body, made.text)


async def test_only_admins_of_all_projects_see_and_make_tokens(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    for headers in (
        await make_token(Role.OPERATOR), await make_token(Role.VIEWER), await make_token(Role.WORKER),
        await make_token(Role.ADMIN, projects=["acme"]),
    ):  # fmt: skip
        assert (await api.get(TOKENS, headers=headers)).status_code == 403
        assert (await api.post(TOKENS, headers=headers, json={"name": "a", "role": "admin"})).status_code == 403
        assert (await api.delete(f"{TOKENS}/x", headers=headers)).status_code == 403


async def test_tokens_are_paged_the_newest_first_and_filtered(
    api: httpx.AsyncClient, make_token: MakeToken, engine: AsyncEngine
) -> None:
    admin = await make_token(Role.ADMIN)
    for number in range(4):
        await create_token(engine, role=Role.WORKER, name=f"w{number}", projects=["acme"] if number % 2 else None)

    first = (await api.get(TOKENS, headers=admin, params={"limit": 3, "role": "worker"})).json()
    second = (
        await api.get(TOKENS, headers=admin, params={"limit": 3, "role": "worker", "cursor": first["next"]})
    ).json()
    of_acme = (await api.get(TOKENS, headers=admin, params={"project": "rival"})).json()

    assert [each["name"] for each in first["tokens"] + second["tokens"]] == ["w3", "w2", "w1", "w0"]
    assert second["next"] is None
    assert [each["name"] for each in of_acme["tokens"]] == ["w2", "w0", "test"]


async def test_a_revoked_token_is_refused_at_once_here_and_soon_at_every_replica(
    start_api: StartApi, make_token: MakeToken, engine: AsyncEngine
) -> None:
    admin = await make_token(Role.ADMIN)
    text = await create_token(engine, role=Role.VIEWER, name="leaves")
    async with start_api() as here, start_api() as there:
        for replica in (here, there):
            assert (await replica.get(WHOAMI, headers=bearer(text))).status_code == 200

        await here.delete(f"{TOKENS}/{text.split('_')[1]}", headers=admin)

        assert (await here.get(WHOAMI, headers=bearer(text))).status_code == 401
        # Sooner than what that replica remembers would be asked for again.
        async with asyncio.timeout(FRESH_S / 2):
            while True:
                refused = await there.get(WHOAMI, headers=bearer(text))
                if refused.status_code == 401:
                    break
                await asyncio.sleep(0.02)
        assert "revoked" in refused.json()["detail"]


async def test_an_expired_token_is_refused_without_asking_anybody(api: httpx.AsyncClient, engine: AsyncEngine) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    text = await create_token(engine, role=Role.VIEWER, name="short", expires_at=soon)
    assert (await api.get(WHOAMI, headers=bearer(text))).status_code == 200

    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.01)

    refused = await api.get(WHOAMI, headers=bearer(text))
    assert refused.status_code == 401
    assert "expired" in refused.json()["detail"]


async def test_the_last_admin_is_not_locked_out_by_mistake(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    admin = await make_token(Role.ADMIN)
    me = (await api.get(WHOAMI, headers=admin)).json()["actor"]
    await make_token(Role.ADMIN, projects=["acme"])
    await make_token(Role.ADMIN, expires_at=datetime.now(UTC) - timedelta(days=1))

    kept = await api.delete(f"{TOKENS}/{me}", headers=admin)
    gone = await api.delete(f"{TOKENS}/{me}", headers=admin, params={"force": "true"})

    assert (kept.status_code, kept.json()["code"]) == (409, "conflict")
    assert "last token of an admin" in kept.json()["detail"]
    assert (gone.status_code, gone.json()["state"]) == (200, "revoked")
    assert (await api.get(WHOAMI, headers=admin)).status_code == 401


async def test_tokens_are_read_from_the_header_alone(api: httpx.AsyncClient, engine: AsyncEngine) -> None:
    text = await create_token(engine, role=Role.ADMIN, name="a")

    for query in ("token", "access_token", "authorization", "key"):
        assert (await api.get(WHOAMI, params={query: text})).status_code == 401
    for header in ({"Authorization": text}, {"Authorization": f"Basic {text}"}, {"X-Api-Key": text}):
        assert (await api.get(WHOAMI, headers=header)).status_code == 401
    api.cookies.set("voicegateway", text)
    assert (await api.get(WHOAMI)).status_code == 401
    # Beside a token that is no good, no cookie counts.
    assert (await api.get(WHOAMI, headers=bearer("vgw_a_b"))).status_code == 401


async def test_hostile_tokens_are_refused_and_break_nothing(api: httpx.AsyncClient) -> None:
    for text in ("vgw_\x01_x", "vgw_" + "a" * 150 + "_x", "vgw_%00_x", "vgw_'; DROP TABLE access_token;--_x", "vgw__"):
        answer = await api.get(WHOAMI, headers={b"Authorization": f"Bearer {text}".encode()})
        assert answer.status_code == 401, text
        assert text not in answer.text
