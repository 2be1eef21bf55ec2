"""Re-rating a large past, beside rating the same requests the first time in the same run.

Run: python -m benchmarks.bench_rerate [--requests 333333]

It puts requests of three priced meters into the inbox, rates them, then rates them anew by prices of which each is
another one, so that every entry gets another entry: 333,333 requests are a million entries and a million corrections.
After that the same again, which changes nothing. All by one process, as a runner would; it prints
requests and entries per second, the ratio to the first rating, the longest transaction, and whether the rollups are
the sums of their entries.
"""

import argparse
import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.embedded import EmbeddedServices
from voicegateway_controller.ledger import Ledger, verify_rollups
from voicegateway_controller.ledger.rerating import Rerater, Reratings, Run, Selection
from voicegateway_controller.logs import configure
from voicegateway_shared.pricing import Catalog

LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
ROWS_AT_ONCE: Final = 50_000
HOURS: Final = 100
"""The past is so long: some days, as after a price was found to be wrong."""
PRICES: Final = """
provider: acme
recorded_at: 2026-11-21T00:00:00Z
sources: {{page: {{url: "https://acme.example/pricing", read_on: 2026-11-21}}}}
models:
  - model: m
    modality: llm
    source: page
    confidence: published
    per: "1_000_000 tokens"
    prices:
      - {{meter: input_tokens, amount: "{0}", minus: [cache_read_tokens]}}
      - {{meter: cache_read_tokens, amount: "0.{0}"}}
      - {{meter: output_tokens, amount: "1{0}"}}
"""
OLD: Final = Catalog.from_texts({"acme.yaml": PRICES.format(1)})
NEW: Final = Catalog.from_texts({"acme.yaml": PRICES.format(2)})

# Ids that rise with time, as the workers make them; 20 projects, 1,000 sessions.
INSERT: Final = """
WITH made AS (
    SELECT n, now() - interval '1 hour' * $3::integer * (1 - n::float8 / $4) - interval '5 minutes' AS at
    FROM generate_series($1::integer, $2::integer - 1) AS n
), span AS (
    INSERT INTO usage_span
    SELECT at::date, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000'
               || lpad(to_hex(n), 12, '0'))::uuid,
           decode(lpad(to_hex(n), 32, '0'), 'hex'), decode(lpad(to_hex(n), 16, '0'), 'hex'), 'host-1-42-abcdef01',
           'project-' || n % 20, 'AJ_' || n % 1000, 'agent', 'room', 'job', '', 'k-12345678', 'llm', 'acme', 'm', 'm',
           'r-' || n, '', '', 'streaming', 'default', 'ok', false, '', 200, 1, 400, 900, at - interval '1 second', at,
           now(), false,
           jsonb_build_object('input_tokens', 1000 + n % 977, 'cache_read_tokens', 500, 'output_tokens', 1 + n % 89),
           NULL, NULL
    FROM made
    RETURNING day, request_id, arrived_at
)
INSERT INTO usage_pending SELECT day, request_id, arrived_at FROM span
"""


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=333_333)
    arguments = parser.parse_args()
    configure(level="error", log_format="text")
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as home:
        asyncio.run(bench(Path(home), arguments.requests))


async def bench(home: Path, requests: int) -> None:
    """Rate, rate anew, do it twice, look back."""
    async with EmbeddedServices(home) as services:
        await migrate.upgrade(services.database_url)
        engine = make_engine(services.database_url, pool_size=6, application_name="bench")
        connection = await asyncpg.connect(services.database_url.replace("+asyncpg", ""))
        print(f"load before the run: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for first in range(0, requests, ROWS_AT_ONCE):
            await connection.execute(INSERT, first, min(requests, first + ROWS_AT_ONCE), HOURS, requests)
        await connection.execute("ANALYZE usage_span, usage_pending")
        baseline_s = await rate_all(engine, connection, requests)
        await say(connection, "rated for the first time", requests, baseline_s, baseline_s)
        for what, changed in (("rated anew, each entry corrected", requests), ("once more, nothing to change", 0)):
            run, took_s, longest_s = await rerate(engine, NEW)
            assert (run.seen, run.changed) == (requests, changed)
            await say(connection, what, requests, took_s, baseline_s, longest_s)
        started = time.perf_counter()
        mismatches = await verify_rollups(engine, since=LONG_AGO, timeout_s=600)
        print(f"rollups equal the sum of entries: {not mismatches} ({time.perf_counter() - started:.1f} s)")
        await engine.dispose()
        await connection.close()


async def rate_all(engine: AsyncEngine, connection: "asyncpg.Connection[Any]", requests: int) -> float:
    """Rate what waits, as one runner does with one batch at a time; return how long it took."""
    ledger = Ledger(engine, OLD, runner_name="bench", batch_spans=2_000, concurrency=1)
    started = time.perf_counter()
    while await ledger.drain(limit_s=600):
        pass
    took_s = time.perf_counter() - started
    assert await connection.fetchval("SELECT sum(rated_spans) FROM ledger_progress") == requests
    return took_s


async def rerate(engine: AsyncEngine, catalog: Catalog) -> tuple[Run, float, float]:
    """Do one run over everything; return it, how long it took, and its longest batch."""

    async def as_of(instant: datetime) -> Catalog:
        return catalog

    runs = Reratings(engine)
    run = await runs.create(Selection(provider="acme"), reason="benchmark", actor="bench", is_dry_run=False)
    rerater = Rerater(engine, as_of)
    started = time.perf_counter()
    longest_s = 0.0
    while True:
        before = time.perf_counter()
        if not await rerater.work_batch():
            break
        longest_s = max(longest_s, time.perf_counter() - before)
    return await runs.get(run.number), time.perf_counter() - started, longest_s


async def say(
    connection: "asyncpg.Connection[Any]",
    what: str,
    requests: int,
    took_s: float,
    baseline_s: float,
    longest_s: float | None = None,
) -> None:
    """Print one line."""
    entries = await connection.fetchval("SELECT count(*) FROM ledger_entry")
    longest = "" if longest_s is None else f", longest batch {longest_s * 1_000:.0f} ms"
    print(
        f"{what}: {requests:,} requests in {took_s:.1f} s, {requests / took_s:,.0f} a second, "
        f"ratio {took_s / baseline_s:.2f}; {entries:,} entries in the books{longest}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
