"""What is confirmed is what was shown, and nothing else."""

from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from voicegateway_controller.mcp_server.preview import Plan, carry_out
from voicegateway_controller.mcp_server.tools import prices


class Done:
    """Counts how often something was done."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> list[str]:
        self.times += 1
        return ["a warning of the doing"]


def _plan(do: Any, **changes: Any) -> Plan:
    given: dict[str, Any] = {"summary": "a limit", "before": [1], "after": [1, 2], "etag": '"7"', **changes}
    return Plan(do=do, **given)


async def test_a_preview_does_nothing_and_its_revision_does_it() -> None:
    do = Done()

    shown = await carry_out(_plan(do, warnings=("look",)), confirm=False, revision=None)
    times = do.times
    done = await carry_out(_plan(do, warnings=("look",)), confirm=True, revision=shown.revision)

    assert (times, do.times) == (0, 1)
    assert (shown.state, shown.warnings) == ("preview", ["look"])
    assert shown.diff.splitlines()[2:] == ["@@ -1 +1,2 @@", " - 1", "+- 2"]
    assert (done.state, done.revision, done.warnings) == ("done", "", ["look", "a warning of the doing"])


@pytest.mark.parametrize(
    "changes",
    [{"before": [0]}, {"after": [1, 3]}, {"etag": '"8"'}, {"summary": "another"}],
    ids=lambda each: next(iter(each)),
)
async def test_what_changed_since_the_preview_is_not_done(changes: dict[str, Any]) -> None:
    do = Done()
    shown = await carry_out(_plan(do), confirm=False, revision=None)

    with pytest.raises(ToolError, match="not what was previewed"):
        await carry_out(_plan(do, **changes), confirm=True, revision=shown.revision)
    with pytest.raises(ToolError, match="needs the revision of a preview"):
        await carry_out(_plan(do), confirm=True, revision=None)

    assert do.times == 0


async def test_what_is_so_already_needs_nothing() -> None:
    do = Done()

    outcome = await carry_out(_plan(do, after=[1]), confirm=True, revision=None)

    assert (outcome.state, do.times) == ("nothing_to_do", 0)


def test_a_price_from_now_on_is_the_same_change_a_second_later() -> None:
    def tried(price_id: str, effective_from: str) -> dict[str, Any]:
        change = {
            "action": "added", "price_id": price_id, "provider": "deepgram", "before_amount": "0.0048",
            "content": {"model": "nova-3", "amount": "0.0041"}, "effective_from": effective_from,
        }  # fmt: skip
        return {"revision": 3, "changes": [change], "warnings": []}

    first = prices._plan("a price", tried("deepgram/nova-3@dbe74c3f", "2026-11-22T06:29:44Z"), Done())
    later = prices._plan("a price", tried("deepgram/nova-3@6512228c", "2026-11-22T06:29:45Z"), Done())

    assert first.revision == later.revision
