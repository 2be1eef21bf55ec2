"""How soon a revoked key is used by nobody any more, and what leased keys cost a resolve and a request.

Run: python -m benchmarks.bench_revocation [--holders 4] [--rounds 20]

Two controller processes with a vault, over a Postgres and a Valkey of their own; job processes in calls that ask a
vendor forty times a second by the keys they are lent. In each round one of two keys is revoked at one of the
controllers; what counts is the last request that came with it, from the answer to the revocation on. Then a rotation,
likewise. The vendor is a server of this process that writes down by whose key each request came, and when.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
from aiohttp import web
from benchmarks.processes import api
from benchmarks.timing import us_per_call
from livekit.agents import utils

from voicegateway import Gateway, Options
from voicegateway.keys import Keyring
from voicegateway.limits.lease import boot_ns
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.embedded import EmbeddedServices
from voicegateway_controller.vault.ring import new_secret
from voicegateway_shared.wire import KeysAnswer, LeasedKey

SETTLE_S: Final = 3.0
"""After a change: more than a holder's two seconds, so that whatever still comes is seen."""
START_S_MAX: Final = 300.0
_CHUNKS: Final = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Yes."}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}},
)


class Vendor:
    """Answers at once, and remembers each key's last request."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], float] = {}
        """By key and holder."""
        self.url = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.json()
        key = request.headers["Authorization"].removeprefix("Bearer ")
        self.last[key, body["model"]] = time.monotonic()
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        text = "".join(f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in _CHUNKS) + "data: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    def holders_of(self, key: str) -> set[str]:
        """Who has ever asked by it."""
        return {holder for used, holder in self.last if used == key}

    def last_of(self, key: str) -> float:
        """When somebody last asked by it."""
        return max((at for (used, _), at in self.last.items() if used == key), default=0.0)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holders", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)
    asyncio.run(costs())
    asyncio.run(latencies(holders=arguments.holders, rounds=arguments.rounds))


async def costs() -> None:
    """Print what a leased key costs, against one of the environment, in the same run."""
    ring = Keyring()
    ring.need(("openai",))
    ring.report()
    key = LeasedKey(id="main", version=1, provider="openai", secret="sk-bench-0123456789", ttl_ms=3_600_000)
    ring.answered(KeysAnswer(keys=(key,)), sent_ns=boot_ns())
    with tempfile.TemporaryDirectory() as folder:
        options = Options(url="http://127.0.0.1:9", token="vgw_bench", outbox_dir=Path(folder))
        async with utils.http_context.open(), Gateway(options) as gateway:
            gateway._runtime().keys = ring
            resolve: Callable[[], Any] = lambda: gateway.llm("openai/gpt-4.1-mini")  # noqa: E731
            taken: dict[str, list[float]] = {"set": [], "leased": []}
            for _ in range(9):
                os.environ["OPENAI_API_KEY"] = "sk-bench-0123456789"
                taken["set"].append(us_per_call(resolve, rounds=1, calls=40)[0])
                del os.environ["OPENAI_API_KEY"]
                taken["leased"].append(us_per_call(resolve, rounds=1, calls=40)[0])
    own, leased = (statistics.median(taken[name]) for name in ("set", "leased"))
    loan = ring.lend("openai", "default")
    assert loan is not None
    look, _ = us_per_call(lambda: ring.renewed(loan, "default"), rounds=15, calls=20_000)
    lend, _ = us_per_call(lambda: ring.lend("openai", "default"), rounds=15, calls=5_000)
    print(f"resolve, key of the environment   {own:8.1f} µs")
    print(f"resolve, leased key               {leased:8.1f} µs   {leased / own:4.2f} x")
    print(f"choosing a key of the ring        {lend:8.2f} µs")
    print(f"a request's look at its loan      {look:8.2f} µs")


async def latencies(*, holders: int, rounds: int) -> None:
    """Print how long revoked and replaced keys were still used."""
    os.environ["VOICEGATEWAY_VAULT_SECRETS"] = new_secret()
    vendor = Vendor()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", vendor.chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as home:
        async with EmbeddedServices(Path(home)) as services:
            await migrate.upgrade(services.database_url)
            engine = make_engine(services.database_url, pool_size=2, application_name="bench")
            tokens = [await create_token(engine, role=role, name="bench") for role in (Role.ADMIN, Role.WORKER)]
            await engine.dispose()
            with ExitStack() as stack:
                places = (services.database_url, services.redis_url)
                ports = [(await asyncio.to_thread(stack.enter_context, api(*places)))[0] for _ in range(2)]
                urls = [f"http://127.0.0.1:{port}" for port in ports]
                await _rounds(vendor, urls, *tokens, holders=holders, rounds=rounds)
    await runner.cleanup()


async def _rounds(vendor: Vendor, urls: list[str], admin: str, worker: str, *, holders: int, rounds: int) -> None:
    headers = {"Authorization": f"Bearer {admin}"}
    names = [f"holder-{number}" for number in range(holders)]
    running = [_start(urls[number % 2], worker, vendor.url, name) for number, name in enumerate(names)]
    try:
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            secret = await _add(client, urls[0], "key-0")
            await _until(lambda: len(vendor.holders_of(secret)) == holders)
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {holders} holders, 2 controllers")
            revoked, replaced = [], []
            for number in range(rounds):
                await asyncio.sleep(secrets.randbelow(2_000) / 1_000)
                other = await _add(client, urls[number % 2], f"key-{number + 1}")
                await _until(lambda other=other: len(vendor.holders_of(other)) == holders)  # type: ignore[misc]
                answer = await client.delete(f"{urls[number % 2]}/api/v1/keys/key-{number}")
                answer.raise_for_status()
                revoked.append(await _last_after(vendor, secret))
                secret = _new()
                answer = await client.post(
                    f"{urls[number % 2]}/api/v1/keys/key-{number + 1}/rotate", json={"secret": secret}
                )
                answer.raise_for_status()
                replaced.append(await _last_after(vendor, other))
    finally:
        for each in running:
            each.kill()
            each.wait()
    for what, taken in (("revoked", revoked), ("replaced", replaced)):
        ordered = sorted(taken)
        print(
            f"{what:9} → its last request: median {statistics.median(ordered):.2f} s, "
            f"p90 {ordered[int(0.9 * (len(ordered) - 1))]:.2f} s, most {ordered[-1]:.2f} s of {len(ordered)}"
        )


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "benchmarks.revocation.holder", *arguments])


async def _add(client: httpx.AsyncClient, url: str, key_id: str) -> str:
    secret = _new()
    answer = await client.post(f"{url}/api/v1/keys", json={"id": key_id, "provider": "openai", "secret": secret})
    answer.raise_for_status()
    return secret


async def _last_after(vendor: Vendor, key: str) -> float:
    """Seconds from now to the key's last request, 0 when there was none."""
    began = time.monotonic()
    await asyncio.sleep(SETTLE_S)
    await _until(lambda: time.monotonic() - vendor.last_of(key) >= SETTLE_S)
    return max(0.0, vendor.last_of(key) - began)


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the holders do not ask by the key that they should have")
        await asyncio.sleep(0.05)


def _new() -> str:
    return f"sk-bench-{secrets.token_hex(16)}"


if __name__ == "__main__":
    main()
