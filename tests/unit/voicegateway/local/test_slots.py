"""Slots: how many work at once, who waits, who is turned away, and what cancelling does."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.fixtures.waiting import eventually

from voicegateway.local.slots import LineFull, LineSlow, Slots, Stint
from voicegateway.node_count import NodeCount

TICKS = 200


class Gate:
    """Work that waits until the test lets it go, or until it is stopped."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.begun: list[str] = []

    def work(self, name: str) -> Callable[[Stint[str]], str]:
        def work(stint: Stint[str]) -> str:
            self.begun.append(name)
            while not self.opened.wait(0.005) and not stint.is_stopped:
                pass
            return name

        return work


def slots_of(count: int, *, waiting_max: int = 10) -> Slots:
    return Slots(count, waiting_max=waiting_max, name="test")


async def begun(slots: Slots, gate: Gate, *names: str) -> list[asyncio.Task[str]]:
    """Start work for each name, in order."""
    tasks = []
    for name in names:
        tasks.append(asyncio.create_task(slots.run(gate.work(name))))
        await asyncio.sleep(0)
    return tasks


async def test_no_more_work_at_once_than_there_are_slots_and_the_first_to_come_are_first() -> None:
    slots, gate = slots_of(2), Gate()
    tasks = await begun(slots, gate, "a", "b", "c", "d")
    await eventually(lambda: len(gate.begun) == 2)

    assert (sorted(gate.begun), slots.busy, slots.waiting) == (["a", "b"], 2, 2)
    gate.opened.set()
    assert await asyncio.gather(*tasks) == ["a", "b", "c", "d"]
    assert gate.begun[2:] in (["c", "d"], ["d", "c"])
    await eventually(lambda: slots.busy == 0)


async def test_who_waits_is_served_in_order() -> None:
    slots, gate = slots_of(1), Gate()
    tasks = await begun(slots, gate, *"abcdef")
    gate.opened.set()
    await asyncio.gather(*tasks)

    assert gate.begun == list("abcdef")


async def test_request_is_turned_away_when_the_line_is_full_and_a_running_ones_next_sentence_never() -> None:
    slots, gate = slots_of(1, waiting_max=1), Gate()
    tasks = await begun(slots, gate, "a", "b")

    with pytest.raises(LineFull, match="1 slots are busy and 1 requests wait"):
        await slots.run(gate.work("c"))
    later = asyncio.create_task(slots.run(gate.work("d"), is_first=False))
    await asyncio.sleep(0)
    assert slots.waiting == 2
    gate.opened.set()
    assert await asyncio.gather(*tasks, later) == ["a", "b", "d"]


async def test_loop_goes_on_while_a_slot_works() -> None:
    slots, gate = slots_of(1), Gate()
    task = asyncio.create_task(slots.run(gate.work("a")))
    for _ in range(TICKS):
        await asyncio.sleep(0)
    # The work cannot end before the loop has turned that often: it is the loop that lets it go.
    assert not task.done()
    gate.opened.set()

    assert await task == "a"


async def test_cancelled_in_line_it_leaves_the_line_and_never_begins() -> None:
    slots, gate = slots_of(1), Gate()
    first, second = await begun(slots, gate, "a", "b")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)

    assert slots.waiting == 0
    gate.opened.set()
    assert await first == "a"
    assert gate.begun == ["a"]


async def test_cancelled_at_work_it_is_stopped_and_its_slot_serves_the_next() -> None:
    slots, gate, other = slots_of(1), Gate(), Gate()
    (first,) = await begun(slots, gate, "a")
    await eventually(lambda: gate.begun == ["a"])
    (second,) = await begun(slots, other, "b")
    other.opened.set()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    assert await second == "b"
    assert not gate.opened.is_set()
    await eventually(lambda: slots.busy == 0)


async def test_slot_stays_busy_until_abandoned_work_has_ended() -> None:
    slots, ended = slots_of(1), threading.Event()

    def deaf(_: Stint[None]) -> None:
        ended.wait()

    task = asyncio.create_task(slots.run(deaf))
    await eventually(lambda: slots.busy == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert slots.busy == 1
    ended.set()
    await eventually(lambda: slots.busy == 0)


async def test_request_that_waits_too_long_is_told_so_and_one_that_works_long_is_not() -> None:
    slots, gate = slots_of(1), Gate()
    (first,) = await begun(slots, gate, "a")
    at_work = asyncio.create_task(slots.run(gate.work("b"), is_first=False))
    await asyncio.sleep(0)
    with pytest.raises(LineSlow, match="no slot was free in time"):
        await slots.run(gate.work("c"), wait_s_max=0.01)

    assert slots.waiting == 1
    gate.opened.set()
    assert [await first, await at_work] == ["a", "b"]
    assert await slots.run(gate.work("e"), wait_s_max=0.001) == "e"


async def test_abort_is_called_once_it_is_stopped_whenever_that_was() -> None:
    slots, aborted, begin, began = slots_of(1), threading.Event(), threading.Event(), threading.Event()

    def work(stint: Stint[None]) -> None:
        began.set()
        begin.wait()
        with stint.aborted_by(aborted.set):
            aborted.wait()

    for is_early in (True, False):
        task = asyncio.create_task(slots.run(work))
        await eventually(began.is_set)
        if not is_early:
            begin.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        begin.set()
        await eventually(lambda: slots.busy == 0)
        assert aborted.is_set()
        for event in (aborted, begin, began):
            event.clear()


async def test_items_are_heard_in_order_before_the_result_and_not_after_a_stop() -> None:
    slots, heard, go_on = slots_of(1), list[int](), threading.Event()

    def counting(stint: Stint[None]) -> None:
        for number in range(100):
            stint.tell(heard.append, number)

    await slots.run(counting)
    assert heard == list(range(100))

    def deaf(stint: Stint[None]) -> None:
        stint.tell(heard.append, 100)
        go_on.wait()
        stint.tell(heard.append, 101)

    task = asyncio.create_task(slots.run(deaf))
    await eventually(lambda: 100 in heard)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    go_on.set()
    await eventually(lambda: slots.busy == 0)
    await asyncio.sleep(0)
    assert 101 not in heard


async def test_error_of_the_work_is_raised_and_frees_the_slot() -> None:
    slots = slots_of(1)

    def breaks(_: Stint[None]) -> None:
        raise ZeroDivisionError("engine")

    with pytest.raises(ZeroDivisionError, match="engine"):
        await slots.run(breaks)
    await eventually(lambda: slots.busy == 0)


def test_slots_outlive_a_loop_that_was_closed_on_them() -> None:
    slots, gate, kept = slots_of(1), Gate(), list[Any]()

    async def leave() -> None:
        kept.extend(await begun(slots, gate, "a"))

    async def come() -> str:
        return await slots.run(gate.work("b"))

    asyncio.run(leave())
    gate.opened.set()

    assert asyncio.run(come()) == "b"
    assert kept[0].cancelled()


async def test_time_of_the_slot_is_noted_before_the_result_is_known() -> None:
    slots, gate, node = slots_of(1), Gate(), NodeCount()
    task = asyncio.create_task(slots.run(gate.work("a"), node=node))
    waiting = asyncio.create_task(slots.run(gate.work("b"), node=NodeCount()))
    await eventually(lambda: node.busy_ns(10**30) > 0)
    gate.opened.set()
    await task

    # Nothing runs any more, so that the time does not grow with the clock.
    assert node.busy_ns(10**30) == node.busy_ns(0) > 0
    await waiting


def test_slots_are_shared_by_the_loops_of_several_threads() -> None:
    slots, gate, answers = slots_of(1), Gate(), list[str]()

    def call(name: str) -> None:
        answers.append(asyncio.run(slots.run(gate.work(name))))

    threads = [threading.Thread(target=call, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    while slots.busy + slots.waiting < len(threads):
        threading.Event().wait(0.001)
    assert (slots.busy, slots.waiting) == (1, 3)
    gate.opened.set()
    for thread in threads:
        thread.join()

    assert sorted(answers) == ["a", "b", "c", "d"]
