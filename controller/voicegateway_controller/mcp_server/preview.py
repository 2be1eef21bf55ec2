"""Changes in two steps: what would change is shown first, and done only when that very thing is confirmed."""

import difflib
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import yaml
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

DIFF_LINES_MAX: Final = 200
DIFF_LINE_CHARS_MAX: Final = 200
_REVISION_HEX_CHARS: Final = 16

Confirm = Annotated[
    bool, Field(description="Do it. Without, nothing changes: the answer shows what would, with its `revision`.")
]
Revision = Annotated[
    str | None,
    Field(max_length=64, description="What the preview told as `revision`; needed with `confirm`."),
]


class Outcome(BaseModel):
    """What a change would do, or did."""

    state: Literal["preview", "done", "nothing_to_do"] = Field(
        description="`preview`: nothing was changed yet. `done`: it holds now."
    )
    summary: str = Field(description="In one sentence.")
    diff: str = Field(description="What changes, as a unified diff of YAML; `-` is what is, `+` what will be.")
    warnings: list[str]
    revision: str = Field(description="Names this very change; empty once it is done.")
    next_step: str = Field(description="What to do next.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One change as it would be done now: what is, what will be, and how to do it."""

    summary: str
    before: Any
    after: Any
    do: Callable[[], Awaitable[list[str]]]
    """Does it by the API, with If-Match where there is one; returns warnings."""
    etag: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """Names what is, what will be, and of which it was made: another of any of them has another name."""
        said = json.dumps([self.summary, self.before, self.after, self.etag], sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:_REVISION_HEX_CHARS]


async def carry_out(plan: Plan, *, confirm: bool, revision: str | None) -> Outcome:
    """Show a change, or do it when what is confirmed is what would change now.

    Raises:
        ToolError: it was confirmed without a preview, or something has changed since; nothing was done.
    """
    if plan.before == plan.after:
        return _outcome(plan, state="nothing_to_do", next_step="It is so already; nothing needs to be done.")
    if not confirm:
        return _outcome(
            plan,
            state="preview",
            revision=plan.revision,
            next_step="Show this to the person who asked. To do it, call again with the same arguments, "
            f"confirm=true and revision={plan.revision!r}.",
        )
    if revision is None:
        raise ToolError(
            "confirm=true needs the revision of a preview: call without confirm, show what would change, then confirm. "
            "Nothing was changed"
        )
    if revision != plan.revision:
        raise ToolError(
            "what would change is not what was previewed: other arguments, or somebody changed something since. "
            "Nothing was changed; preview again"
        )
    warnings = await plan.do()
    return _outcome(plan, state="done", warnings=warnings, next_step="It holds now; workers follow within seconds.")


def diff(before: Any, after: Any) -> str:
    """Return what changes as a unified diff of YAML, at most DIFF_LINES_MAX lines of it."""
    lines = list(difflib.unified_diff(_lines(before), _lines(after), "now", "then", n=3, lineterm=""))
    if len(lines) > DIFF_LINES_MAX:
        lines = [*lines[:DIFF_LINES_MAX], f"… and {len(lines) - DIFF_LINES_MAX} more lines"]
    return "\n".join(line[:DIFF_LINE_CHARS_MAX] for line in lines)


def _outcome(
    plan: Plan,
    *,
    state: Literal["preview", "done", "nothing_to_do"],
    next_step: str,
    revision: str = "",
    warnings: list[str] | None = None,
) -> Outcome:
    return Outcome(
        state=state,
        summary=plan.summary,
        diff=diff(plan.before, plan.after),
        warnings=[*plan.warnings, *(warnings or ())],
        revision=revision,
        next_step=next_step,
    )


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return text.splitlines()
