"""Each change is written down with who made it, once, in its own transaction, sealed with the one before."""

import asyncio

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.audit.record import NO_DIGEST, sealed
from voicegateway_controller.db.engine import raw_connection


def change(resource: str = "limits", **details: object) -> Change:
    return Change(actor="1f2e", action="limits.declare", resource=resource, **details)  # type: ignore[arg-type]


async def recorded(engine: AsyncEngine, made: Change) -> int:
    async with raw_connection(engine) as connection, connection.transaction():
        return await record_change(connection, made)


async def test_records_are_numbered_and_sealed_one_after_another(
    engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    numbers = await asyncio.gather(*(recorded(engine, change(after=[{"id": each}])) for each in range(5)))

    assert sorted(numbers) == [1, 2, 3, 4, 5]
    digest = NO_DIGEST
    for row in await db.fetch(
        "SELECT *, (extract(epoch FROM at) * 1000000)::bigint AS at_us FROM audit_record ORDER BY number"
    ):
        fields = [
            row[name]
            for name in ("number", "at_us", "actor", "action", "resource", "project", "reason", "before", "after")
        ]
        digest = sealed(digest, fields)
        assert row["digest"] == digest


async def test_secrets_of_a_document_are_masked_at_any_depth(
    engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await recorded(engine, change(after={"keys": [{"api_key": "secret-0123456789-2345", "name": "main"}]}))

    assert await db.fetchval("SELECT after FROM audit_record") == '{"keys":[{"api_key":"secr...2345","name":"main"}]}'


async def test_lists_of_secrets_are_masked_too(engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]") -> None:
    await recorded(
        engine, change(after={"vault_secrets": ["secret-0123456789-2345", {"old": "secret-9876543210-6789"}]})
    )

    after = await db.fetchval("SELECT after FROM audit_record")
    assert after == '{"vault_secrets":["secr...2345",{"old":"secr...6789"}]}'


async def test_a_change_that_fails_leaves_no_record(
    engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async def fail() -> None:
        async with raw_connection(engine) as connection, connection.transaction():
            await record_change(connection, change())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await db.fetchval("SELECT count(*) FROM audit_record") == 0
    assert await recorded(engine, change()) == 1


async def test_a_huge_document_is_recorded_by_its_digest(
    engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await recorded(engine, change(before=["x" * 300_000]))

    assert '"bytes":300004' in await db.fetchval("SELECT before FROM audit_record")


async def test_records_cannot_be_changed(engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]") -> None:
    await recorded(engine, change())

    for statement in ("UPDATE audit_record SET actor = ''", "DELETE FROM audit_record", "TRUNCATE audit_record"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await db.execute(statement)
