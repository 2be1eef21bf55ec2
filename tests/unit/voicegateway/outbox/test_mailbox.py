"""The bounded hand-over, and the receipt."""

import asyncio
import threading

from voicegateway.outbox.intent import Intent
from voicegateway.outbox.mailbox import BEGIN, BEGINS_MAX, OPERATIONS_MAX, SETTLE, Mailbox


def test_full_mailbox_drops_and_counts_and_keeps_room_for_settlements() -> None:
    mailbox = Mailbox()
    mailbox.is_open = True

    begun = sum(mailbox.offer((BEGIN, "a", None, None)) for _ in range(OPERATIONS_MAX))
    settled = sum(mailbox.offer((SETTLE, "a", None, None)) for _ in range(OPERATIONS_MAX))

    assert (begun, settled) == (BEGINS_MAX, OPERATIONS_MAX - BEGINS_MAX)
    assert mailbox.take_dropped() == 2 * OPERATIONS_MAX - begun - settled
    assert mailbox.take_dropped() == 0


def test_closed_mailbox_takes_nothing() -> None:
    assert Mailbox().offer((SETTLE, "a", None, None)) is False


def test_parked_writer_is_woken_by_an_offer() -> None:
    mailbox = Mailbox()
    mailbox.is_open = True
    taken: list[str] = []

    def write() -> None:
        while not taken:
            mailbox.wait(is_lingering=False)
            taken.extend(operation[1] for operation in mailbox.take(10))

    writer = threading.Thread(target=write)
    writer.start()
    mailbox.offer((BEGIN, "a", None, None))
    writer.join(10)

    assert taken == ["a"]


def test_operations_come_out_in_order_and_bounded() -> None:
    mailbox = Mailbox()
    mailbox.is_open = True
    for number in range(10):
        mailbox.offer((BEGIN, str(number), None, None))

    assert [operation[1] for operation in mailbox.take(4)] == list("0123")
    assert [operation[1] for operation in mailbox.take(99)] == list("456789")


async def test_waiting_for_durability_ends_with_the_commit_of_another_thread() -> None:
    hurried = threading.Event()
    intent = Intent("a", hurried.set)
    waiting = asyncio.create_task(intent.wait_durable(asyncio.get_running_loop(), 10.0))
    await asyncio.to_thread(hurried.wait, 10)

    await asyncio.to_thread(intent.resolve, is_durable=True)

    assert await waiting is True
    assert intent.durable
    assert await intent.wait_durable() is True


async def test_waiting_for_durability_gives_up() -> None:
    intent = Intent("a", lambda: None)

    assert await intent.wait_durable(timeout_s=0.01) is False
    assert not intent.durable


def test_receipt_outlives_the_loop_that_waited() -> None:
    intent = Intent("a", lambda: None)
    assert asyncio.run(intent.wait_durable(timeout_s=0.01)) is False

    intent.resolve(is_durable=True)

    assert intent.durable
