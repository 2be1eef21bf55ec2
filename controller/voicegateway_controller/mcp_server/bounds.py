"""Bounds on what a tool answers: an assistant pays for each row, and forgets what it was told before."""

from typing import Annotated, Any, Final, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

ROWS_DEFAULT: Final = 25
ROWS_MAX: Final = 200
BYTES_MAX: Final = 48 * 1024
"""Of one answer, as JSON: some 15,000 tokens."""

Rows = Annotated[int, Field(ge=1, le=ROWS_MAX, description="Rows at most; `left_out` says how many more there are.")]
LeftOut = Annotated[int, Field(description="Rows beyond those listed; ask for fewer things to see them.")]

Found = TypeVar("Found", bound=BaseModel)


def fitted(found: Found, *lists: str) -> Found:
    """Return it with its lists cut so that all of it fits into BYTES_MAX; what was cut is added to `left_out`.

    Raises:
        ToolError: it is too large even without them.
    """
    while (size := len(found.model_dump_json())) > BYTES_MAX:
        longest = max(lists, key=lambda name: len(getattr(found, name)), default=None)
        rows: list[Any] = [] if longest is None else getattr(found, longest)
        if longest is None or not rows:
            raise ToolError("the answer is too large: ask for a shorter time, for one project, or for one thing by id")
        # At least one less, so that it ends; by proportion, so that it ends soon.
        kept = min(len(rows) - 1, len(rows) * BYTES_MAX // size)
        left_out = getattr(found, "left_out", 0) + len(rows) - kept
        found = found.model_copy(update={longest: rows[:kept], "left_out": left_out})
    return found
