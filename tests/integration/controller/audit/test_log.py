"""The audit log over HTTP: each change with who made it; pages, filters, files; and what was tampered with."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.controller.conftest import MakeToken

from voicegateway_controller.access import Role
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.audit.chain import Chain
from voicegateway_controller.audit.exported import read_line
from voicegateway_controller.db.engine import raw_connection

AUDIT = "/api/v1/audit"


@pytest_asyncio.fixture
async def admin(api: httpx.AsyncClient, make_token: MakeToken) -> AsyncIterator[httpx.AsyncClient]:
    """The API, asked by an admin."""
    api.headers.update(await make_token(Role.ADMIN))
    yield api


async def record(engine: AsyncEngine, number: int, **details: Any) -> None:
    change = Change(**{
        "actor": "1f2e", "action": "limits.declare", "resource": "limits", "after": [{"id": f"l{number}"}], **details,
    })  # fmt: skip
    async with raw_connection(engine) as connection, connection.transaction():
        await record_change(connection, change)


async def records(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answered = await client.get(AUDIT, params=query)
    assert answered.status_code == 200, answered.text
    found: list[dict[str, Any]] = answered.json()["records"]
    return found


async def test_changes_are_in_the_log_with_who_made_them(admin: httpx.AsyncClient) -> None:
    me = (await admin.get("/api/v1/whoami")).json()["actor"]
    alias = {"provider": "openai", "name": "GPT-X", "model": "gpt-4.1-mini", "valid_from": None, "valid_to": None}
    for method, path, body in (
        ("POST", "/api/v1/providers/openai/disabled", {"reason": "burning"}),
        ("DELETE", "/api/v1/providers/openai/disabled", None),
        ("PUT", "/api/v1/reconciliations/names/aliases", alias),
        ("PUT", "/api/v1/reconciliations/names/aliases", alias),
        ("DELETE", "/api/v1/reconciliations/names/aliases?provider=openai&name=GPT-X", None),
        ("PUT", "/api/v1/reconciliations/names/links", {"provider": "openai", "credential": "k1", "key_id": "ab12"}),
        ("DELETE", "/api/v1/reconciliations/names/links?provider=openai&credential=k1", None),
        ("POST", "/api/v1/alerts/test", None),
        ("POST", "/api/v1/ledger/reratings", {"reason": "wrong", "is_dry_run": False}),
        ("DELETE", "/api/v1/ledger/reratings/1", None),
        ("PUT", "/api/v1/limits", {"limits": []}),
        ("POST", "/api/v1/ledger/periods", {"month": "2026-01-01", "reason": "done"}),
    ):
        answered = (
            await admin.request(method, path, json=body) if body is not None else await admin.request(method, path)
        )
        assert answered.status_code < 300, (path, answered.text)

    found = await records(admin, limit=50)

    assert {each["actor"] for each in found} == {me}
    assert {each["actor_name"] for each in found} == {"test"}
    told = [(each["action"], each["resource"], each["reason"], each["changes"]) for each in reversed(found)]
    assert [each for each in told if not each[0].startswith(("limits", "config"))] == [
        ("provider.disable", "providers/openai", "burning", ["+ is_off", "+ reason", "+ until_ms"]),
        ("provider.enable", "providers/openai", "", ["- is_off", "- reason", "- until_ms"]),
        ("alias.declare", "reconciliations/names/openai/GPT-X", "", ["+ 0"]),
        ("alias.forget", "reconciliations/names/openai/GPT-X", "", ["- 0"]),
        ("link.declare", "reconciliations/names/openai/k1", "", ["+ 0"]),
        ("link.forget", "reconciliations/names/openai/k1", "", ["- 0"]),
        ("alert.test", told[6][1], "", []),
        ("rerating.begin", "ledger/reratings/1", "wrong", told[7][3]),
        ("rerating.stop", "ledger/reratings/1", "wrong", told[8][3]),
        ("month.close", "ledger/periods/2026-01", "done", ["+ amount_usd", "+ entries", "+ month"]),
    ]


async def test_prices_say_what_they_were_before(admin: httpx.AsyncClient) -> None:
    asked = {
        "provider": "openai", "model": "gpt-4.1-mini", "reason": "agreed", "project": "acme",
        "price": {"meter": "output_tokens", "amount": "0.30"},
    }  # fmt: skip
    for amount in ("0.30", "0.20"):
        asked["price"] = {**asked["price"], "amount": amount}  # type: ignore[dict-item]
        done = await admin.post("/api/v1/prices", json={**asked, "is_replacing": True})
        assert done.status_code == 200, done.text

    second, made = await records(admin, action="prices.change")

    assert (made["resource"], made["project"], made["reason"]) == ("prices/openai", "acme", "agreed")
    assert (made["before"], made["after"][0]["action"]) == (None, "added")
    assert second["before"][0]["content"] == made["after"][0]["content"]
    # What was there before may also be among the records: shortened, if an instant lies between the two.
    assert "0.20" in {each["content"]["amount"] for each in second["after"]}


async def test_only_admins_of_all_projects_read_it(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    for headers in (
        await make_token(Role.OPERATOR), await make_token(Role.VIEWER), await make_token(Role.WORKER),
        await make_token(Role.ADMIN, projects=["acme"]), {},
    ):  # fmt: skip
        for path in (AUDIT, f"{AUDIT}/export", f"{AUDIT}/verify"):
            assert (await api.get(path, headers=headers)).status_code == (403 if headers else 401)


async def test_pages_and_filters(admin: httpx.AsyncClient, engine: AsyncEngine) -> None:
    for number in range(1, 8):
        await record(engine, number, project="acme" if number % 2 else "", actor="aa" if number < 4 else "bb")
    await record(engine, 8, action="limitless.x", resource="limits/8", reason="why")

    first = (await admin.get(AUDIT, params={"limit": 3, "action": "limits."})).json()
    second = (await admin.get(AUDIT, params={"limit": 9, "action": "limits.", "cursor": first["next"]})).json()
    mixed = await admin.get(AUDIT, params={"action": "other.", "cursor": first["next"]})

    assert [each["number"] for each in first["records"] + second["records"]] == [7, 6, 5, 4, 3, 2, 1]
    assert (second["next"], first["newest"], mixed.status_code) == (None, 8, 400)
    assert [each["number"] for each in await records(admin, actor="aa", project="acme")] == [3, 1]
    assert [each["number"] for each in await records(admin, resource="limits/")] == [8]
    assert [each["number"] for each in await records(admin, resource="limits", limit=1)] == [7]
    assert [each["number"] for each in await records(admin, after=5)] == [6, 7, 8]
    assert [each["number"] for each in await records(admin, number=4)] == [4]
    assert await records(admin, until="2026-01-01T00:00:00") == []
    assert len(await records(admin, since="2026-01-01")) == 8
    queries: tuple[dict[str, Any], ...] = (
        {"since": "0001-01-01T00:00:00+14:00"},
        {"after": -1},
        {"after": 1, "cursor": "x"},
        {"number": 2**80},
    )
    for query in queries:
        assert (await admin.get(AUDIT, params=query)).status_code in (400, 422), query


async def test_exports_hold_all_of_it_and_are_harmless_to_open(admin: httpx.AsyncClient, engine: AsyncEngine) -> None:
    for number in range(60):
        await record(engine, number, reason="=HYPERLINK(1)" if number == 7 else f'"{number}"\nü')

    lines = (await admin.get(f"{AUDIT}/export")).content.splitlines()
    table = await admin.get(f"{AUDIT}/export", params={"format": "csv"})
    some = (await admin.get(f"{AUDIT}/export", params={"actor": "nobody"})).content

    chain = Chain()
    assert all(chain.add(read_line(line)) for line in lines)
    assert (chain.number, some) == (60, b"")
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["reason"] for row in rows[6:9]] == ['"6"\nü', "'=HYPERLINK(1)", '"8"\nü']
    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]


async def test_what_was_tampered_with_is_found(
    admin: httpx.AsyncClient, engine: AsyncEngine, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for number in range(1, 6):
        await record(engine, number)
    kept = (await admin.get(f"{AUDIT}/verify")).json()
    head = {"number": kept["newest"], "head": kept["head"]}
    await record(engine, 6)
    later = (await admin.get(f"{AUDIT}/verify", params=head)).json()
    lines = (await admin.get(f"{AUDIT}/export")).content.splitlines()
    # Who owns the database can take the trigger away; the seals are what tells.
    await db.execute("ALTER TABLE audit_record DISABLE TRIGGER USER")

    async def verdict(statement: str, **query: Any) -> tuple[bool, str]:
        transaction = db.transaction()
        await transaction.start()
        await db.execute(statement)
        await transaction.commit()
        answered = (await admin.get(f"{AUDIT}/verify", params=query)).json()
        await db.execute("DELETE FROM audit_record")
        for each in map(json.loads, lines):
            await db.execute(
                "INSERT INTO audit_record VALUES "
                "($1, to_timestamp($2::bigint / 1000000.0), $3, $4, $5, $6, $7, $8, $9, decode($10, 'hex'))",
                *(each[name] for name in ("number", "at_us", "actor", "action", "resource", "project", "reason")),
                each["before"], each["after"], each["digest"],
            )  # fmt: skip
        return answered["ok"], "" if answered["broken"] is None else answered["broken"]["reason"]

    assert (kept["ok"], kept["checked"], kept["newest"], kept["broken"]) == (True, 5, 5, None)
    assert (later["ok"], later["newest"]) == (True, 6)
    assert await verdict("UPDATE audit_record SET actor = 'mallory' WHERE number = 3") == (
        False, "record 3 was changed, or one before it: its seal does not fit what it says",
    )  # fmt: skip
    assert await verdict("DELETE FROM audit_record WHERE number = 2") == (
        False, "record 2 is missing: the next one is 3",
    )  # fmt: skip
    assert await verdict("UPDATE audit_record SET at = at + interval '1 second' WHERE number = 6") == (
        False, "record 6 was changed, or one before it: its seal does not fit what it says",
    )  # fmt: skip
    cut = "DELETE FROM audit_record WHERE number > 3"
    assert await verdict(cut) == (True, "")
    assert await verdict(cut, **head) == (False, "records 4 to 5 are gone: 5 was there when it was kept")
    assert await verdict("SELECT 1", **head) == (True, "")

    await db.execute("DELETE FROM audit_record")
    for number in range(1, 8):
        await record(engine, number, actor="mallory")
    anew = (await admin.get(f"{AUDIT}/verify", params=head)).json()
    assert (anew["ok"], anew["broken"]["number"]) == (False, 5)
    assert (await admin.get(f"{AUDIT}/verify", params={"number": 5})).status_code == 400
