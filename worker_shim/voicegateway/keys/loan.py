"""Loan: one leased key in one plugin's hands. Neither its repr nor a pickle of it has the secret."""

from collections.abc import Callable
from typing import NoReturn


class Loan:
    """Lives as long as the plugin that was built with it, or until another takes its place. Immutable."""

    __slots__ = ("epoch", "expires_ns", "fingerprint", "key_id", "project", "provider", "secret", "version")

    def __init__(
        self,
        *,
        key_id: str,
        version: int,
        provider: str,
        project: str,
        fingerprint: str,
        secret: str,
        epoch: int,
        expires_ns: int,
    ) -> None:
        self.key_id, self.version, self.provider, self.project = key_id, version, provider, project
        self.fingerprint = fingerprint
        """The key's one-way short name, as in spans and limits."""
        self.secret = secret
        self.epoch = epoch
        """Of the keyring when this was lent: while it is the same, nothing has changed."""
        self.expires_ns = expires_ns
        """When the key would be forgotten, had no answer renewed it since."""

    def __repr__(self) -> str:
        return f"Loan(key_id={self.key_id!r}, version={self.version}, provider={self.provider!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a leased key stays in the memory of the process it was lent to; resolve the model there anew")


Lend = Callable[[str], Loan | None]
"""From a provider's name to a key of it, where the fleet has one for whoever asks."""
