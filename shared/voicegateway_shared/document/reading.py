"""Reading YAML or JSON strictly: every value with its place, every bound held, nothing but plain values."""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from voicegateway_shared.document.building import DEPTH_MAX, WEIGHT_MAX, Builder
from voicegateway_shared.document.document import Document
from voicegateway_shared.document.places import Node, Place
from voicegateway_shared.document.problem import DocumentWrong, Problem

__all__ = ["BYTES_MAX", "DEPTH_MAX", "WEIGHT_MAX", "read_document", "read_tree"]

BYTES_MAX: Final = 1024 * 1024
"""As much as the API takes."""
DIRECTIVES_MAX: Final = 16
"""Lines that begin with `%`; of 40,000 `%TAG` the parser holds each against all others, and nothing else runs."""
_DIRECTIVE: Final = re.compile("(?:^|[\r\n\x85\u2028\u2029])%")
_PAIR: Final = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HINTS: Final = (
    ("mapping values are not allowed", "put a text that holds ': ' in quotes, and give keys of one mapping one indent"),
    ("cannot start any token", "indent with spaces, and put texts that begin with this character in quotes"),
    ("could not find expected ':'", "write `key: value`, with a space after the colon"),
    ("special characters are not allowed", "take out the control character"),
    ("control characters are not allowed", "take out the control character"),
    ("did not find expected ',' or", "close the bracket or brace, or put a comma before this"),
    ("expected ',' or", "close the bracket or brace, or put a comma before this"),
    ("expected node content", "close the bracket or brace before here, or write the value that is missing"),
    ("did not find expected key", "this line's indent fits no line above it, or a quote or bracket is not closed"),
    ("block end", "this line's indent fits no line above it"),
    ("unexpected end of stream", "close the quote"),
)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(text: str | bytes, *, name: str) -> Document:
    """Return the document in a text; `name` is what problems call the file. What says nothing is an empty mapping.

    Raises:
        DocumentWrong: it is no YAML or JSON that we take; every mistake with its line and column.
    """
    root = read_tree(text, name=name)
    if root.members is None:
        problem = Problem(
            file=name, line=root.place.line, column=root.place.column,
            message="must be a mapping of sections, such as `limits:`",
        )  # fmt: skip
        raise DocumentWrong([problem])
    return Document(name, root)


def read_tree(text: str | bytes, *, name: str) -> Node:
    """Return what a text holds, each value with its place. What says nothing is an empty mapping.

    Raises:
        DocumentWrong: it is no YAML or JSON that we take; every mistake with its line and column.
    """
    decoded = _decoded(text, name)
    builder = Builder(name)
    for event in _events(decoded, name):
        builder.take(event)
    root = builder.finished()
    if root is None or (root.members is None and root.items is None and root.value is None):
        return Node(Place(1, 1), members={})
    return root


def _decoded(text: str | bytes, name: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", errors="surrogatepass"))
    if size > BYTES_MAX:
        raise DocumentWrong(
            [Problem(file=name, message=f"{size:,} bytes are more than the {BYTES_MAX:,} that are read")]
        )
    decoded = text if isinstance(text, str) else _text(text, name)
    decoded = decoded.removeprefix("\ufeff")
    if len(_DIRECTIVE.findall(decoded)) > DIRECTIVES_MAX:
        raise DocumentWrong(
            [Problem(file=name, message=f"more than {DIRECTIVES_MAX} lines begin with `%`; take them out")]
        )
    if decoded.lstrip()[:1] in ("{", "["):
        # JSON lets tabs indent, and writes what is beyond U+FFFF in two halves; YAML does neither.
        decoded = decoded.replace("\t", " ")
        decoded = _PAIR.sub(lambda pair: f"\\U{_joined(int(pair[1], 16), int(pair[2], 16)):08x}", decoded)
    return decoded


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        problem = Problem(file=name, line=line, column=column, message="is no UTF-8; save the file as UTF-8")
        raise DocumentWrong([problem]) from error


def _events(text: str, name: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        said = " ".join(str(said).split())
        hint = next((hint for words, hint in _HINTS if words in said), "mend the file")
        problem = Problem(
            file=name, line=mark.line + 1 if mark else 0, column=mark.column + 1 if mark else 0,
            message=f"no valid YAML: {said}; {hint}",
        )  # fmt: skip
        raise DocumentWrong([problem]) from error


def _joined(high: int, low: int) -> int:
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
