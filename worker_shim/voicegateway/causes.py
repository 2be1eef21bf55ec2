"""Causes: an error and what it was made of; a plugin wraps a vendor's error once or twice."""

from collections.abc import Iterator
from typing import Final

CAUSES_MAX: Final = 8


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made of, as far as that is kept."""
    cause: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
