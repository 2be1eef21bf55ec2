"""Seals: opened by those who have the secret, and by nobody else."""

from pathlib import Path

import pytest

from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_controller.vault.ring import SECRETS_MAX, Seal, SecretRing, new_secret, read_secrets, secret_id
from voicegateway_controller.vault.ring_source import RingSource
from voicegateway_controller.vault.secret_file import add_secret, ensure_secret
from voicegateway_controller.vault.settings import VaultSettings
from voicegateway_shared.errors import ConfigurationError

KEY = "sk-test-0123456789abcdefghij"
OLD, NEW = new_secret(), new_secret()


def _seal(ring: SecretRing) -> Seal:
    return ring.seal(KEY, key_id="main", provider="openai")


def test_a_seal_is_opened_by_every_ring_that_has_its_secret() -> None:
    seal = _seal(SecretRing([OLD]))

    assert seal.by == secret_id(OLD)
    assert SecretRing([NEW, OLD]).open(seal, key_id="main", provider="openai") == KEY
    assert KEY.encode() not in seal.token


def test_a_ring_without_the_secret_says_which_one_is_missing() -> None:
    with pytest.raises(VaultLocked, match=secret_id(OLD)):
        SecretRing([NEW]).open(_seal(SecretRing([OLD])), key_id="main", provider="openai")


@pytest.mark.parametrize(("key_id", "provider"), [("other", "openai"), ("main", "groq")])
def test_a_seal_is_good_for_its_own_key_only(key_id: str, provider: str) -> None:
    ring = SecretRing([OLD])

    with pytest.raises(VaultLocked, match="another key's"):
        ring.open(_seal(ring), key_id=key_id, provider=provider)


def test_a_damaged_seal_is_not_opened() -> None:
    ring = SecretRing([OLD])
    seal = _seal(ring)

    with pytest.raises(VaultLocked, match="damaged"):
        ring.open(Seal(seal.token[:-4] + b"AAAA", seal.by), key_id="main", provider="openai")


def test_resealing_leaves_the_key_and_needs_the_old_secret_no_longer() -> None:
    made = SecretRing([NEW, OLD]).reseal(_seal(SecretRing([OLD])), key_id="main", provider="openai")

    assert made.by == secret_id(NEW)
    assert SecretRing([NEW]).open(made, key_id="main", provider="openai") == KEY


def test_what_not_everybody_has_seals_nothing_unless_nobody_shares_any() -> None:
    ring = SecretRing([NEW, OLD])

    shared = ring.seal(KEY, key_id="main", provider="openai", known_to_all={secret_id(OLD)})
    alone = ring.seal(KEY, key_id="main", provider="openai", known_to_all=set())

    assert shared.by == secret_id(OLD)
    assert alone.by == secret_id(NEW)


def test_a_ring_without_secrets_says_how_to_make_one() -> None:
    with pytest.raises(VaultLocked, match="voicegw vault new-secret"):
        _seal(SecretRing())


def test_secrets_and_seals_are_shown_by_short_names_only() -> None:
    ring = SecretRing([NEW, OLD])

    assert repr(ring) == f"SecretRing({secret_id(NEW)}, {secret_id(OLD)})"
    assert NEW not in repr(ring)
    assert repr(_seal(ring)) == f"Seal(by='{secret_id(NEW)}')"


def test_secrets_are_read_from_lines_and_lists_each_once() -> None:
    text = f"# of 2026\n{NEW}, {OLD}\n\n{NEW}\n"

    assert read_secrets(text, where="the file") == (NEW, OLD)
    assert read_secrets("  \n", where="the file") == ()


def test_a_wrong_secret_is_named_by_its_number_and_never_repeated() -> None:
    with pytest.raises(ConfigurationError, match="secret 2 of the file") as caught:
        read_secrets(f"{NEW},hunter2-is-no-secret", where="the file")
    assert "hunter2" not in str(caught.value)

    many = ",".join(new_secret() for _ in range(SECRETS_MAX + 1))
    with pytest.raises(ConfigurationError, match="at most"):
        read_secrets(many, where="the file")


def test_a_file_of_secrets_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "vault"
    ensure_secret(file, OLD)
    ensure_secret(file, NEW)
    source = RingSource(VaultSettings(vault_secrets_file=file))
    assert list(source.ring.ids) == [secret_id(OLD)]
    assert file.stat().st_mode & 0o777 == 0o600

    add_secret(file, NEW)
    assert source.refresh() is True
    assert list(source.ring.ids) == [secret_id(NEW), secret_id(OLD)]

    file.write_text("broken")
    assert source.refresh() is False
    assert list(source.ring.ids) == [secret_id(NEW), secret_id(OLD)]
    assert "secret 1 of" in source.problem

    file.unlink()
    assert source.refresh() is False
    assert "cannot be read" in source.problem
    assert source.ring.primary == secret_id(NEW)


def test_a_file_that_was_never_there_locks_the_vault_and_nothing_else(tmp_path: Path) -> None:
    source = RingSource(VaultSettings(vault_secrets_file=tmp_path / "none"))

    assert source.ring.ids == ()
    assert "VOICEGATEWAY_VAULT_SECRETS_FILE" in source.problem
