"""Where there never was a token, the first admin's is made once, however many replicas start; lost ones are mended."""

import asyncio
from pathlib import Path

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token, new_token, revoke_token
from voicegateway_controller.access.bootstrap import FirstStart
from voicegateway_controller.cli.tokens import _listed


async def test_of_many_replicas_one_makes_the_token_and_prints_it_once(
    engine: AsyncEngine, api: httpx.AsyncClient, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    said: list[str] = []

    made = await asyncio.gather(*(FirstStart(engine, None, say=said.append).look() for _ in range(4)))
    again = await FirstStart(engine, None, say=said.append).look()

    assert sorted(made) == [False, False, False, True]
    assert not again
    [text] = [line.strip() for line in "".join(said).splitlines() if line.strip().startswith("vgw_")]
    who = (await api.get("/api/v1/whoami", headers={"Authorization": f"Bearer {text}"})).json()
    assert (who["role"], who["projects"], who["name"]) == ("admin", None, "first admin")
    assert await db.fetchval("SELECT actor || ' ' || action FROM audit_record") == "bootstrap token.create"


async def test_a_given_token_is_taken_and_not_printed(engine: AsyncEngine, api: httpx.AsyncClient) -> None:
    said: list[str] = []
    text, _ = new_token()

    await FirstStart(engine, SecretStr(text), say=said.append).look()

    assert said == []
    assert (await api.get("/api/v1/whoami", headers={"Authorization": f"Bearer {text}"})).status_code == 200


async def test_a_given_token_opens_nothing_where_there_was_a_token_before(
    engine: AsyncEngine, api: httpx.AsyncClient
) -> None:
    await revoke_token(engine, (await create_token(engine, role=Role.ADMIN, name="gone")).split("_")[1])
    text, _ = new_token()

    assert not await FirstStart(engine, SecretStr(text)).look()

    assert (await api.get("/api/v1/whoami", headers={"Authorization": f"Bearer {text}"})).status_code == 401


async def test_it_waits_for_the_schema(empty_database_url: str) -> None:
    from voicegateway_controller.db.engine import make_engine
    from voicegateway_controller.errors import SchemaNotMigrated

    empty = make_engine(empty_database_url, pool_size=1, application_name="test")
    first = FirstStart(empty, None)

    with pytest.raises(SchemaNotMigrated):
        await first.look()
    first.start()
    await first.close()

    await empty.dispose()


async def test_tokens_are_made_listed_and_revoked_without_a_controller(
    database_url: str,
    engine: AsyncEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    monkeypatch.setenv("VOICEGATEWAY_DATABASE_URL", database_url.replace("+asyncpg", ""))
    voicegw = Voicegw("tokens", "http://127.0.0.1:9", "vgw_a_b", tmp_path)

    made = await voicegw("create", "--role", "admin", "--name", "me", "--expires", "90d", "--database")
    token_id = made.out.strip().split("_")[1]
    [row] = await _listed(engine, "", "", "active")
    revoked = await voicegw("revoke", made.out.strip(), "--database", "--reason", "lost")

    assert (made.code, revoked.code) == (0, 0), made.err + revoked.err
    assert (row["id"], row["role"], row["state"], row["created_by"]) == (token_id, "admin", "active", "database")
    assert revoked.out.strip() == f"{token_id} is revoked."
    assert [
        tuple(each) for each in await db.fetch("SELECT actor, action, reason FROM audit_record ORDER BY number")
    ] == [
        ("database", "token.create", ""),
        ("database", "token.revoke", "lost"),
    ]
