"""What an outbox costs its caller, and how fast it writes and delivers.

Run: python benchmarks/bench_outbox.py

Caller: time on the calling thread per request (begin + settle), in bursts with the writer busy beside it, and sparse
with everything asleep in between, as on a call. Baseline in the same run: the same two SQLite commits on the calling
thread. Writing: committed requests per second, settle by settle and grouped. Delivering: rows per second from the
file to a server in another process that reads and answers, with a query and a delete per batch.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from voicegateway.outbox import Outbox
from voicegateway.outbox.batch import Change
from voicegateway.outbox.envelope import Row, export_request
from voicegateway.outbox.opening import open_store
from voicegateway_shared.ids import new_incarnation, new_request_id

BURST: Final = 1_000
"""Fits into the mailbox many times over, so nothing is dropped."""
ROUNDS: Final = 30
SPARSE_REQUESTS: Final = 300
SPARSE_PAUSE_S: Final = 0.005
BACKLOG: Final = 40_000
WAIT_S_MAX: Final = 120.0

_SERVER: Final = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    def log_message(self, *args):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def make_body() -> bytes:
    """Return a span of the usual size, about 1.2 KiB."""
    span = Span(trace_id=os.urandom(16), span_id=os.urandom(8), name="voicegateway.llm", start_time_unix_nano=1)
    for number in range(22):
        span.attributes.add(key=f"voicegateway.some.attribute.{number}").value.string_value = "x" * 14
    return span.SerializeToString()


def per_request_us(make: Callable[[str], None]) -> tuple[float, float, float]:
    """Return best and median of bursts, and the p50 of sparse requests, in µs per request."""
    bursts = []
    for _ in range(ROUNDS):
        ids = [new_request_id() for _ in range(BURST)]
        start = time.perf_counter_ns()
        for request_id in ids:
            make(request_id)
        bursts.append((time.perf_counter_ns() - start) / BURST / 1_000)
        time.sleep(0.05)
    sparse = []
    for _ in range(SPARSE_REQUESTS):
        request_id = new_request_id()
        time.sleep(SPARSE_PAUSE_S)
        start = time.perf_counter_ns()
        make(request_id)
        sparse.append((time.perf_counter_ns() - start) / 1_000)
    return min(bursts), median(bursts), median(sparse)


def caller_cost(directory: Path, body: bytes) -> None:
    """Print what a request costs the thread that makes it, with the outbox and without."""
    outbox = Outbox(directory, incarnation=new_incarnation())
    outbox.start()

    def encode() -> bytes:
        return body

    def ours(request_id: str) -> None:
        outbox.begin(request_id, encode)
        outbox.settle(request_id, encode)

    with sqlite3.connect(directory / "baseline.db", isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE span (request_id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")

        def baseline(request_id: str) -> None:
            connection.execute("INSERT INTO span VALUES (?, ?)", (request_id, encode()))
            connection.execute("UPDATE span SET body = ? WHERE request_id = ?", (encode(), request_id))

        for name, make in (("outbox", ours), ("SQLite commits on the caller", baseline)):
            best, middle, sparse = per_request_us(make)
            print(
                f"{name}: {best:.2f} µs best, {middle:.2f} µs median in bursts; {sparse:.2f} µs sparse (begin+settle)"
            )
    connection.close()
    assert outbox.flush(WAIT_S_MAX)
    assert outbox.stats().dropped == 0
    asleep = []
    for _ in range(20):
        time.sleep(1.3)
        start = time.perf_counter_ns()
        outbox.begin(new_request_id(), encode)
        asleep.append((time.perf_counter_ns() - start) / 1_000)
    print(f"outbox, begin alone after more than a second of silence: {median(asleep):.1f} µs (it wakes the writer)")
    outbox.close()


async def intent_wait(directory: Path, body: bytes) -> None:
    """Print how long a request waits for its intent to be on disk, one at a time, as on a call."""
    outbox, loop, waits = Outbox(directory, incarnation=new_incarnation()), asyncio.get_running_loop(), []
    outbox.start()
    for number in range(SPARSE_REQUESTS):
        await asyncio.sleep(SPARSE_PAUSE_S * (number % 4))
        start = time.perf_counter_ns()
        assert await outbox.begin(new_request_id(), lambda: body).wait_durable(loop, WAIT_S_MAX)
        waits.append((time.perf_counter_ns() - start) / 1_000)
    print(f"begin until durable: p50 {median(waits):.0f} µs, p99 {quantiles(waits, n=100)[98]:.0f} µs")
    outbox.close()


def write_rate(directory: Path, body: bytes) -> None:
    """Print how fast the file takes requests, one per commit and grouped."""
    store = open_store(directory)
    for group in (1, 16, 512):
        batches = [
            [Change(new_request_id(), settled=body) for _ in range(group)] for _ in range(max(20, 4_000 // group))
        ]
        latencies = []
        start = time.perf_counter()
        for changes in batches:
            before = time.perf_counter()
            store.write(changes, incarnation="host-1-a", now_ns=time.time_ns())
            latencies.append((time.perf_counter() - before) * 1e6)
        elapsed = time.perf_counter() - start
        print(
            f"write, {group} per commit: {len(batches) / elapsed:,.0f} commits/s, "
            f"{len(batches) * group / elapsed:,.0f} spans/s, commit p50 {median(latencies):.0f} µs, "
            f"p99 {quantiles(latencies, n=100)[98]:.0f} µs"
        )
    store.close()


def drain_rate(directory: Path, body: bytes) -> None:
    """Print how fast a backlog leaves."""
    store = open_store(directory)
    for start_at in range(0, BACKLOG, 500):
        incarnation = f"host-{start_at}-a"
        changes = [Change(new_request_id(), settled=body) for _ in range(500)]
        store.write(changes, incarnation=incarnation, now_ns=time.time_ns())
    store.close()
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        outbox = Outbox(directory, incarnation=new_incarnation(), url=url)
        cpu, start = time.process_time(), time.perf_counter()
        outbox.start()
        assert outbox.flush(WAIT_S_MAX)
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(f"drain: {BACKLOG / elapsed:,.0f} spans/s, {cpu / BACKLOG * 1e6:.1f} µs of CPU per span")
        trickle(outbox, body)
        outbox.close()
        server.kill()
    rows = [Row(number, str(number), "host-1-a", body) for number in range(512)]
    start = time.perf_counter()
    for _ in range(100):
        export_request(rows)
    print(f"envelope of 512 spans: {(time.perf_counter() - start) / 100 * 1e6:.0f} µs")


def trickle(outbox: Outbox, body: bytes) -> None:
    """Print how long a single request takes from settle to acknowledged, as `flush` sees it (it looks every 20 ms)."""
    latencies = []
    for _ in range(50):
        time.sleep(0.05)
        start = time.perf_counter()
        outbox.settle(new_request_id(), lambda: body)
        assert outbox.flush(WAIT_S_MAX)
        latencies.append((time.perf_counter() - start) * 1_000)
    print(f"one request, settle to acknowledged: p50 {median(latencies):.0f} ms, max {max(latencies):.0f} ms")


def main() -> None:
    """Run all and print."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    body = make_body()
    print(json.dumps({"sqlite": sqlite3.sqlite_version, "python": sys.version.split()[0], "span_bytes": len(body)}))
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(intent_wait(Path(directory), body))
    for step in (caller_cost, write_rate, drain_rate):
        with tempfile.TemporaryDirectory() as directory:
            step(Path(directory), body)


if __name__ == "__main__":
    main()
