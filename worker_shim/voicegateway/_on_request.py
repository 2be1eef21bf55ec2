"""On request: a job is refused before its room is joined, where its budget has no money left for a single request.

The worker's main process has no call of its own, so it asks the controller when a job is offered. One that is silent
holds up nobody: calls go on.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.refusal import MoneyReason, MoneyRefusal
from voicegateway.budgets.ticket import MoneyPlan, MoneyTicket, MoneyWaiter
from voicegateway.identity import project_of
from voicegateway.instrument.turn import Turn, from_thread
from voicegateway.limits.lease import boot_ns
from voicegateway.runtime import Runtime
from voicegateway_shared.limits import Target

logger = logging.getLogger("voicegateway")

Handler = Callable[[Any], Awaitable[None]]
"""What a user's own code does with a `JobRequest`: accept or reject it."""

ASK_WITHIN_S: Final = 1.0
"""LiveKit waits several seconds for a worker's answer, and a caller for the agent."""
SLOWED_BY_S: Final = 2.0
"""How long a job waits that a budget throttles; other workers may be quicker, and are slowed likewise."""
LEAST_NANO_USD: Final = 40_000
"""About what the smallest ordinary request costs: a second of speech transcribed."""
FINAL_REASONS: Final[tuple[MoneyReason, ...]] = ("exhausted", "closed")
"""Others may pass before the call has begun."""


slow_down: Final = asyncio.sleep


class Verdict(NamedTuple):
    """What budgets say of a job that is offered."""

    refusal: MoneyRefusal | None = None
    is_throttled: bool = False


async def accept(request: Any) -> None:
    """What LiveKit does without a handler."""
    await request.accept()


async def decide(runtime: Runtime, handler: Handler, request: Any) -> None:
    """Reject a job that a budget cannot pay for, else let the handler decide, later where a budget throttles.

    A drained worker leaves it to another one, unasked.
    """
    if runtime.duty.is_ordered_off:
        await _leave(request)
        return
    verdict = Verdict()
    try:
        verdict = await _verdict(runtime, request.job)
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("on_request", error)
    if verdict.refusal is not None:
        logger.warning(
            "voicegateway: job %s is rejected: budget %r is %s",
            request.id,
            verdict.refusal.budget_id,
            verdict.refusal.reason,
        )
        await request.reject()
        return
    if verdict.is_throttled:
        await slow_down(SLOWED_BY_S)
    await handler(request)


async def _leave(request: Any) -> None:
    """Leave a job to another worker; a rejection as of a used-up budget ends the job for all."""
    try:
        await request.reject(terminate=False)
    except TypeError:
        # LiveKit's older releases know one way of rejecting, which is this one.
        await request.reject()


async def _verdict(runtime: Runtime, job: Any) -> Verdict:
    money, limits = runtime.money, runtime.limits
    if money is None or limits is None:
        return Verdict()
    runtime.start()
    loop = asyncio.get_running_loop()
    until_s = loop.time() + ASK_WITHIN_S
    project = project_of(job) or runtime.options.project
    # Budgets of one provider or one modality may still leave a call something to say.
    target = Target(provider="", model="", modality="", project=project, agent=job.agent_name or "")
    if not money.book.tag:
        await _answer(limits.syncer, until_s)
    plan = money.book.known(target, "")
    if plan is None:
        return Verdict()
    money.book.inquire(plan)
    await _answer(limits.syncer, until_s)
    refusal: MoneyRefusal | None = None
    if plan.leases:
        outcome = await Turn(_Line(runtime, money.book, plan)).outcome(max(0.0, until_s - loop.time()))
        if isinstance(outcome, MoneyTicket):
            outcome.settle(0)
        elif outcome is not None and outcome.reason in FINAL_REASONS:
            refusal = outcome
    return Verdict(refusal, runtime.is_throttled(target, ""))


async def _answer(syncer: Any, until_s: float) -> None:
    """Ask the controller, and wait for its answer while there is time."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[None] = loop.create_future()
    syncer.ask()
    syncer.next_word.when_heard(functools.partial(from_thread, loop, _set, heard))
    await asyncio.wait((heard,), timeout=max(0.0, until_s - loop.time()))


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class _Line:
    """The line of the book, for one job: money for one small request, given back at once."""

    def __init__(self, runtime: Runtime, book: MoneyBook, plan: MoneyPlan) -> None:
        self._runtime, self._book, self._plan = runtime, book, plan

    def join(self, wake: Callable[[MoneyTicket | MoneyRefusal], None]) -> MoneyWaiter:
        return self._book.wait(self._plan, LEAST_NANO_USD, until_ns=boot_ns(), wake=wake)

    def is_unheard(self, waiter: MoneyWaiter) -> bool:
        # A silent controller holds up nobody.
        return False

    def leave(self, waiter: MoneyWaiter) -> MoneyTicket | MoneyRefusal | None:
        return self._book.cancel(waiter)

    def give_back(self, outcome: MoneyTicket | MoneyRefusal) -> None:
        if isinstance(outcome, MoneyTicket):
            outcome.settle(0)

    def failed(self, error: BaseException) -> None:
        self._runtime.hook_failed("on_request", error)
