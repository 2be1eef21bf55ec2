"""Numbers as people and spreadsheets write them, read exactly or not at all."""

import re
from decimal import Decimal
from typing import Final

NUMERAL_CHARS_MAX: Final = 64
_SIGNS: Final = re.compile(r"(?:US\$|USD|EUR|GBP|[$€£¥])", re.IGNORECASE)
_CURRENCIES: Final = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
UNMISTAKABLE: Final = frozenset({"EUR", "GBP"})
"""Those whose sign no other currency shares: `$` is Canada's, too, and `¥` China's."""
_BLANKS: Final = re.compile(r"[\s\u00a0\u2007\u202f]+")
_DASHES: Final = {"−": "-", "–": "-", "—": "-"}
_EMPTY: Final = frozenset({"", "-", "n/a", "na", "null", "none"})


class NotANumber(ValueError):
    """A cell holds something else than a number."""


def read_number(text: str, *, decimal: str = ".") -> Decimal | None:
    """Read `1,234.50`, `$0.02`, `(3.10)`, `3.10-` or `1e-05`; with a decimal comma `1.234,50`. None for no number.

    Raises:
        NotANumber: a separator of thousands that does not part three digits, or anything else.
    """
    if len(text) > NUMERAL_CHARS_MAX:
        raise NotANumber(f"{text[:20]!r}… is too long for a number")
    plain = "".join(_DASHES.get(each, each) for each in text.strip())
    plain = _SIGNS.sub("", plain).strip()
    if plain.lower() in _EMPTY:
        return None
    is_negative, plain = _sign(plain)
    thousands = "," if decimal == "." else "."
    plain = _BLANKS.sub(" ", plain)
    groups = re.escape(thousands)
    found = re.fullmatch(
        rf"(?P<whole>[0-9]{{1,3}}(?:(?P<part>[{groups}' ’])[0-9]{{3}})(?:(?P=part)[0-9]{{3}})*|[0-9]*)"
        rf"(?:{re.escape(decimal)}(?P<fraction>[0-9]*))?(?:[eE](?P<exponent>[+-]?[0-9]{{1,2}}))?",
        plain,
        re.ASCII,
    )
    whole = re.sub("[^0-9]", "", found["whole"]) if found else ""
    fraction = (found["fraction"] or "") if found else ""
    if found is None or not whole + fraction:
        raise NotANumber(f"{text!r} is no number with a decimal {'point' if decimal == '.' else 'comma'}")
    exponent = int(found["exponent"] or 0)
    # Parsing a text never rounds, however long it is; arithmetic would.
    return Decimal(f"{'-' if is_negative else ''}{whole or '0'}.{fraction or '0'}e{exponent}")


def currency_of(text: str) -> str:
    """The currency whose sign or code stands at a number; empty for none."""
    return next(iter(currencies_of(text)), "")


def currencies_of(text: str) -> list[str]:
    """All of them, each once; a number has one at most."""
    signs: list[str] = _SIGNS.findall(text.upper())
    return list(dict.fromkeys(_CURRENCIES.get(sign, sign) for sign in signs))


def _sign(plain: str) -> tuple[bool, str]:
    """Whether a minus before or behind, or parentheses, say that it is negative; and the rest."""
    if plain.startswith("(") and plain.endswith(")"):
        return True, plain[1:-1].strip()
    if plain.startswith("-"):
        return True, plain[1:].strip()
    if plain.endswith("-"):
        return True, plain[:-1].strip()
    return False, plain.removeprefix("+").strip()
