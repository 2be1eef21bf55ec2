"""Spans per second from POST to rated ledger, with Postgres, Valkey, controller, runner and generator on one machine.

Run: python -m benchmarks.bench_ingest [--spans 500000] [--rates 5000,max] [--senders 4]

For each rate it posts the spans to a real controller process, lets a real runner process rate them, and prints the
rate from the first POST to the last ledger entry, the lag of a span (from its commit in the inbox to its entries
being written), the age of the oldest unrated span as an observer saw it, and where the CPU went. The baseline in the
same run is COPY of the same number of rows into a bare copy of the inbox: no identity, no rating, no rollups.
"""

import argparse
import asyncio
import http.client
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Final

import asyncpg
from benchmarks.ingest_spans import batches, templates
from benchmarks.processes import api_and_runner, cpu_seconds, difference

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.embedded import EmbeddedServices
from voicegateway_controller.ledger import verify_rollups

BATCH_SPANS: Final = 512
"""What an outbox sends at once."""
SESSIONS: Final = 1_000
PROJECTS: Final = 20
LOOK_S: Final = 0.2
"""How often an observer asks for the oldest unrated span; looking costs Postgres, too."""
STALL_S: Final = 60.0
"""A ledger that stands still for this long is broken, not slow."""
LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One rate's figures."""

    asked_per_s: float | None
    spans: int
    posting_s: float
    total_s: float
    refused: int
    oldest_s: list[float]
    cpu_s: dict[str, float]


def main() -> None:
    """Run every rate against fresh services and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=500_000, help="spans per rate")
    parser.add_argument("--rates", default="max,5000", help="comma-separated spans per second, or max")
    parser.add_argument("--senders", type=int, default=4, help="connections of the generator")
    parser.add_argument("--generate", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate(*arguments.generate.split(","), senders=arguments.senders)
        return
    rates = [None if rate == "max" else float(rate) for rate in arguments.rates.split(",")]
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as home:
        asyncio.run(bench(Path(home), rates, spans=arguments.spans, senders=arguments.senders))


async def bench(home: Path, rates: list[float | None], *, spans: int, senders: int) -> None:
    """Start the services once, then measure the baseline and each rate."""
    async with EmbeddedServices(home) as services:
        url = services.database_url
        await migrate.upgrade(url)
        engine = make_engine(url, pool_size=2, application_name="bench")
        token = await create_token(engine, role=Role.WORKER, name="bench")
        await engine.dispose()
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        print(f"load before the run: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for rate in rates:
            count = -(-spans // BATCH_SPANS) * BATCH_SPANS
            with api_and_runner(url, services.redis_url) as (port, processes):
                processes |= {
                    "postgres": services.postgres.pid if services.postgres else None,
                    "valkey": services.valkey.pid if services.valkey else None,
                }
                result = await measure(connection, port, token, processes, count=count, rate=rate, senders=senders)
            await report(connection, result)
        await report_baseline(connection, spans)
        engine = make_engine(url, pool_size=2, application_name="bench")
        started = time.perf_counter()
        mismatches = await verify_rollups(engine, since=LONG_AGO, timeout_s=300)
        print(f"rollups equal the sum of entries: {not mismatches} ({time.perf_counter() - started:.1f} s)")
        await engine.dispose()
        await connection.close()


async def measure(
    connection: "asyncpg.Connection[asyncpg.Record]",
    port: int,
    token: str,
    processes: dict[str, int | None],
    *,
    count: int,
    rate: float | None,
    senders: int,
) -> Result:
    """Post `count` spans and wait until all of them are rated."""
    already = await rated(connection)
    oldest: list[float] = []
    command = [sys.executable, "-m", "benchmarks.bench_ingest", "--senders", str(senders)]
    command += ["--generate", f"{port},{token},{count},{rate or 0}"]
    generator = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert generator.stdin is not None
    assert generator.stdout is not None
    await generator.stdout.readline()
    before = cpu_seconds(processes)
    started = time.perf_counter()
    generator.stdin.write(b"go\n")
    last_progress = (started, 0)
    while (done := await rated(connection) - already) < count:
        oldest.append(await connection.fetchval(_OLDEST))
        now = time.perf_counter()
        last_progress = (now, done) if done > last_progress[1] else last_progress
        if now - last_progress[0] > STALL_S:
            raise SystemExit(f"nothing was rated for {STALL_S:.0f} s: this run is broken")
        await asyncio.sleep(LOOK_S)
    total_s = time.perf_counter() - started
    cpu_s = difference(before, cpu_seconds(processes))
    posting_s, refused, generator_cpu_s = map(float, (await generator.stdout.readline()).split())
    await generator.wait()
    return Result(
        asked_per_s=rate,
        spans=count,
        posting_s=posting_s,
        total_s=total_s,
        refused=int(refused),
        oldest_s=oldest,
        cpu_s=cpu_s | {"generator": generator_cpu_s},
    )


_OLDEST: Final = (
    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(arrived_at)), 0)::float8 FROM usage_pending"
)
# Every span of the mix has exactly one of these meters, so this is one row per span.
_LAG: Final = """
SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (
    ORDER BY extract(epoch FROM e.recorded_at - s.arrived_at)::float8)
FROM ledger_entry AS e JOIN usage_span AS s USING (day, request_id)
WHERE e.meter IN ('audio_sent_ms', 'output_tokens', 'characters_sent')
  AND e.recorded_at > now() - $1 * interval '1 second'
"""


async def report(connection: "asyncpg.Connection[asyncpg.Record]", result: Result) -> None:
    """Print one rate's figures."""
    asked = "as fast as it goes" if result.asked_per_s is None else f"{result.asked_per_s:,.0f} spans/s asked"
    lag = await connection.fetchval(_LAG, result.total_s + 1)
    seen = quantiles(result.oldest_s, n=100)
    print(f"\n{asked}: {result.spans:,} spans, {result.refused} batches sent again after 429 or 503")
    print(f"  POST to rated ledger  {result.spans / result.total_s:,.0f} spans/s over {result.total_s:.1f} s")
    print(f"  accepted (committed)  {result.spans / result.posting_s:,.0f} spans/s")
    print(f"  lag per span          p50 {lag[0]:.3f} s   p99 {lag[1]:.3f} s   max {lag[2]:.3f} s")
    print(f"  oldest unrated, seen  p50 {seen[49]:.3f} s   p99 {seen[98]:.3f} s   ({len(result.oldest_s)} looks)")
    for name, seconds in sorted(result.cpu_s.items(), key=lambda item: -item[1]):
        cores = seconds / result.total_s
        print(f"  cpu {name:12} {seconds * 1e6 / result.spans:6.1f} us/span   {cores:.2f} cores")
    print(f"  cpu in all       {sum(result.cpu_s.values()) * 1e6 / result.spans:6.1f} us/span")


async def report_baseline(connection: "asyncpg.Connection[asyncpg.Record]", spans: int) -> None:
    """COPY the inbox's own rows into a bare table: the upper bound for storing them once."""
    columns = [row[0] for row in await connection.fetch(_COLUMNS)]
    rows = [tuple(row) for row in await connection.fetch(f"SELECT * FROM usage_span LIMIT {min(spans, 100_000)}")]
    await connection.execute("CREATE TABLE bare (LIKE usage_span)")
    started = time.perf_counter()
    for start in range(0, len(rows), BATCH_SPANS):
        batch = rows[start : start + BATCH_SPANS]
        await connection.copy_records_to_table("bare", records=batch, columns=columns)
    seconds = time.perf_counter() - started
    print(
        f"\nbaseline, COPY of {len(rows):,} of these rows, {BATCH_SPANS} at a time, no ledger: "
        f"{len(rows) / seconds:,.0f} rows/s"
    )
    await connection.execute("DROP TABLE bare")


_COLUMNS: Final = (
    "SELECT attname FROM pg_attribute WHERE attrelid = 'usage_span'::regclass AND attnum > 0 ORDER BY attnum"
)


async def rated(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Return how many spans the ledger has rated in its life."""
    return int(await connection.fetchval("SELECT coalesce(sum(rated_spans), 0) FROM ledger_progress"))


def generate(port: str, token: str, count: str, rate: str, *, senders: int) -> None:
    """Post batches from `senders` threads; runs in a process of its own, told by one line on its input to begin."""
    total, per_second = int(count) // BATCH_SPANS, float(rate)
    taken = itertools.count()
    pool = templates(sessions=SESSIONS, projects=PROJECTS, seed=7)
    refused = itertools.count()
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu_before = time.perf_counter(), time.process_time()
    threads = [
        threading.Thread(
            target=_send, args=(int(port), token, batches(pool, spans=BATCH_SPANS, seed=n), taken, refused),
            kwargs={"total": total, "per_second": per_second, "started": started},
        )
        for n in range(senders)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.perf_counter() - started, next(refused), time.process_time() - cpu_before, flush=True)


def _send(
    port: int,
    token: str,
    bodies: Iterator[bytes],
    taken: "itertools.count[int]",
    refused: "itertools.count[int]",
    *,
    total: int,
    per_second: float,
    started: float,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "gzip",
    }
    while (number := next(taken)) < total:
        if per_second:
            time.sleep(max(0.0, started + number * BATCH_SPANS / per_second - time.perf_counter()))
        body = next(bodies)
        while True:
            connection.request("POST", "/v1/traces", body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status == 200:
                break
            if response.status not in (429, 503):
                raise SystemExit(f"POST answered {response.status}: {answer!r}")
            next(refused)
            time.sleep(float(response.headers.get("Retry-After", "1")))
    connection.close()


if __name__ == "__main__":
    main()
