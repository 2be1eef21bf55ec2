"""Building a document from a parser's events on a stack of our own: neither depth nor aliases can exhaust anything."""

from dataclasses import dataclass
from typing import Any, Final, NoReturn

import yaml

from voicegateway_shared.document.places import Node, Place, child_key
from voicegateway_shared.document.problem import DocumentWrong, Problem
from voicegateway_shared.document.scalars import OddScalar, plain, quoted

DEPTH_MAX: Final = 32
"""Mappings and lists within one another; the deepest declaration, a project's chain's model's option, has fourteen."""
WEIGHT_MAX: Final = 8 * 1024 * 1024
"""What a document may grow to with its aliases written out: characters, and VALUE_WEIGHT for each value and key."""
VALUE_WEIGHT: Final = 32
PROBLEMS_MAX: Final = 100
KEY_CHARS_MAX: Final = 1_024
SHOWN_CHARS: Final = 60
_MERGE: Final = "<<"
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come."""

    node: Node
    key: str
    """Its own path, as text."""
    anchor: str | None
    waiting: tuple[str | None, Place] | None = None
    """The key that waits for its value; None for one that is wrong."""
    merged: list[Node] | None = None


class Builder:
    """Builds one document; lives as long as that. Small mistakes are gathered, large ones end it at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self._weight = 0

    def take(self, event: Any) -> None:
        """Take the next event. Raises DocumentWrong for what ends the reading."""
        place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop(place, "", "a second document begins here; keep one, without `---` inside")
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._begin(event, place)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            self._scalar(event, place)

    def finished(self) -> Node | None:
        """Return the document, None where there was none; DocumentWrong with the mistakes that were gathered."""
        if self._problems:
            raise DocumentWrong(self._problems)
        return self._root

    def _begin(self, event: Any, place: Place) -> None:
        key = self._place_key()
        self._weigh(VALUE_WEIGHT, place, key)
        if len(self._open) >= DEPTH_MAX:
            self._stop(place, key, f"is nested deeper than {DEPTH_MAX} mappings and lists")
        if self._awaits_key():
            self._stop(place, key, "a key must be a text, not a mapping or a list; put texts with brackets in quotes")
        self._refuse_tag(event, place, key)
        node = Node(place, members={}) if isinstance(event, yaml.MappingStartEvent) else Node(place, items=[])
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, key, event.anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        node = closed.node
        if node.members is not None:
            # What stands in the mapping itself holds over what is merged, and an earlier mapping over a later one.
            for merged in closed.merged or ():
                for key, each in (merged.members or {}).items():
                    if key not in node.members:
                        node.members[key] = each
                        node.keys[key] = merged.keys[key]
        within = list((node.members or {}).values()) + (node.items or [])
        node.weight = VALUE_WEIGHT + sum(each.weight for each in within) + sum(map(len, node.members or ()))
        node.height = 1 + max((each.height for each in within), default=0)
        self._keep(node, closed.anchor)

    def _scalar(self, event: Any, place: Place) -> None:
        key = self._place_key()
        if self._awaits_key():
            self._open[-1].waiting = (self._key_of(event, place, key), place)
            return
        if isinstance(event, yaml.AliasEvent):
            self._put(self._alias(event, place, key))
            return
        self._refuse_tag(event, place, key)
        try:
            is_plain = event.implicit[0] and event.tag is None
            node = Node(place, plain(event.value) if is_plain else quoted(event.value))
        except OddScalar as error:
            self._note(place, key, str(error))
            node = Node(place)
        node.weight = VALUE_WEIGHT + len(event.value)
        self._weigh(node.weight, place, key)
        self._keep(node, event.anchor)

    def _keep(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._put(node)

    def _put(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        into = self._open[-1]
        if into.node.items is not None:
            into.node.items.append(node)
            return
        key, place = into.waiting or (None, node.place)
        into.waiting = None
        if key == _MERGE:
            self._merge(into, node, place)
        elif key is not None and into.node.members is not None:
            into.node.members[key] = node
            into.node.keys[key] = place

    def _merge(self, into: _Open, node: Node, place: Place) -> None:
        given = node.items if node.items is not None else [node]
        if any(each.members is None for each in given):
            self._note(place, into.key, "`<<` takes a mapping, or a list of them, such as `<<: *defaults`")
            return
        into.merged = (into.merged or []) + given

    def _alias(self, event: Any, place: Place, key: str) -> Node:
        if event.anchor not in self._anchors:
            self._stop(place, key, f"there is no `&{event.anchor}` above that `*{event.anchor}` could repeat")
        node = self._anchors[event.anchor]
        if node is None:
            self._stop(place, key, f"`*{event.anchor}` stands within what it repeats, which never ends")
        if len(self._open) + node.height > DEPTH_MAX:
            self._stop(place, key, f"is nested deeper than {DEPTH_MAX} mappings and lists")
        self._weigh(node.weight, place, key)
        return node

    def _key_of(self, event: Any, place: Place, parent: str) -> str | None:
        """Return a key's text, None where it is wrong."""
        if isinstance(event, yaml.AliasEvent):
            self._note(place, parent, "a key must be a text, not a `*` that repeats one; put it in quotes")
            return None
        members = self._open[-1].node.members or {}
        self._weigh(VALUE_WEIGHT + len(event.value), place, parent)
        self._refuse_tag(event, place, parent)
        shown = event.value if len(event.value) <= SHOWN_CHARS else f"{event.value[:SHOWN_CHARS]}…"
        try:
            is_plain = event.implicit[0] and event.tag is None
            key = plain(event.value) if is_plain and event.value != _MERGE else quoted(event.value)
        except OddScalar as error:
            self._note(place, parent, f"key {shown!r}: {error}")
            return None
        if not isinstance(key, str):
            what = "nothing" if key is None else "true or false" if isinstance(key, bool) else "a number"
            self._note(place, parent, f"the key {shown or '~'} means {what} in YAML; put it in quotes")
            return None
        if not key or len(key) > KEY_CHARS_MAX:
            self._note(place, parent, f"a key must have 1 to {KEY_CHARS_MAX} characters")
            return None
        if key in members:
            first = self._open[-1].node.keys[key]
            self._note(place, child_key(parent, key), f"stands here twice, first on line {first.line}; keep one")
            return None
        if event.anchor is not None:
            self._anchors[event.anchor] = Node(place, key, weight=VALUE_WEIGHT + len(key))
        return key

    def _awaits_key(self) -> bool:
        return bool(self._open) and self._open[-1].node.members is not None and self._open[-1].waiting is None

    def _place_key(self) -> str:
        """Return the path of what comes next, as text; while a key is awaited that of its mapping."""
        if not self._open:
            return ""
        into = self._open[-1]
        if into.node.items is not None:
            return child_key(into.key, len(into.node.items))
        return into.key if into.waiting is None else child_key(into.key, into.waiting[0] or "?")

    def _refuse_tag(self, event: Any, place: Place, key: str) -> None:
        if event.tag not in (None, "!", _TEXT_TAG):
            self._note(place, key, f"tags such as {event.tag[:SHOWN_CHARS]} are not read; write the plain value")

    def _weigh(self, weight: int, place: Place, key: str) -> None:
        self._weight += weight
        if self._weight > WEIGHT_MAX:
            self._stop(place, key, "the document is too large from here on, what `*` repeats included")

    def _note(self, place: Place, key: str, message: str) -> None:
        self._problems.append(Problem(file=self._name, line=place.line, column=place.column, key=key, message=message))
        if len(self._problems) >= PROBLEMS_MAX:
            raise DocumentWrong(self._problems)

    def _stop(self, place: Place, key: str, message: str) -> NoReturn:
        problem = Problem(file=self._name, line=place.line, column=place.column, key=key, message=message)
        raise DocumentWrong([*self._problems, problem])
