"""`python -m voicegateway.testing.fleet.worker`: a LiveKit worker that takes N scripted calls, then leaves."""

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Final

# Plugins register themselves on the main thread, and are preloaded into the job processes' forkserver.
import livekit.plugins.cartesia
import livekit.plugins.deepgram
import livekit.plugins.openai  # noqa: F401
from livekit.agents import AgentServer, JobContext
from livekit.protocol import models

from voicegateway.testing.fleet.call import run_call
from voicegateway.testing.fleet.journal import CallJournal
from voicegateway.testing.fleet.plan import CallPlan

logger = logging.getLogger("voicegateway.testing.fleet")

JOURNAL_VARIABLE: Final = "VOICEGATEWAY_CALL_JOURNAL"
POLL_S: Final = 0.1
READY_S_MAX: Final = 30.0
LEAVE_S_MAX: Final = 20.0
SHUTDOWN_PROCESS_S: Final = 4.0
"""A scripted call has nobody to say goodbye to: one that does not end in this time is killed, and is metered."""

server = AgentServer(
    host="127.0.0.1",
    port=0,
    num_idle_processes=int(os.environ.get("VOICEGATEWAY_FLEET_IDLE", "3")),
    initialize_process_timeout=60.0,
    shutdown_process_timeout=SHUTDOWN_PROCESS_S,
    load_threshold=float("inf"),
)


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    """Run in a job process of its own: hold one call, note that it ended, leave."""
    plan = CallPlan.from_metadata(ctx.job.room.metadata)
    journal = CallJournal(Path(os.environ[JOURNAL_VARIABLE]))
    try:
        await run_call(ctx, plan)
        journal.ended(plan.number)
    finally:
        ctx.shutdown(reason="call ended")


def main() -> None:
    """Take calls until N were started and all ended, or until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=0, help="how many calls to take; 0 is without end")
    parser.add_argument("--concurrency", type=int, default=3, help="calls at the same time")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(calls=arguments.calls, concurrency=arguments.concurrency))


async def _run(*, calls: int, concurrency: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    started = asyncio.Event()
    server.once("worker_started", started.set)
    running = asyncio.create_task(server.run(devmode=False, unregistered=True))
    try:
        async with asyncio.timeout(READY_S_MAX):
            await started.wait()
        await _take_calls(stopped, calls=calls, concurrency=concurrency)
    finally:
        async with asyncio.timeout(LEAVE_S_MAX):
            await server.aclose()
            await running


async def _take_calls(stopped: asyncio.Event, *, calls: int, concurrency: int) -> None:
    """Keep `concurrency` calls running; a call that a killed worker began is not begun again."""
    journal = CallJournal(Path(os.environ[JOURNAL_VARIABLE]))
    number = journal.next_number()
    while not stopped.is_set() and (calls == 0 or number < calls):
        if len(server.active_jobs) >= concurrency:
            await asyncio.sleep(POLL_S)
            continue
        plan = CallPlan.of(number)
        journal.started(number)
        room = models.Room(sid=f"RM_demo{number}", name=f"call-{number}", metadata=plan.to_metadata())
        await server.simulate_job(room.name, fake_job=True, room_info=room)
        number += 1
    # The server has no event for a job's end, only the list of those that run.
    while server.active_jobs and not stopped.is_set():  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    # Job processes import the entrypoint by module name; as __main__ it would be a second copy.
    from voicegateway.testing.fleet import worker

    worker.main()
