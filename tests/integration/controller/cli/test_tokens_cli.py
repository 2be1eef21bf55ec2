"""`voicegw tokens` and `voicegw audit` against a controller that listens."""

import json
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.cli.tokens import expiry
from voicegateway_shared.errors import ConfigurationError


@pytest_asyncio.fixture
async def admin(engine: AsyncEngine) -> str:
    return await create_token(engine, role=Role.ADMIN, name="ann")


async def test_tokens_are_made_listed_and_revoked(url: str, admin: str, tmp_path: Path) -> None:
    voicegw = Voicegw("tokens", url, admin, tmp_path)

    made = await Voicegw("tokens", url, admin, tmp_path)(
        "create", "--role", "worker", "--name", "agents", "--project", "acme", "--expires", "12h", "--json"
    )
    token = json.loads(made.out)
    table = await voicegw("list", "--role", "worker")
    revoked = await voicegw("revoke", token["id"], "--reason", "left")
    unknown = await voicegw("revoke", "0000000000000000")

    assert token["token"].startswith(f"vgw_{token['id']}_")
    assert all(word in table.out for word in (token["id"], "agents", "acme", "active", "never"))
    assert f"{token['id']} is revoked." in revoked.out
    assert unknown.code != 0
    assert "there is no token '0000000000000000'" in unknown.err


async def test_the_audit_log_is_listed_exported_and_verified(
    url: str, admin: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    audit = Voicegw("audit", url, admin, tmp_path)
    for name in ("a", "b"):
        await create_token(engine, role=Role.VIEWER, name=name, by=admin.split("_")[1])

    listed = await audit("list", "--action", "token.", "--since", "1h")
    shown = json.loads((await audit("show", "2", "--json")).out)
    kept = json.loads((await audit("verify", "--json")).out)
    exported = tmp_path / "audit.jsonl"
    written = await audit("export", "--out", str(exported))
    held = await audit("verify", "--number", str(kept["newest"]), "--head", kept["head"], "--file", str(exported))

    assert all(word in listed.out for word in ("ann", "token.create", "+ name", "tokens/"))
    assert (shown["number"], shown["after"]["name"], shown["before"]) == (2, "b", None)
    assert (kept["ok"], kept["checked"], kept["newest"]) == (True, 2, 2)
    assert (written.code, held.code) == (0, 0), written.err + held.err
    assert "2 records, each as it was written." in held.out

    lines = exported.read_text().replace('\\"b\\"', '\\"c\\"')
    exported.write_text(lines)
    forged = await audit("verify", "--file", str(exported))
    exported.write_text(lines.splitlines()[0] + "\n")
    cut = await audit("verify", "--file", str(exported), "--number", "2", "--head", kept["head"])

    assert (forged.code, cut.code) == (1, 1)
    assert "record 2 was changed" in forged.err
    assert "records 2 to 2 are gone" in cut.err


def test_ends_of_tokens_are_read_as_people_write_them() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 11, 22, 6, tzinfo=UTC)

    assert expiry("90d", now=now) == datetime(2027, 2, 20, 6, tzinfo=UTC)
    assert expiry("30m", now=now) == datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
    assert expiry("2027-01-31", now=now) == datetime(2027, 1, 31, tzinfo=UTC)
    for text in ("soon", "-1d", "2020-01-01", "d"):
        with pytest.raises(ConfigurationError, match="--expires"):
            expiry(text, now=now)
