"""How soon a token that is revoked at one replica is refused at another, and what asking with a cookie costs.

Run: python -m benchmarks.bench_tokens [--rounds 20]

Two controller processes over a Postgres and a Valkey of their own. In each round a fresh token is used at both, revoked
at one, and asked with at the other until that one refuses; counted from the answer to the revocation.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
from benchmarks.processes import api

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.embedded import EmbeddedServices

LOOK_S: Final = 0.005
WAIT_S_MAX: Final = 30.0
CALLS: Final = 300
WHOAMI: Final = "/api/v1/whoami"


async def main() -> None:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home:
        services = EmbeddedServices(Path(home), durable=False)
        await services.start()
        try:
            await migrate.upgrade(services.database_url)
            with (
                api(services.database_url, services.redis_url) as (here, _),
                api(services.database_url, services.redis_url) as (there, _),
            ):
                await _measure(services.database_url, here, there, rounds)
        finally:
            await services.stop()


async def _measure(database_url: str, here: int, there: int, rounds: int) -> None:
    engine = make_engine(database_url, pool_size=1, application_name="bench-tokens")
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{here}", timeout=10) as first,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{there}", timeout=10) as second,
    ):
        admin = _bearer(await create_token(engine, role=Role.ADMIN, name="bench"))
        taken = []
        for _ in range(rounds):
            text = await create_token(engine, role=Role.VIEWER, name="bench")
            for replica in (first, second):
                (await replica.get(WHOAMI, headers=_bearer(text))).raise_for_status()
            # Anywhere between two of the other's looks.
            await asyncio.sleep(random.uniform(0, 0.6))
            revoked = await first.delete(f"/api/v1/tokens/{text.split('_')[1]}", headers=admin)
            revoked.raise_for_status()
            taken.append(await _refused_after(second, text))
        print(
            f"refused at the other replica after: median {statistics.median(taken):.3f} s, "
            f"at most {max(taken):.3f} s of {rounds}"
        )
        viewer = await create_token(engine, role=Role.VIEWER, name="bench")
        with_token = await _per_call(first, _bearer(viewer))
        (await first.post("/api/v1/sign-in", json={"token": viewer})).raise_for_status()
        with_cookie = await _per_call(first, {})
        print(f"GET {WHOAMI}, median of {CALLS}: {with_token:.2f} ms with a token, {with_cookie:.2f} ms with a cookie")
    await engine.dispose()


async def _refused_after(replica: httpx.AsyncClient, text: str) -> float:
    started = time.perf_counter()
    while (await replica.get(WHOAMI, headers=_bearer(text))).status_code != 401:
        if time.perf_counter() - started > WAIT_S_MAX:
            raise RuntimeError(f"a revoked token worked for {WAIT_S_MAX:g} s")
        await asyncio.sleep(LOOK_S)
    return time.perf_counter() - started


async def _per_call(replica: httpx.AsyncClient, headers: dict[str, str]) -> float:
    taken = []
    for _ in range(CALLS):
        started = time.perf_counter()
        (await replica.get(WHOAMI, headers=headers)).raise_for_status()
        taken.append(time.perf_counter() - started)
        # Fewer in a second than one token may ask.
        await asyncio.sleep(0.02)
    return statistics.median(taken) * 1e3


def _bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


if __name__ == "__main__":
    asyncio.run(main())
