"""Scalars: what a plain word of YAML is. What versions of YAML read differently is refused, or read as a text."""

import math
import re
from typing import Any, Final

NUMBER_MAX: Final = 2**53
"""Whole numbers beyond are not exact in JSON."""
NUMBER_CHARS_MAX: Final = 40

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE: Final = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*)", re.ASCII)
_HEX: Final = re.compile(r"[-+]?0x[0-9a-fA-F_]+", re.ASCII)
_BINARY: Final = re.compile(r"[-+]?0b[01_]+", re.ASCII)
_ODD: Final = re.compile(r"[-+]?(0[0-9_]+|[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|0o[0-7]+)", re.ASCII)
"""Octal, and numbers to the base of 60: `010` is 8 to one reader, 10 to another; `12:30` is 750, or a text."""
_FRACTION: Final = re.compile(
    r"[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)", re.ASCII
)
_NOT_FINITE: Final = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))", re.ASCII)
_UNSPEAKABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class OddScalar(ValueError):
    """The word means different things to different readers, or nothing that JSON has; the message says what to do."""


def plain(text: str) -> Any:
    """Return what a word without quotes is: nothing, true or false, a number, else a text. Days stay texts.

    Raises:
        OddScalar: it is none of those.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if not (text[0].isdigit() or text[0] in "+-."):
        return quoted(text)
    for pattern, base in ((_WHOLE, 10), (_HEX, 16), (_BINARY, 2)):
        if pattern.fullmatch(text):
            return _whole(text, base)
    if _ODD.fullmatch(text):
        raise OddScalar(
            f"{_shown(text)} is not the same number to every reader of YAML; write it in quotes if it is a text"
        )
    if _NOT_FINITE.fullmatch(text):
        raise OddScalar(f"{_shown(text)} is no number that can be used; write a finite one")
    if _FRACTION.fullmatch(text):
        number = float(text.replace("_", ""))
        if not math.isfinite(number):
            raise OddScalar(f"{_shown(text)} is too large a number")
        return number
    return quoted(text)


def quoted(text: str) -> str:
    """Return a text as it is; OddScalar where it holds characters that no database or log should meet."""
    if match := _UNSPEAKABLE.search(text):
        raise OddScalar(f"the text holds the control character U+{ord(match[0]):04X}; take it out")
    return text


def _shown(text: str) -> str:
    return text if len(text) <= NUMBER_CHARS_MAX else f"{text[:NUMBER_CHARS_MAX]}…"


def _whole(text: str, base: int) -> int:
    digits = text.replace("_", "")
    number = int(digits, base) if len(digits) <= NUMBER_CHARS_MAX else NUMBER_MAX + 1
    if abs(number) > NUMBER_MAX:
        raise OddScalar(
            f"a whole number beyond {NUMBER_MAX:,} is not exact everywhere; write it in quotes if it is a text"
        )
    return number
