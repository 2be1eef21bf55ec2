"""What `voicegw limits simulate` prints."""

from typing import Any

import pytest
from rich.console import Console

from voicegateway_controller.cli.limits_tables import simulation_table

POOL: dict[str, Any] = {
    "id": "openai:tokens_per_min", "meter": "tokens", "units": 200_000, "period_ms": 60_000, "burst": 33_334,
    "slots": 0, "holds": True, "matched": 392, "delayed": 0, "refused": 0, "smallest": 44,
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "requests": 392, "since": "2026-11-15T12:35:19Z", "until": "2026-11-22T12:35:19Z", "is_truncated": False,
    "admit_wait_ms": 250, "pools": [POOL],
}  # fmt: skip


@pytest.mark.parametrize(
    ("pool", "is_told"),
    [({}, True), ({"matched": 0}, False), ({"meter": "slots", "units": 0, "slots": 10}, False)],
)
def test_the_smallest_rate_says_that_it_leans_on_the_burst(pool: dict[str, Any], is_told: bool) -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(simulation_table({**ANSWER, "pools": [{**POOL, **pool}]}, width=80))

    assert ("with the burst that the limit has now" in capture.get()) is is_told
