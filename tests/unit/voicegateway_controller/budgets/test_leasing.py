"""Answering a report on money: a message that waits for Postgres is answered before its holder gives up."""

import asyncio
from types import SimpleNamespace
from typing import Any

from voicegateway_controller.budgets.leasing import WAIT_S, MoneyLeasing
from voicegateway_controller.budgets.pools import Asked, Cold, Leased
from voicegateway_shared.wire.money import MoneyClaim, MoneyLease

POOL = "house@day:1"
OPENING_S = 0.05


class Openings:
    """Takes a moment to open a pool, and notes how long it may take for what."""

    def __init__(self) -> None:
        self.within_s: list[float] = []

    async def open(self, *_: Any, within_s: float) -> None:
        self.within_s.append(within_s)
        await asyncio.sleep(OPENING_S)

    async def raise_(self, *_: Any, within_s: float, **__: Any) -> None:
        self.within_s.append(within_s)
        raise TimeoutError


def leased(granted: int, *, needs: int) -> Leased:
    lease = MoneyLease(pool=POOL, granted=granted, retry_ms=50)
    return Leased(lease=lease, epoch=1, ceiling=0, needs=needs, is_short=True)


async def test_what_a_message_has_waited_for_one_thing_it_does_not_wait_for_the_next() -> None:
    answers = [Cold(seen_us=1), leased(0, needs=5)]

    async def lease(*_: Any, **__: Any) -> list[Any]:
        return [answers.pop(0)]

    openings: Any = Openings()
    pools: Any = SimpleNamespace(lease=lease)
    nobody: Any = None
    message: Any = SimpleNamespace(incarnation="i", seq=1, is_leaving=False)
    asked = {POOL: Asked(claim=MoneyClaim(pool=POOL, target=5, need=5), terms=nobody)}
    found = await MoneyLeasing(nobody, nobody, pools, openings, nobody)._ask(message, asked, {POOL: nobody})

    opened_within_s, raised_within_s = openings.within_s
    assert opened_within_s <= WAIT_S
    assert 0 < raised_within_s <= opened_within_s - OPENING_S * 0.9
    assert found == {POOL: MoneyLease(pool=POOL, retry_ms=50)}, "it asks again, of a pool that is raised by then"
