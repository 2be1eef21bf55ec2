"""What a single statement on a lent connection costs, beside the same with SQLAlchemy's `pool_pre_ping`, in turns.

`python -m benchmarks.bench_statement` starts a Postgres of its own.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.embedded import EmbeddedPostgres

ROUNDS: Final = 7
STATEMENTS: Final = 500


async def each_us(engine: AsyncEngine) -> tuple[float, float]:
    """Microseconds per statement: on the wall, and of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(STATEMENTS):
        async with raw_connection(engine) as connection:
            await connection.fetchval("SELECT 1")
    return (time.perf_counter() - wall) / STATEMENTS * 1e6, (time.process_time() - cpu) / STATEMENTS * 1e6


async def bench(home: Path) -> None:
    """Print both, and their ratios."""
    server = EmbeddedPostgres(home, durable=False)
    await server.start()
    asking = create_async_engine(server.url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    ours = make_engine(server.url, pool_size=1, application_name="bench")
    try:
        for engine in (asking, ours):
            await each_us(engine)
        rounds = [(await each_us(asking), await each_us(ours)) for _ in range(ROUNDS)]
    finally:
        await asking.dispose()
        await ours.dispose()
        await server.stop()
    for index, name in enumerate(("on the wall", "of the process")):
        before, now = (median(each[engine][index] for each in rounds) for engine in (0, 1))
        ratio = median(pair[1][index] / pair[0][index] for pair in rounds)
        print(f"{name:15} with pre-ping {before:6.0f} µs   ours {now:6.0f} µs   {ratio:.2f} of it")


def main() -> None:
    """Run it in a folder that goes."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(bench(Path(folder)))


if __name__ == "__main__":
    main()
