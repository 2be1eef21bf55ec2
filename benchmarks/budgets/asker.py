"""One process of callers that pay from a peer's budget, told to begin by a line on its input.

Run by the benchmark in the peers' environment: python -m benchmarks.budgets.asker '<job as JSON>'
"""

import asyncio
import json
import sys
from typing import Any

from benchmarks.budgets.purses import PURSES, Purse
from benchmarks.limits.asker import NS_PER_S, finish, told_to_begin
from benchmarks.limits.limiters import now_ns
from benchmarks.limits.log import AskLog


async def main() -> None:
    """Ask as the job says and write a log. One load to a process: LiteLLM's callbacks know a process's first router."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    [(load, terms)] = job["loads"].items()
    purse = await PURSES[job["purse"]](job["redis_url"], job["key"], amount_nano=job["amount_nano"])
    log = AskLog()
    begin_ns = await asyncio.to_thread(told_to_begin, log)
    await asyncio.sleep(max(0, begin_ns - now_ns()) / NS_PER_S)
    end_ns = begin_ns + int(job["seconds"] * NS_PER_S)
    await asyncio.gather(*(_call(purse, log, terms, end_ns) for _ in range(terms["callers"])))
    finish(log, job, load)


async def _call(purse: Purse, log: AskLog, terms: dict[str, Any], end_ns: int) -> None:
    """Make one request after the other; who is refused asks again a little later."""
    while (before_ns := now_ns()) < end_ns:
        is_admitted = await purse.ask()
        log.answered(before_ns, now_ns(), is_admitted=is_admitted)
        await asyncio.sleep(terms["lasts_s"] if is_admitted else terms["pause_s"])
        if is_admitted:
            await purse.pay(terms["cost_nano"])


if __name__ == "__main__":
    asyncio.run(main())
