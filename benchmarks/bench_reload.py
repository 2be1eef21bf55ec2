"""How soon what is written into voicegw.yaml is in force: at the controllers, and in the requests of every worker.

Run: python -m benchmarks.bench_reload [--holders 4] [--rounds 20] [--limited]

Two controller processes over a Postgres and a Valkey of their own, one of which watches the file; job processes in
calls that ask the chain `fast` some forty times a second at either of them. In each round another model is written
into the chain. What counts is, from the return of the write on, until a controller answers that the new one holds, and
until a worker's first request with the new one reaches the vendor, who is a server of this process.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
from aiohttp import web
from benchmarks.processes import api

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.embedded import EmbeddedServices

LOOK_S: Final = 0.02
WAIT_S_MAX: Final = 180.0
SEED: Final = 7
CONTROLLERS: Final = 2
LIMITS: Final = "limits: [{provider: openai, requests_per_min: 1_000_000}]\n"
_CHUNKS: Final = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Yes."}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}},
)


class Vendor:
    """Answers at once, and remembers when each model was first asked by whom."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, str], float] = {}
        self.url = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.json()
        holder = body["messages"][0]["content"]
        self.first.setdefault((body["model"], holder if isinstance(holder, str) else holder[0]["text"]), _now())
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        text = "".join(f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in _CHUNKS) + "data: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    def by(self, model: str) -> dict[str, float]:
        """When each holder first asked for a model."""
        return {holder: at for (asked, holder), at in self.first.items() if asked == model}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holders", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--limited", action="store_true", help="declare a limit: its holders speak every second")
    arguments = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = "sk-bench"
    asyncio.run(measure(holders=arguments.holders, rounds=arguments.rounds, is_limited=arguments.limited))


async def measure(*, holders: int, rounds: int, is_limited: bool) -> None:
    """Print how long a change of the file takes to be in force."""
    vendor = Vendor()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", vendor.chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as home:
        file = Path(home) / "watched" / "voicegw.yaml"
        file.parent.mkdir()
        async with EmbeddedServices(Path(home) / "services") as services:
            await migrate.upgrade(services.database_url)
            engine = make_engine(services.database_url, pool_size=2, application_name="bench")
            admin, worker = [await create_token(engine, role=role, name="bench") for role in (Role.ADMIN, Role.WORKER)]
            await engine.dispose()
            write(file, vendor, "model-0", LIMITS if is_limited else "")
            with ExitStack() as stack:
                urls = []
                for number in range(CONTROLLERS):
                    # Only the first one has the file.
                    os.environ["VOICEGATEWAY_CONFIG"] = str(file) if number == 0 else ""
                    place = (services.database_url, services.redis_url)
                    port, _ = await asyncio.to_thread(stack.enter_context, api(*place))
                    urls.append(f"http://127.0.0.1:{port}")
                os.environ["VOICEGATEWAY_CONFIG"] = ""
                await _rounds(vendor, file, urls, admin, worker, holders=holders, rounds=rounds, is_limited=is_limited)
    await runner.cleanup()


async def _rounds(
    vendor: Vendor,
    file: Path,
    urls: list[str],
    admin: str,
    worker: str,
    *,
    holders: int,
    rounds: int,
    is_limited: bool,
) -> None:
    chance = random.Random(SEED)
    names = [f"holder-{number}" for number in range(holders)]
    running = [_start(urls[number % len(urls)], worker, name) for number, name in enumerate(names)]
    taken: dict[str, list[float]] = {"controller with the file": [], "other controller": [], "worker's request": []}
    try:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {admin}"}, timeout=30) as client:
            await _until(lambda: len(vendor.by("model-0")) == holders)
            print(
                f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {holders} holders, {len(urls)} controllers"
            )
            for number in range(1, rounds + 1):
                await asyncio.sleep(1 + chance.random())
                model = f"model-{number}"
                write(file, vendor, model, LIMITS if is_limited else "")
                began = _now()
                seen = await asyncio.gather(*(_holds(client, url, model) for url in urls))
                await _until(lambda model=model: len(vendor.by(model)) == holders)  # type: ignore[misc]
                taken["controller with the file"].append(seen[0] - began)
                taken["other controller"] += [each - began for each in seen[1:]]
                taken["worker's request"] += [at - began for at in vendor.by(model).values()]
    finally:
        for each in running:
            each.kill()
            each.wait()
    for what, values in taken.items():
        ordered = sorted(values)
        print(
            f"written → in force, {what:24} median {statistics.median(ordered):.2f} s, "
            f"p90 {ordered[int(0.9 * (len(ordered) - 1))]:.2f} s, most {ordered[-1]:.2f} s of {len(ordered)}"
        )


def write(file: Path, vendor: Vendor, model: str, more: str) -> None:
    """Replace the file at once, as Kubernetes and careful editors do."""
    text = (
        f"routing: {{chains: {{llm: {{fast: [{{model: openai/{model}, options: {{base_url: '{vendor.url}'}}}}]}}}}}}\n"
    )
    beside = file.with_suffix(".new")
    beside.write_text(text + more)
    beside.rename(file)


async def _holds(client: httpx.AsyncClient, url: str, model: str) -> float:
    """Return when a controller first answers that the model holds."""

    async def is_there() -> bool:
        return f"openai/{model}" in (await client.get(f"{url}/api/v1/routing")).text

    await _until(is_there)
    return _now()


async def _until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    deadline = _now() + WAIT_S_MAX
    while True:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        if _now() > deadline:
            raise TimeoutError("what was written is not in force where it should be")
        await asyncio.sleep(LOOK_S)


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "benchmarks.reload.holder", *arguments])


def _now() -> float:
    return time.monotonic()


if __name__ == "__main__":
    main()
