"""Document: what a file says, as plain values, and where each of them stands."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from voicegateway_shared.document.places import Node, Path, Place, key_text, walk
from voicegateway_shared.document.problem import Problem

_UNKNOWN_KEY: Final = re.compile(r"\s*:?\s*unknown key '([^']+)'")
_ONE_OF: Final = re.compile(r": '([^']+)' is none of ")
_NOT_THERE: Final = re.compile(r"([^\s:]+): (.*)", re.DOTALL)
_NAMED: Final = re.compile(r"(limit|budget|allowance)s? '([^']+)'(?: and '([^']+)')?")


class Document:
    """One file that was read; immutable."""

    def __init__(self, name: str, root: Node) -> None:
        self.name = name
        """What problems call the file."""
        self._root = root

    @cached_property
    def data(self) -> dict[str, Any]:
        """What it says: texts, whole numbers, fractions, true, false, null, lists and mappings of these."""
        plain = self._root.plain()
        return plain if isinstance(plain, dict) else {}

    @property
    def sections(self) -> Mapping[str, Any]:
        """What stands at the top: each section's name and value."""
        return self.data

    def explained(self, message: str) -> str:
        """Return a parser's message in one line, with the file's name, and line and column where it names a place."""
        return str(self.problem(message))

    def place(self, path: Sequence[str | int]) -> Place | None:
        """Return where the key, or the list's item, of a path stands; None where there is no such value."""
        return self._root.place_of(path)

    def nearest_place(self, path: Sequence[str | int]) -> Place:
        """Return the place of a path, or of the nearest thing around it that is there."""
        for length in range(len(path), 0, -1):
            if (place := self.place(path[:length])) is not None:
                return place
        return self._root.place

    def problem_at(self, path: Sequence[str | int], message: str) -> Problem:
        """Return a problem with the value of a path."""
        place = self.nearest_place(path)
        return Problem(file=self.name, key=key_text(path), message=message, line=place.line, column=place.column)

    def problem(self, message: str, *, names: Mapping[str, Mapping[str, int]] | None = None) -> Problem:
        """Return the problem that a parser's message tells, `limits[0].burst: …` for one, with line and column.

        `names` has for each section the index of the declaration of each name, where names are not written.
        """
        path, rest = self.locate(message, names=names)
        place = self.nearest_place(path)
        key = key_text(path)
        if path and (match := _NOT_THERE.match(rest)):
            # What the message names is not there (`….model`: is missing), so its place is that of what lacks it.
            key, rest = f"{key}{'' if match[1].startswith('[') else '.'}{match[1]}", match[2]
        return Problem(file=self.name, key=key, message=rest.strip(), line=place.line, column=place.column)

    def locate(self, message: str, *, names: Mapping[str, Mapping[str, int]] | None = None) -> tuple[Path, str]:
        """Return the path of what a parser's message is about, empty where it names nothing, and what it says of it."""
        path, rest = walk(message, self.data)
        if not path and (match := _NAMED.match(message)):
            return self._named(f"{match[1]}s", match[3] or match[2], names or {}), message
        if not path:
            return (), message
        if (match := _UNKNOWN_KEY.match(rest)) and self.place((*path, match[1])) is not None:
            mend = rest[match.end() :].removeprefix(";").strip()
            return (*path, match[1]), f"unknown key{'; ' if mend else ''}{mend}"
        if (match := _ONE_OF.match(rest)) and self.place((*path, match[1])) is not None:
            return (*path, match[1]), rest[1:].strip()
        if rest.startswith(":"):
            return path, rest[1:].strip()
        if _NOT_THERE.match(rest):
            return path, rest
        return path, message

    def _named(self, section: str, name: str, names: Mapping[str, Mapping[str, int]]) -> Path:
        given = self.data.get(section)
        index = names.get(section, {}).get(name.partition(":")[0])
        if index is None and isinstance(given, list):
            wanted = (name, name.partition(":")[0])
            found = [i for i, each in enumerate(given) if isinstance(each, dict) and each.get("name") in wanted]
            index = found[0] if found else None
        return (section,) if index is None else (section, index)
