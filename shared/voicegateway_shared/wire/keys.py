"""What a sync message says of vendors' keys: which a holder needs, and those it is leased, in memory only."""

from typing import Final

import msgspec

NEEDS_MAX: Final = 64
"""Providers named at once; an ordinary agent has three."""
KEYS_MAX: Final = 256
"""Keys in one answer."""
EVERY_PROVIDER: Final = "*"
"""Needed by a process that warms up before it knows whom it will ask."""


class HeldKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that a holder has, by its name; the secret is never said back."""

    id: str
    version: int = 0


class KeysReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which providers a holder has no key of its own for, and what it holds."""

    needs: tuple[str, ...] = ()
    """Provider names, or `*`."""
    held: tuple[HeldKey, ...] = ()
    """What it holds now; an answer leaves out the secrets of those it names with their newest version."""
    tag: str = ""
    """Of the last answer; the same set of keys has the same tag."""


class LeasedKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key, lent. Times count from when the holder sent its message. Its repr shows no secret."""

    id: str
    version: int = 0
    """Grows when the key is rotated."""
    provider: str = ""
    projects: tuple[str, ...] | None = None
    """Which projects may use it; None means all."""
    fingerprint: str = ""
    """The one-way short name of the key, as in spans and limits (`account`)."""
    secret: str = ""
    """The key itself; empty when the holder named this version as held."""
    ttl_ms: int = 0
    """After so long without another answer the holder forgets it."""
    share_permille: int = 1000
    """What is left of its limits: of several keys, requests go to each in proportion; 0 while it is used up."""

    def __repr__(self) -> str:
        return f"LeasedKey(id={self.id!r}, version={self.version}, provider={self.provider!r})"


class KeysAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every key that the holder may use now, in order of preference. A held key that is not among them is revoked."""

    tag: str = ""
    keys: tuple[LeasedKey, ...] = ()
