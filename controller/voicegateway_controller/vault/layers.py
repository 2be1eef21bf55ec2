"""Which key holds of each name, when the environment, the vault and the file all have one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from voicegateway_controller.configuration.layering import Layer
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.references import ReadKey

RANK: Final[Mapping[Layer, int]] = {"env": 0, "db": 1, "yaml": 2}
"""The highest layer first: an order of preference, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The key that holds under one name; immutable."""

    id: str
    found: Entry | ReadKey
    source: Layer
    shadows: tuple[Layer, ...] = ()
    """Lower layers that have one of that name, too."""

    @property
    def provider(self) -> str:
        """Whose key it is."""
        return self.found.provider if isinstance(self.found, Entry) else self.found.reference.provider

    @property
    def projects(self) -> tuple[str, ...] | None:
        """Which projects may use it; None means all."""
        return self.found.projects if isinstance(self.found, Entry) else self.found.reference.projects


def holding(entries: Iterable[Entry], references: Iterable[ReadKey], sources: Mapping[str, Layer]) -> tuple[Held, ...]:
    """Return the key that holds of each name, in order of preference: by layer, then by name.

    `sources` says which layer declared each reference.
    A sealed key counts as managed, and hides a reference that is managed, too. A revoked one hides nothing, but where
    nothing else has its name it is still told of.
    """
    found: dict[str, Held] = {}
    for read in references:
        key_id = read.reference.id
        found[key_id] = Held(id=key_id, found=read, source=sources.get(key_id, "yaml"))
    for entry in entries:
        below = found.get(entry.id)
        if below is None:
            found[entry.id] = Held(id=entry.id, found=entry, source="db")
        elif entry.state == "revoked":
            continue
        elif below.source == "env":
            found[entry.id] = Held(id=entry.id, found=below.found, source="env", shadows=("db",))
        else:
            found[entry.id] = Held(id=entry.id, found=entry, source="db", shadows=(below.source,))
    return tuple(sorted(found.values(), key=lambda each: (RANK[each.source], each.id)))
