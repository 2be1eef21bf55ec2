"""Exchange: another key in the place of the one that a plugin was built with, wherever the plugin keeps it.

Plugins keep their key in an attribute of their own, of their options or of their vendor's client. Looked for is not a
name but the key itself, so that a plugin of another release keeps it where it likes.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

PARTS_MAX: Final = 64
"""Attributes of a plugin that are looked into; they have two or three dozen."""


def exchange(holder: Any, old: str, new: str) -> bool:
    """Put a key in another's place in a plugin or a stream; say whether it was found there.

    Connections that were opened with the old one are not used again; those in use end with their request.
    """
    found = sum([_exchanged(each, old, new) for each in (holder, *_parts(holder))])
    for part in _parts(holder):
        _retire(part)
    return found > 0


def holds(holder: Any, key: str) -> bool:
    """Whether a plugin or a stream has a key where `exchange` would find it."""
    return any(key in _texts(each) for each in (holder, *_parts(holder)))


def _parts(holder: Any) -> Iterator[Any]:
    """Options, clients and pools: what a plugin has that has attributes itself."""
    for name, value in list(vars(holder).items())[:PARTS_MAX]:
        if name.startswith("_voicegateway"):
            continue
        if hasattr(value, "api_key") or dataclasses.is_dataclass(value) or _is_pooled(value):
            yield value
            pool = getattr(value, "_pool", None)
            if pool is not None:
                yield pool


def _exchanged(part: Any, old: str, new: str) -> int:
    count = 0
    for name in [name for name, value in _attributes(part) if isinstance(value, str) and value == old]:
        try:
            setattr(part, name, new)
        except (AttributeError, TypeError):
            # A frozen part: whoever asks is told that the key is still there.
            continue
        count += 1
    for _, value in _attributes(part):
        if isinstance(value, dict):
            for key in [key for key, text in value.items() if isinstance(text, str) and old in text]:
                value[key] = value[key].replace(old, new)
                count += 1
    return count


def _texts(part: Any) -> set[str]:
    return {value for _, value in _attributes(part) if isinstance(value, str)}


def _attributes(part: Any) -> list[tuple[str, Any]]:
    own = getattr(part, "__dict__", None)
    if isinstance(own, dict):
        return list(own.items())
    if dataclasses.is_dataclass(part):
        return [(field.name, getattr(part, field.name, None)) for field in dataclasses.fields(part)]
    return []


def _is_pooled(value: Any) -> bool:
    return any(callable(getattr(value, name, None)) for name in ("invalidate", "mark_non_current")) or hasattr(
        value, "_pool"
    )


def _retire(part: Any) -> None:
    """Let no later request use a connection that was opened before."""
    for name in ("invalidate", "mark_non_current"):
        retire = getattr(part, name, None)
        if callable(retire):
            retire()
            return
