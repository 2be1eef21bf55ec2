"""The ring: the secrets that seal vendors' keys, each with a short name of its own. Pure but for Fernet's own salt."""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_shared.errors import ConfigurationError

SECRETS_MAX: Final = 16
"""A rotation needs two; more than a few are forgotten ones."""
SECRET_BYTES: Final = 32
_ID_BYTES: Final = 4
_PERSON: Final = b"voicegw-vault"


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What is inside a seal: whose key it is stands beside it, so that seals cannot change places."""

    id: str
    provider: str
    text: str

    def __repr__(self) -> str:
        return f"_Sealed(id={self.id!r}, provider={self.provider!r})"


_decode: Final = msgspec.json.Decoder(_Sealed).decode


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed key; immutable."""

    token: bytes = field(repr=False)
    by: str
    """The short name of the secret that opens it."""


class SecretRing:
    """Some secrets, the primary first; immutable. Its repr shows their short names only."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """Take secrets as `read_secrets` returns them; the same one twice counts once."""
        self._fernets = {secret_id(secret): Fernet(secret) for secret in secrets}

    @property
    def ids(self) -> tuple[str, ...]:
        """The secrets' short names, the primary's first."""
        return tuple(self._fernets)

    @property
    def primary(self) -> str:
        """The short name of the first; empty without any."""
        return next(iter(self._fernets), "")

    def seal(self, text: str, *, key_id: str, provider: str, known_to_all: Collection[str] | None = None) -> Seal:
        """Seal a key under the first secret that all replicas know, under the primary where none is or nobody asks.

        Raises VaultLocked without a secret.
        """
        by = self._choose(known_to_all)
        inside = msgspec.json.encode(_Sealed(key_id, provider, text))
        return Seal(self._fernets[by].encrypt(inside), by)

    def open(self, seal: Seal, *, key_id: str, provider: str) -> str:
        """Return the key. Raises VaultLocked when its secret is not here, or the seal is not this key's."""
        fernet = self._fernets.get(seal.by)
        if fernet is None:
            raise VaultLocked(
                f"key {key_id!r} is sealed under vault secret {seal.by}, which is not here: add it to "
                "VOICEGATEWAY_VAULT_SECRETS again, or give the key anew with `voicegw keys rotate`"
            )
        try:
            inside = _decode(fernet.decrypt(seal.token))
        except (InvalidToken, msgspec.DecodeError) as error:
            raise VaultLocked(f"the seal of key {key_id!r} is damaged: give the key anew") from error
        if (inside.id, inside.provider) != (key_id, provider):
            raise VaultLocked(f"the seal of key {key_id!r} is another key's: somebody changed the table; give it anew")
        return inside.text

    def reseal(self, seal: Seal, *, key_id: str, provider: str) -> Seal:
        """Return the same key sealed under the primary. Raises VaultLocked as `open` does."""
        self.open(seal, key_id=key_id, provider=provider)
        fernets = [self._fernets[self.primary], self._fernets[seal.by]]
        return Seal(MultiFernet(fernets).rotate(seal.token), self.primary)

    def _choose(self, known_to_all: Collection[str] | None) -> str:
        if not self._fernets:
            raise VaultLocked(
                "no vault secret is set: make one with `voicegw vault new-secret`, set it as "
                "VOICEGATEWAY_VAULT_SECRETS for every controller, and start them again"
            )
        shared = (each for each in self._fernets if known_to_all is None or each in known_to_all)
        return next(shared, self.primary)

    def __repr__(self) -> str:
        return f"SecretRing({', '.join(self.ids)})"


def new_secret() -> str:
    """Return a fresh secret: 32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode()


def secret_id(secret: str) -> str:
    """Return a secret's short one-way name."""
    return hashlib.blake2b(secret.encode(), digest_size=_ID_BYTES, person=_PERSON).hexdigest()


def read_secrets(text: str, *, where: str) -> tuple[str, ...]:
    """Return the secrets of a text, separated by commas or lines; a line that begins with `#` is a remark.

    Raises:
        ConfigurationError: one of them is none; the message says which, never what it is.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    secrets = [each for line in lines for each in re.split(r"[,\s]+", line) if each]
    if len(secrets) > SECRETS_MAX:
        raise ConfigurationError(f"{where} has {len(secrets)} secrets; at most {SECRETS_MAX}: leave the oldest out")
    for number, secret in enumerate(secrets, start=1):
        if not _is_secret(secret):
            raise ConfigurationError(
                f"secret {number} of {where} is not {SECRET_BYTES} bytes in URL-safe base64: "
                "make one with `voicegw vault new-secret`"
            )
    return tuple(dict.fromkeys(secrets))


def _is_secret(text: str) -> bool:
    try:
        return text.isascii() and len(base64.urlsafe_b64decode(text)) == SECRET_BYTES
    except (binascii.Error, ValueError):
        return False
