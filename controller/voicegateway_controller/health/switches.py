"""Switches: what a person has switched off, as values."""

from typing import Final

import msgspec

REASON_CHARS_MAX: Final = 300
SWITCHES_MAX: Final = 100
"""Things that are off at once; a fleet uses a few dozen models."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor, or one of its models, that is off."""

    provider: str
    model: str = ""
    """Empty: everything of the vendor."""
    until_ms: int | None = None
    """Unix time; None: until a person switches it on."""
    reason: str = ""
    at_ms: int = 0
    by: str = ""


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is off, and which change made it so."""

    revision: int = 0
    off: tuple[Switch, ...] = ()


NONE: Final = Switches()
