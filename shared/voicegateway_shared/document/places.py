"""Places: where in a text each value of a document stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

Path = tuple[str | int, ...]
_INDEX: Final = re.compile(r"\[(\d{1,9})\]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/@*+-]+(\.[0-9][A-Za-z0-9_/@*+-]*)*")
_AFTER_KEY: Final = ".[: "


class Place(NamedTuple):
    """A line and a column, both counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """One value with its place; a mapping's and a list's hold those within. Shared where an alias repeats it."""

    place: Place
    value: Any = None
    """Of a scalar."""
    members: dict[str, "Node"] | None = None
    keys: dict[str, Place] = field(default_factory=dict)
    """Where each member's key stands."""
    items: list["Node"] | None = None
    weight: int = 0
    """How much it is when its aliases are written out."""
    height: int = 0
    """Mappings and lists within one another, this one included."""

    def plain(self) -> Any:
        """Return the value without places, aliases written out; as deep as reading allows."""
        if self.members is not None:
            return {key: each.plain() for key, each in self.members.items()}
        return [each.plain() for each in self.items] if self.items is not None else self.value

    def place_of(self, path: Sequence[str | int]) -> Place | None:
        """Return where the key, or the list's item, of a path stands; None where there is no such value."""
        node, place = self, self.place
        for step in path:
            if node.members is not None and step in node.members:
                node, place = node.members[str(step)], node.keys[str(step)]
            elif node.items is not None and isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
                place = node.place
            else:
                return None
        return place


def walk(text: str, document: Any) -> tuple[Path, str]:
    """Return the longest path of a document that a text begins with, and what is left of the text.

    Names may hold dots (`chains.llm.gpt-4.1`), so what is there decides: the longest key that fits.
    """
    path: list[str | int] = []
    while True:
        if isinstance(document, dict):
            fitting = [key for key in document if _begins(text, key)]
            if not fitting:
                break
            key = max(fitting, key=len)
            document, text = document[key], text[len(key) :]
            path.append(key)
        elif isinstance(document, list) and (match := _INDEX.match(text)) and int(match[1]) < len(document):
            document, text = document[int(match[1])], text[match.end() :]
            path.append(int(match[1]))
        else:
            break
        if text.startswith("."):
            text = text[1:]
    return tuple(path), text


def key_text(path: Sequence[str | int]) -> str:
    """Return a path as people read it: `limits[0].requests_per_min`."""
    text = ""
    for step in path:
        text = child_key(text, step)
    return text


def child_key(parent: str, step: str | int) -> str:
    """Return the text of a path that is one step longer."""
    if isinstance(step, int):
        return f"{parent}[{step}]"
    shown = step if _PLAIN.fullmatch(step) else repr(step)
    return f"{parent}.{shown}" if parent else shown


def _begins(text: str, key: Any) -> bool:
    return (
        isinstance(key, str)
        and bool(key)
        and text.startswith(key)
        and (text[len(key) : len(key) + 1] or ":") in _AFTER_KEY
    )
