"""Tokens as values, and how long a verified one is believed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from voicegateway_controller.access import Role, Tokens, new_token, parse_token, remembered, service, store
from voicegateway_controller.access.rules import hash_secret, is_same_secret
from voicegateway_controller.access.store import TokenRow
from voicegateway_controller.errors import DatabaseUnavailable, Unauthenticated


def test_a_new_token_reads_back() -> None:
    text, parts = new_token()

    assert text == f"vgw_{parts.id}_{parts.secret}"
    assert parse_token(text) == parts
    assert len(parts.secret) >= 43
    assert is_same_secret(parts.secret, hash_secret(parts.secret))
    assert not is_same_secret(parts.secret + "x", hash_secret(parts.secret))


@pytest.mark.parametrize(
    "text", ["", "vgw", "vgw_", "vgw__secret", "vgw_id_", "sk_id_secret", "vgw_id_" + "s" * 200, "vgw_ïd_secret"]
)
def test_what_is_no_token_of_ours_is_seen_at_once(text: str) -> None:
    assert parse_token(text) is None


class FakeStore:
    """Stands in for Postgres, which these tests take away and give back."""

    def __init__(self, row: TokenRow) -> None:
        self.row: TokenRow | None = row
        self.is_away = False
        self.asked = 0
        self.touched = 0

    async def touch(self, connection: object, token_id: str, *, timeout_s: float) -> None:
        self.touched += 1

    async def find(self, connection: object, token_id: str, *, timeout_s: float) -> TokenRow | None:
        self.asked += 1
        if self.is_away:
            raise DatabaseUnavailable("away")
        return self.row if self.row is not None and token_id == self.row.id else None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> tuple[Tokens, FakeStore, str, list[float]]:
    """A verifier over a fake store, a good token, and the clock it reads."""
    text, parts = new_token()
    row = TokenRow(
        id=parts.id,
        secret_hash=hash_secret(parts.secret),
        role="worker",
        projects=["acme"],
        name="test",
        created_at=datetime.now(UTC),
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    fake = FakeStore(row)

    class Lend:
        async def __aenter__(self) -> object:
            return object()

        async def __aexit__(self, *details: object) -> None:
            return None

    monkeypatch.setattr(service, "raw_connection", lambda engine: Lend())
    monkeypatch.setattr(store, "find", fake.find)
    monkeypatch.setattr(store, "touch", fake.touch)
    now = [0.0]
    return Tokens(None, monotonic=lambda: now[0]), fake, text, now  # type: ignore[arg-type]


@contextmanager
def refused() -> Iterator[None]:
    """Expect Unauthenticated."""
    with pytest.raises(Unauthenticated):
        yield


async def test_a_verified_token_is_believed_for_ten_seconds(world: Any) -> None:
    tokens, fake, text, now = world

    access = await tokens.verify(text)
    now[0] = 9.9
    await tokens.verify(text)
    asked_while_fresh = fake.asked
    fake.row = replace(fake.row, revoked_at=datetime.now(UTC))
    now[0] = 10.1

    with refused():
        await tokens.verify(text)
    assert (access.role, access.projects, asked_while_fresh) == (Role.WORKER, frozenset({"acme"}), 1)
    assert access.allows("acme")
    assert not access.allows("rival")


async def test_a_token_seen_lately_outlives_postgres(world: Any) -> None:
    tokens, fake, text, now = world
    await tokens.verify(text)
    fake.is_away = True

    now[0] = 299.0
    await tokens.verify(text)
    now[0] = 301.0
    with pytest.raises(DatabaseUnavailable):
        await tokens.verify(text)


async def test_an_unknown_token_is_not_asked_for_again_and_again(world: Any) -> None:
    tokens, fake, _, _ = world

    for _ in range(5):
        with refused():
            await tokens.verify("vgw_unknown_secret")

    assert fake.asked == 1


async def test_the_cache_is_bounded(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, _, _, _ = world
    monkeypatch.setattr(remembered, "ENTRIES_MAX", 3)

    for n in range(10):
        with refused():
            await tokens.verify(f"vgw_unknown{n}_secret")

    assert len(tokens._remembered) == 3


async def test_a_wrong_secret_never_passes_from_the_cache(world: Any) -> None:
    tokens, _, text, _ = world
    await tokens.verify(text)

    with refused():
        await tokens.verify(text[:-1] + ("a" if text[-1] != "a" else "b"))


async def test_a_use_is_noted_once_and_a_guess_is_none(world: Any) -> None:
    tokens, fake, text, _ = world

    with refused():
        await tokens.verify(text[:-1] + ("a" if text[-1] != "a" else "b"))
    touched_by_guess = fake.touched
    await tokens.verify(text)
    await tokens.verify(text)

    assert (touched_by_guess, fake.touched) == (0, 1)


async def test_what_is_forgotten_is_asked_for_at_once(world: Any) -> None:
    tokens, fake, text, _ = world
    await tokens.verify(text)
    fake.row = replace(fake.row, revoked_at=datetime.now(UTC))

    tokens.forget(fake.row.id)

    with refused():
        await tokens.verify(text)
