"""Many holders that speak `/v1/sync` over keep-alive connections of their own, from one process.

Run by the benchmark: python -m benchmarks.limits.syncs '<job as JSON>'
"""

import asyncio
import json
import sys
import time
from array import array
from typing import Any, Final, cast

import msgspec
import uvloop

from voicegateway_shared.wire import Claim, SessionPresence, SyncRequest, SyncResponse

TICK_S: Final = 0.005
OPENING: Final = 50
"""Connections opened at once, well below the listener's backlog."""
NS_PER_S: Final = 1_000_000_000
PROJECT: Final = "bench"


class Holder(asyncio.Protocol):
    """One holder and its connection; lives as long as the run."""

    def __init__(self, number: int, run: "Run") -> None:
        self._run, self._number = run, number
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._sent_ns = self._seq = self._used = self._granted = 0
        self._revision = -1
        self.is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to write to."""
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends during the run is a failure."""
        self._run.lost += not self._run.is_over

    def speak(self) -> None:
        """Say what one request per second makes a holder say; who carries the call in every other message."""
        assert self._transport is not None
        self._seq += 1
        self._used = min(self._used + 1, self._granted)
        incarnation = f"bench-{self._number}"
        started = "2026-01-01T00:00:00Z"
        call = SessionPresence(session_id=incarnation, project=PROJECT, agent="bench", room="r", started_at=started)
        body = self._run.encode(
            SyncRequest(
                incarnation=incarnation,
                seq=self._seq,
                host="bench",
                pid=self._number,
                shim_version="0",
                sessions=(call,) if self._seq % 2 else None,
                limits_revision=self._revision,
                claims=(
                    Claim(pool=self._run.rate_pool, project=PROJECT, used=self._used, target=self._used + 2,
                          demand_milli=1_000),
                    Claim(pool=self._run.slot_pool, project=PROJECT, used=1, target=1, demand_milli=1_000),
                ),
            )
        )  # fmt: skip
        self.is_waiting, self._sent_ns = True, time.monotonic_ns()
        self._transport.write(self._run.heading + str(len(body)).encode() + b"\r\n\r\n" + body)

    def data_received(self, data: bytes) -> None:
        """Take an answer, once all of it is there."""
        self._received += data
        heading, blank, body = self._received.partition(b"\r\n\r\n")
        length = heading.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not blank or len(body) < int(length):
            return
        self._received, self.is_waiting = b"", False
        self._run.answered(heading, time.monotonic_ns() - self._sent_ns)
        if heading.startswith(b"HTTP/1.1 200"):
            answer = self._run.decode(body)
            self._revision, self._granted = answer.limits_revision, answer.leases[0].granted
        if self._run.is_closed_loop and not self._run.is_over:
            self.speak()


class Run:
    """What all holders of one run share."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.rate_pool, self.slot_pool = job["rate_pool"], job["slot_pool"]
        self.is_closed_loop: bool = job["is_closed_loop"]
        self.heading = (
            f"POST /v1/sync HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {job['token']}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self.encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder(SyncResponse).decode
        self.took_ns = array("q")
        self.refused: dict[str, int] = {}
        self.lost = self.skipped = 0
        self.is_over = False

    def answered(self, heading: bytes, took_ns: int) -> None:
        """Note one answer."""
        if heading.startswith(b"HTTP/1.1 200"):
            self.took_ns.append(took_ns)
        else:
            status = heading[9:12].decode()
            self.refused[status] = self.refused.get(status, 0) + 1

    def forget(self) -> None:
        """Begin to count."""
        self.took_ns = array("q")
        self.refused.clear()
        self.skipped = 0


async def main() -> None:
    """Open all connections, warm up, then measure as the job says."""
    job = json.loads(sys.argv[1])
    run = Run(job)
    loop = asyncio.get_running_loop()
    holders: list[Holder] = []
    while len(holders) < job["holders"]:
        numbers = range(len(holders), min(len(holders) + OPENING, job["holders"]))
        made = [loop.create_connection(lambda n=n: Holder(n, run), "127.0.0.1", job["port"]) for n in numbers]  # type: ignore[misc]
        holders += [holder for _, holder in await asyncio.gather(*made)]
    speaking = asyncio.create_task(_speak(run, holders))
    await asyncio.sleep(job["warm_s"])
    print("ready", flush=True)
    sys.stdin.readline()
    run.forget()
    began_ns, cpu_s = time.monotonic_ns(), time.process_time()
    await asyncio.sleep(job["seconds"])
    seconds = (time.monotonic_ns() - began_ns) / NS_PER_S
    run.is_over = True
    speaking.cancel()
    took = sorted(run.took_ns) or [0]
    found = {
        "syncs_per_s": len(run.took_ns) / seconds,
        "seconds": seconds,
        "p50_ms": took[len(took) // 2] / 1e6,
        "p99_ms": took[len(took) * 99 // 100] / 1e6,
        "skipped": run.skipped,
        "refused": run.refused,
        "lost": run.lost,
        "cpu_s": time.process_time() - cpu_s,
    }
    print(json.dumps(found), flush=True)


async def _speak(run: Run, holders: list[Holder]) -> None:
    """Have each holder speak once a second, evenly spread; one that still waits for its answer is skipped."""
    if run.is_closed_loop:
        for holder in holders:
            holder.speak()
        return
    began, said = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * len(holders))
        while said < due:
            holder = holders[said % len(holders)]
            if holder.is_waiting:
                run.skipped += 1
            else:
                holder.speak()
            said += 1
        await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    uvloop.run(main())
