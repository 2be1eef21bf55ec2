"""The books at ten million entries: rating on top of them, what people look at, proving and reconciling them.

Run: python -m benchmarks.bench_books [--entries 1000000,10000000] [--spans 20000] [--parts pages,rating]

Each size is filled into a Postgres of its own, in Postgres, for this month up to now. Then, at that size:
- rating: spans are committed to the inbox and rated, as the runner does; the baseline is an empty ledger in the same
  run, so what is compared is microseconds per span;
- pages: every question that the dashboard asks, and the same for the whole month, over the API in this process;
- `voicegw ledger verify` of the month;
- a reconciliation of the provider with most entries against a statement made of our own sums, line by line: it must
  come to exactly 0.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import asyncpg
import httpx
from benchmarks.books.filling import empty, fill
from benchmarks.ingest_spans import batches, templates
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.app import create_app
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.embedded import EmbeddedServices
from voicegateway_controller.ledger import Ledger
from voicegateway_controller.ledger.audit import audit
from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile import ours
from voicegateway_controller.reconcile.service import Reconciliations, Wanted
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_controller.settings import Settings
from voicegateway_shared.pricing import Catalog

BATCH_SPANS: Final = 512
ROUNDS: Final = 30
PROVIDER: Final = "openai"
PARTS: Final = ("pages", "rating", "reconcile", "verify")


def _pages(now: datetime, month: date) -> dict[str, str]:
    """Every question of the dashboard, as it asks, and the heavier ones of a whole month."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    today = f"{now:%Y-%m-%dT00:00:00Z}"
    whole = f"{month:%Y-%m-%dT00:00:00Z}"
    return {
        "costs today by provider": f"/api/v1/costs?by=provider&since={today}",
        "costs today by model": f"/api/v1/costs?by=model&since={today}",
        "costs today by project": f"/api/v1/costs?by=project&since={today}",
        "costs, 24 h, by session": f"/api/v1/costs?by=session&since={hour - timedelta(hours=24):%Y-%m-%dT%H:00:00Z}",
        "spend, 24 hours": "/api/v1/spend?by=provider&bucket=hour",
        "spend, 60 minutes": "/api/v1/spend?by=provider&bucket=minute",
        "latency, 24 hours": "/api/v1/latency",
        "last sessions": "/api/v1/sessions",
        "ledger status": "/api/v1/ledger/status",
        "costs of the month by project": f"/api/v1/costs?by=project&since={whole}",
        "costs of the month by day": f"/api/v1/costs?by=day&since={whole}",
        "one project's month by model": f"/api/v1/costs?by=model&project=project-7&since={whole}",
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", default="1000000,10000000", help="sizes of the ledger, separated by commas")
    parser.add_argument("--spans", type=int, default=20_000, help="spans rated at each size")
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured at each size")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    sizes = [int(text) for text in arguments.entries.split(",")]
    with tempfile.TemporaryDirectory(prefix="bench-books-") as folder:
        async with EmbeddedServices(Path(folder)) as services:
            await migrate.upgrade(services.database_url)
            engine = make_engine(services.database_url, pool_size=8, application_name="bench")
            connection = await asyncpg.connect(services.database_url.replace("+asyncpg", ""))
            settings = Settings(
                database_url=SecretStr(services.database_url), redis_url=SecretStr(services.redis_url), runner_port=0
            )
            bare_us = 0.0
            if "rating" in parts:
                await _rate(engine, settings, spans=arguments.spans // 4)
                bare_us = await _rate(engine, settings, spans=arguments.spans)
                print(f"an empty ledger: {bare_us:.0f} us per span from inbox to entries, chain and rollups")
            for size in sizes:
                await empty(connection)
                month = await _filled(connection, size)
                if "pages" in parts:
                    await _look(engine, settings, now=datetime.now(UTC), month=month)
                if "rating" in parts:
                    await _rate_again(engine, settings, spans=arguments.spans, bare_us=bare_us)
                if "reconcile" in parts:
                    await _reconcile(engine, month)
                if "verify" in parts:
                    await _prove(engine, month)
            await connection.close()
            await engine.dispose()


async def _filled(connection: Any, size: int) -> date:
    """Fill the ledger with this month up to now; return the month."""
    now = datetime.now(UTC)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = await _timed(lambda: fill(connection, entries=size, month=start, until=now))
    print(f"\n{size:,} entries (filled in {seconds:.0f} s)")
    return start.date()


async def _rate_again(engine: AsyncEngine, settings: Settings, *, spans: int, bare_us: float) -> None:
    taken = sorted([await _rate(engine, settings, spans=spans) for _ in range(3)])
    print(
        f"  rating       {taken[1]:.0f} us per span ({taken[0]:.0f} to {taken[2]:.0f}), "
        f"{taken[1] / bare_us:.2f} x an empty ledger's"
    )


async def _rate(engine: AsyncEngine, settings: Settings, *, spans: int) -> float:
    """Post spans through the API, then rate them; return microseconds per span of the rating."""
    app = create_app(settings)
    worker = await create_token(engine, role=Role.WORKER, name="bench", projects=None)
    headers = {
        "Authorization": f"Bearer {worker}", "Content-Type": "application/x-protobuf", "Content-Encoding": "gzip",
    }  # fmt: skip
    bodies = batches(templates(sessions=1_000, projects=20, seed=7), spans=BATCH_SPANS, seed=time.monotonic_ns())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60) as client:
            for _ in range(spans // BATCH_SPANS):
                answer = await client.post("/v1/traces", content=next(bodies), headers=headers)
                answer.raise_for_status()
    ledger = Ledger(engine, Catalog.builtin(), runner_name="bench", batch_spans=2_000, concurrency=2)
    started = time.perf_counter()
    rated = await ledger.drain(limit_s=600)
    return (time.perf_counter() - started) * 1e6 / max(rated, 1)


async def _look(engine: AsyncEngine, settings: Settings, *, now: datetime, month: date) -> None:
    """Print how long each page's question takes, all of the API included."""
    viewer = await create_token(engine, role=Role.VIEWER, name="bench", projects=None)
    app = create_app(settings)
    slowest = 0.0
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {viewer}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60, headers=headers) as client:
            (await client.get("/livez")).raise_for_status()
            for name, path in _pages(now, month).items():
                taken = []
                for _ in range(ROUNDS):
                    started = time.perf_counter()
                    (await client.get(path)).raise_for_status()
                    taken.append((time.perf_counter() - started) * 1e3)
                p95 = quantiles(taken, n=20)[18]
                slowest = max(slowest, p95)
                print(f"  page         {name:32} p50 {median(taken):7.1f} ms   p95 {p95:7.1f} ms")
    print(f"  page         the slowest p95 is {slowest:.0f} ms")


async def _prove(engine: AsyncEngine, month: date) -> None:
    started = time.perf_counter()
    found = await audit(engine, since=month, until=next_month(month))
    seconds = time.perf_counter() - started
    looked_at = {check.name: check.looked_at for check in found.checks}
    print(f"  verify       {seconds:.1f} s, sound: {found.is_sound}, looked at {looked_at}")
    for check in found.checks:
        for finding in check.findings[:3]:
            print(f"    {check.name}: {finding}")


async def _reconcile(engine: AsyncEngine, month: date) -> None:
    async with raw_connection(engine) as connection:
        started = time.perf_counter()
        rows = await ours.sum_month(connection, PROVIDER, month)
        summing_s = time.perf_counter() - started
        entries = await connection.fetchval(
            "SELECT count(*) FROM ledger_entry WHERE provider = $1 AND charged_at >= $2",
            PROVIDER,
            datetime(month.year, month.month, 1, tzinfo=UTC),
        )
    statement = VendorStatement(
        provider=PROVIDER,
        month=month,
        lines=tuple(
            VendorLine(
                provider=PROVIDER, day=row.day, sku=f"{row.model}, {row.meter}", credential=row.key_id,
                model=row.model, meter=row.meter, quantity=row.billed_quantity, amount_pico_usd=row.amount_pico_usd,
            )
            for row in rows
        ),
        documents=(),
        settled_until=next_month(month),
        grains=("day", "credential", "sku", "model", "meter"),
        has_amounts=True,
    )  # fmt: skip

    async def fetch(_: datetime) -> VendorStatement:
        return statement

    runs = Reconciliations(engine, Catalog.builtin, Alerts(engine))
    wanted = Wanted(provider=PROVIDER, month=month, source="file", threshold=Threshold.parse("0.5%"), actor="bench")
    started = time.perf_counter()
    result = await runs.run(wanted, fetch)
    seconds = time.perf_counter() - started
    print(
        f"  reconcile    {seconds:.1f} s for {entries:,} entries of {PROVIDER} and {len(statement.lines):,} lines "
        f"(summing ours {summing_s:.1f} s); difference {result.difference_pico_usd} pico-USD"
    )


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


if __name__ == "__main__":
    asyncio.run(main())
