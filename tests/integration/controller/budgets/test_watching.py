"""The runner looks for odd hours by itself and tells of each once, in the zone of its project."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from voicegateway_controller import runner

WITHIN_S = 60.0
"""Only ends a broken test."""


async def test_a_runner_tells_of_an_odd_hour(make_settings: Any, db: Any) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    spent = {hour - week * timedelta(days=7): 2 for week in range(1, 5)} | {hour: 40}
    await db.executemany(
        "INSERT INTO rollup_hour VALUES ($1, 'acme', 'a', 'openai', 'gpt-4.1-mini', 'llm', 'output_tokens', 1, 1, 1,"
        " $2::bigint, 0, 0)",
        list(spent.items()),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(make_settings(), stop))
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                told = await db.fetch("SELECT key, project, details::text FROM alert WHERE project = 'acme'")
                if told:
                    break
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await running

    [(key, project, details)] = [tuple(row) for row in told]
    assert (key, project) == (f"anomaly:acme@{hour:%Y-%m-%dT%H}Z", "acme")
    assert '"spent_usd": "40"' in details
    assert '"usual_usd": "2"' in details
