"""Files and texts that are layers: where they are, whether they changed, what they say. Blocks: call it in a thread."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from voicegateway_controller.budgets.definitions import with_zone
from voicegateway_controller.configuration.document import (
    Document,
    DocumentWrong,
    Problem,
    check,
    read_document,
    read_file,
)
from voicegateway_controller.configuration.layering import ROUTING, SECTIONS, ZONE, Layer, Section
from voicegateway_controller.errors import BadRequest
from voicegateway_shared.errors import ConfigurationError

FILE_NAME: Final = "voicegw.yaml"
OVERRIDES: Final = "VOICEGATEWAY_OVERRIDES"
DIGEST_CHARS: Final = 16
"""Enough to tell files apart."""
_DANGLING: Final = "there is no "
"""How the reader of routing says that a name stands for nothing."""

Mark = tuple[int, int, int, int]
"""What changes with a file: device, inode, size, nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One text that was read as a layer; immutable."""

    document: Document
    sections: Mapping[Section, Any]
    """What it declares, by kind; a kind that is absent is not spoken of."""
    digest: str
    """Of what it declares: two files that say the same have the same."""


class Source:
    """Where a process has a layer from: the file of several places that is there first, or a text."""

    def __init__(self, layer: Layer, *, places: Sequence[Path] = (), text: str = "", is_named: bool = False) -> None:
        self.layer: Final = layer
        self.is_named: Final = is_named
        """Whether somebody said that it should be there."""
        self._places = tuple(places)
        self._text = text
        self._path: Path | None = self._places[0] if is_named and self._places else None

    @classmethod
    def of_file(cls, named: str, *, home: Path) -> "Source":
        """Return the lowest layer's: the named file, or the usual places."""
        usual = (Path.cwd() / FILE_NAME, home / FILE_NAME)
        places = (Path(named).expanduser(),) if named else usual
        return cls("yaml", places=places, is_named=bool(named))

    @classmethod
    def of_overrides(cls, given: str) -> "Source":
        """Return the highest layer's: a text, or the file that it names."""
        if given.strip() and _is_path(given):
            return cls("env", places=(Path(given.strip()).expanduser(),), is_named=True)
        # Without the variable nothing is overridden, which takes back what the last process with it said.
        return cls("env", text=given if given.strip() else "{}", is_named=bool(given.strip()))

    @property
    def name(self) -> str:
        """What problems call it; empty while there is none."""
        if self._path is not None:
            return str(self._path)
        return OVERRIDES if self.is_named and not self._places else ""

    @property
    def is_file(self) -> bool:
        """Whether it can change while the process lives."""
        return bool(self._places)

    def look(self) -> Mark | None:
        """Return what changes with the file, None where there is none. The file that was found first stays ours."""
        for path in (self._path,) if self._path is not None else self._places:
            try:
                found = os.stat(path)
            except OSError:
                continue
            self._path = path
            return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        return None

    def read(self) -> Reading:
        """Return what it says.

        Raises:
            DocumentWrong: it cannot be read; every problem with line and column.
            ConfigurationError: there is nothing to be read.
        """
        if self._path is not None:
            return reading(read_file(self._path))
        return reading(read_document(self._text, name=OVERRIDES))


def read_checked(source: Source) -> Reading:
    """Return what a source says, which is right by itself. Raises as `Source.read` does."""
    found = source.read()
    if problems := problems_alone(found.document):
        raise DocumentWrong(problems)
    return found


def check_overrides(given: str) -> None:
    """Raise ConfigurationError, with the place, for overrides that a controller would not start with."""
    source = Source.of_overrides(given)
    source.look()
    read_checked(source)


def reading(document: Document) -> Reading:
    """Return what a document says of layers. Raises DocumentWrong."""
    try:
        declared = sections_of(document.sections)
    except BadRequest as error:
        raise ConfigurationError(document.explained(str(error))) from error
    return Reading(
        document=document,
        sections=declared,
        digest=hashlib.sha256(msgspec.json.encode(declared, order="deterministic")).hexdigest()[:DIGEST_CHARS],
    )


def sections_of(data: Mapping[str, Any]) -> dict[Section, Any]:
    """Return what a document declares, by kind, with its zone written into the budgets that need one.

    A section with nothing behind it declares nothing, and takes back what was declared. Raises BadRequest for a zone
    that there is not.
    """
    found: dict[Section, Any] = {}
    for section in SECTIONS:
        if section in data:
            value = data[section]
            found[section] = ({} if section == ROUTING else []) if value is None else value
    zone, budgets = data.get(ZONE), found.get("budgets")
    if zone is not None and isinstance(budgets, list):
        if not isinstance(zone, str):
            raise BadRequest(f"{ZONE}: {zone!r} is no time zone; write one such as Europe/Berlin")
        found["budgets"] = with_zone(budgets, zone)
    return found


def problems_alone(document: Document) -> list[Problem]:
    """Return what is wrong with a layer whatever the others say: names of chains may be theirs."""
    return [each for each in check(document) if not (each.key.startswith(ROUTING) and _DANGLING in each.message)]


def _is_path(given: str) -> bool:
    text = given.strip()
    return "\n" not in text and ": " not in text and not text.startswith("{") and not text.endswith(":")
