"""Selectors: which requests a limit is about."""

from fnmatch import fnmatchcase
from typing import Final

import msgspec

FIELDS: Final = ("account", "provider", "model", "project", "agent", "modality")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request before it is admitted."""

    provider: str
    model: str
    modality: str
    account: str = ""
    """The vendor key's fingerprint, as in the ledger's `key_id`."""
    project: str = ""
    agent: str = ""


class Selector(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every field given must match; a field left empty matches all. `model` and `agent` may hold `*`."""

    account: str = ""
    provider: str = ""
    model: str = ""
    project: str = ""
    agent: str = ""
    modality: str = ""

    def matches(self, target: Target) -> bool:
        """Say whether a request is one of those the limit is about."""
        return (
            (not self.provider or self.provider == target.provider)
            and (not self.model or fnmatchcase(target.model, self.model))
            and (not self.account or self.account == target.account)
            and (not self.project or self.project == target.project)
            and (not self.agent or fnmatchcase(target.agent, self.agent))
            and (not self.modality or self.modality == target.modality)
        )

    def covers(self, other: "Selector") -> bool:
        """Say whether every request of the other selector is one of ours, as far as the texts tell."""
        return all(
            not mine or mine == theirs or (name in ("model", "agent") and bool(theirs) and fnmatchcase(theirs, mine))
            for name in FIELDS
            for mine, theirs in ((getattr(self, name), getattr(other, name)),)
        )

    def __str__(self) -> str:
        given = [f"{name}={getattr(self, name)}" for name in FIELDS if getattr(self, name)]
        return " ".join(given) or "every request"
