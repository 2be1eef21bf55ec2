"""Texts that callers send and Postgres keeps: bounded, and without what it cannot hold."""

from typing import Annotated, Final

from pydantic import StringConstraints

NAME_CHARS_MAX: Final = 256
VISIBLE: Final = r"^[^\x00-\x1f\x7f]*$"
"""Anything but control characters: Postgres refuses NUL, and a line break in a name is a forged line in a log."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_CHARS_MAX, pattern=VISIBLE)]
"""A name in a path, a query or a body."""
