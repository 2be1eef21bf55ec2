"""Which places of two documents differ. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

DIFFERENCES_MAX: Final = 50
_DEPTH_MAX: Final = 20
_MISSING: Final = object()
_IDS: Final = ("id", "name", "provider")
"""What a list's declarations are known by, if all of them have one."""


def differences(before: Any, after: Any) -> list[str]:
    """Return places such as `+ acme-month`, `- old`, `~ acme-month.amount`; at most DIFFERENCES_MAX of them."""
    found: list[str] = []
    for place in _places(before, after, "", 0):
        if len(found) == DIFFERENCES_MAX:
            break
        found.append(place)
    return found


def _places(before: Any, after: Any, path: str, depth: int) -> Iterator[str]:
    if before == after or (before is None and after is None):
        return
    if before is _MISSING or after is _MISSING:
        yield f"{'+' if before is _MISSING else '-'} {path}"
        return
    key = _key(before, after)
    left, right = _named(before, key), _named(after, key)
    if depth == 0:
        # Where nothing was, or is, each part is new or gone.
        left = {} if before is None and right is not None else left
        right = {} if after is None and left is not None else right
    if left is None or right is None or depth >= _DEPTH_MAX:
        yield f"~ {path or '(all)'}"
        return
    for name in [*left, *(name for name in right if name not in left)]:
        inner = f"{path}.{name}" if path else name
        yield from _places(left.get(name, _MISSING), right.get(name, _MISSING), inner, depth + 1)


def _key(before: Any, after: Any) -> str | None:
    """What the parts of both lists are known by; None where they are counted."""
    lists = [each for each in (before, after) if isinstance(each, list)]
    return next((key for key in _IDS if all(_is_known_by(each, key) for each in lists)), None)


def _is_known_by(parts: Sequence[Any], key: str) -> bool:
    names = [str(each[key]) for each in parts if isinstance(each, Mapping) and key in each]
    return len(names) == len(parts) == len(set(names))


def _named(document: Any, key: str | None) -> dict[str, Any] | None:
    """A document's parts by name; None for what has none."""
    if isinstance(document, Mapping):
        return {str(name): value for name, value in document.items()}
    if not isinstance(document, list):
        return None
    return {str(index if key is None else each[key]): each for index, each in enumerate(document)}
