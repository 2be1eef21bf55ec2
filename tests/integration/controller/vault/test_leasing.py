"""What workers are lent, when, and to whom it is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.controller.vault.conftest import Ask, StartDesk, add

from voicegateway_controller.access.rules import Role
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.vault import store
from voicegateway_controller.vault.ring import new_secret
from voicegateway_shared.fingerprints import fingerprint
from voicegateway_shared.wire.keys import KeysAnswer, LeasedKey

KEY = "sk-test-0123456789abcdefghij"
OTHER = "sk-test-jihgfedcba9876543210"


def _ids(answer: KeysAnswer | None) -> list[str]:
    assert answer is not None
    return [each.id for each in answer.keys]


async def test_a_worker_is_lent_a_key_once_and_told_of_it_ever_after(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)

        first = await ask(desk, "openai")
        second = await ask(desk, "openai", held={"main": 1})

    lent = LeasedKey(id="main", version=1, provider="openai", fingerprint=fingerprint(KEY), secret=KEY, ttl_ms=900_000)
    assert first is not None
    assert second is not None
    assert first.keys == (lent,)
    assert [(each.id, each.secret, each.ttl_ms) for each in second.keys] == [("main", "", 900_000)]
    assert first.tag == second.tag
    assert KEY not in repr(first)


async def test_a_worker_is_lent_keys_of_providers_that_it_needs_only(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
        await add(desk, "ears", OTHER, provider="deepgram")

        assert _ids(await ask(desk, "deepgram")) == ["ears"]
        assert _ids(await ask(desk, "*")) == ["ears", "main"]
        assert _ids(await ask(desk, "cartesia")) == []
        assert _ids(await ask(desk, "cartesia", held={"main": 1})) == ["main"]


async def test_a_key_of_projects_is_lent_to_nobody_else(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        await add(desk, "theirs", KEY, projects=("acme", "globex"))

        reached = await ask(desk, projects=frozenset({"acme"}))
        unreached = await ask(desk, projects=frozenset({"initech"}))
        held = await ask(desk, projects=frozenset({"initech"}), held={"theirs": 1})
        fleet = await ask(desk)

    assert reached is not None
    assert fleet is not None
    assert [each.projects for each in reached.keys] == [("acme",)]
    assert [each.projects for each in fleet.keys] == [("acme", "globex")]
    assert _ids(unreached) == []
    assert _ids(held) == []


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OPERATOR, Role.VIEWER])
async def test_a_token_that_is_not_a_workers_is_lent_nothing(start_desk: StartDesk, ask: Ask, role: Role) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)

        assert await ask(desk, role=role) is None


async def test_nothing_is_lent_over_plain_http_unless_somebody_says_so(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
        refused = await ask(desk, is_secure=False)
    async with start_desk(vault_insecure=True) as desk:
        allowed = await ask(desk, is_secure=False)

    assert refused is None
    assert _ids(allowed) == ["main"]


async def test_a_revoked_key_is_gone_from_the_next_answer_of_every_replica(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as here, start_desk() as there:
        await add(here, "main", KEY)
        await there.vault.refresh()
        assert _ids(await ask(there, held={"main": 1})) == ["main"]

        await here.changes.revoke("main", by="somebody")
        await there.vault.refresh()

        assert _ids(await ask(here, held={"main": 1})) == []
        assert _ids(await ask(there, held={"main": 1})) == []


async def test_a_key_that_is_rotated_while_lent_is_sent_again_and_nothing_falls_between(
    start_desk: StartDesk, ask: Ask
) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
        await desk.changes.rotate("main", OTHER, by="somebody")

        answer = await ask(desk, held={"main": 1})

    assert answer is not None
    assert [(each.id, each.version, each.secret) for each in answer.keys] == [("main", 2, OTHER)]
    assert answer.keys[0].fingerprint == fingerprint(OTHER)


async def test_a_disabled_key_is_taken_back_and_lent_again(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
        await desk.changes.change("main", {"state": "disabled"}, by="somebody")
        disabled = await ask(desk, held={"main": 1})
        await desk.changes.change("main", {"state": "active"}, by="somebody")
        enabled = await ask(desk)

    assert _ids(disabled) == []
    assert _ids(enabled) == ["main"]


async def test_a_key_is_lent_no_longer_than_it_lives(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        soon = datetime.now(UTC) + timedelta(seconds=30)
        await add(desk, "soon", KEY, expires_at=soon)
        await add(desk, "past", OTHER, expires_at=datetime.now(UTC) - timedelta(seconds=1))

        answer = await ask(desk, held={"past": 1})

    assert answer is not None
    assert _ids(answer) == ["soon"]
    assert answer.keys[0].ttl_ms <= 30_000


async def test_a_replica_without_the_right_secret_takes_no_key_from_those_who_have_it(
    start_desk: StartDesk, ask: Ask
) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
    async with start_desk(vault_secrets=new_secret()) as wrong:
        assert "not here" in wrong.vault.problem
        assert _ids(await ask(wrong)) == []
        held = await ask(wrong, held={"main": 1})
    async with start_desk(vault_secrets=None) as without:
        assert _ids(await ask(without)) == []
        assert _ids(await ask(without, held={"main": 1})) == ["main"]

    assert held is not None
    assert [(each.id, each.version, each.secret) for each in held.keys] == [("main", 1, "")]


async def test_a_replica_that_cannot_open_a_rotated_key_leaves_the_old_one_where_it_is(
    start_desk: StartDesk, ask: Ask
) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
        await desk.changes.rotate("main", OTHER, by="somebody")
    async with start_desk(vault_secrets=new_secret()) as wrong:
        answer = await ask(wrong, held={"main": 1})

    assert answer is not None
    assert [(each.id, each.version, each.secret) for each in answer.keys] == [("main", 1, "")]


async def test_a_replica_that_cannot_open_a_name_used_again_leaves_nobody_the_key_that_was_revoked(
    start_desk: StartDesk, ask: Ask
) -> None:
    async with start_desk() as desk:
        await add(desk, "main", KEY)
        await desk.changes.revoke("main", by="somebody")
        await add(desk, "main", OTHER, provider="deepgram")
    async with start_desk(vault_secrets=new_secret()) as wrong:
        answer = await ask(wrong, held={"main": 1})

    assert answer is not None
    assert answer.keys == ()


async def test_a_controller_that_has_not_heard_postgres_takes_no_key_from_anybody(
    start_desk: StartDesk, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*arguments: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(store, "revision", away)
    async with start_desk() as desk:
        assert await ask(desk, held={"main": 1}) is None


async def test_keys_of_files_are_lent_and_follow_the_file(start_desk: StartDesk, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "openai"
    file.write_text(f"{KEY}\n")
    async with start_desk(vault_folders=str(tmp_path), vault_secrets=None) as desk:
        document = [{"id": "mounted", "provider": "openai", "from_file": str(file), "projects": ["acme"]}]
        await desk.declared.apply(document, by="somebody")
        await desk.vault.read_again()
        first = await ask(desk)
        file.write_text(OTHER)
        await desk.vault.read_again()
        assert first is not None
        second = await ask(desk, held={"mounted": first.keys[0].version})

    assert second is not None
    assert [(each.id, each.secret, each.projects) for each in first.keys] == [("mounted", KEY, ("acme",))]
    assert [(each.id, each.secret) for each in second.keys] == [("mounted", OTHER)]


async def test_a_sealed_key_hides_the_file_of_its_name_until_it_is_revoked(
    start_desk: StartDesk, ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "openai"
    file.write_text(KEY)
    async with start_desk(vault_folders=str(tmp_path)) as desk:
        await desk.declared.apply([{"id": "main", "provider": "openai", "from_file": str(file)}], by="somebody")
        await desk.vault.read_again()
        await add(desk, "main", OTHER)
        hiding = await ask(desk)
        await desk.changes.revoke("main", by="somebody")
        uncovered = await ask(desk)

    assert hiding is not None
    assert uncovered is not None
    assert [each.secret for each in hiding.keys] == [OTHER]
    assert [each.secret for each in uncovered.keys] == [KEY]


async def test_noting_what_was_lent_and_resealing_do_not_wait_for_each_other(
    start_desk: StartDesk, engine: AsyncEngine
) -> None:
    async with start_desk() as desk:
        # In the table they stand the other way round than by name, which is how re-sealing locks them.
        await add(desk, "second", KEY)
        await add(desk, "first", OTHER)
    async with raw_connection(engine) as resealing, raw_connection(engine) as noting, raw_connection(engine) as looking:
        lock = "SELECT FROM vault_key WHERE id = $1 FOR UPDATE"
        async with resealing.transaction():
            await resealing.execute(lock, "first")
            noted = asyncio.create_task(store.note_leased(noting, ["first", "second"]))
            waits = "SELECT cardinality(pg_blocking_pids($1)) > 0"
            async with asyncio.timeout(10):
                while not await looking.fetchval(waits, noting.get_server_pid()):
                    continue

            await resealing.execute(lock, "second")
        await noted


async def test_of_two_keys_the_one_that_is_used_up_gets_no_share(start_desk: StartDesk, ask: Ask) -> None:
    async with start_desk() as desk:
        await add(desk, "big", KEY)
        await add(desk, "small", OTHER)
        limits = [
            {"provider": "openai", "account": fingerprint(KEY), "requests_per_min": 600},
            {"provider": "openai", "account": fingerprint(OTHER), "requests_per_min": 300},
        ]
        await desk.sharing._limits.apply(limits, by="somebody")
        await desk.sharing.read()
        full = await ask(desk)
        [pool] = [p for p in desk.sharing._limits.current().pools if p.selector.account == fingerprint(KEY)]
        await desk.sharing._pools.pause(pool.id, 60_000)
        await desk.sharing.read()
        paused = await ask(desk)

    assert full is not None
    assert paused is not None
    assert {each.id: each.share_permille for each in full.keys} == {"big": 1_000, "small": 500}
    assert {each.id: each.share_permille for each in paused.keys} == {"big": 0, "small": 1_000 // 2}
