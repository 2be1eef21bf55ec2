"""The syncer: one message at a time, at once when one is due, patient with a controller, silent when idle."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from tests.fixtures.otlp_sink import OtlpSink, Reply

from voicegateway.limits import syncer as module
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.signals import Signals
from voicegateway.limits.sync_connection import SyncConnection
from voicegateway.limits.syncer import Syncer, returned
from voicegateway_shared.ids import Incarnation
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import Claim, MoneyAnswer, MoneyClaim, MoneyReport, SessionPresence, SyncResponse
from voicegateway_shared.wire.sync import OutboxState

CALL = SessionPresence(session_id="AJ_1", project="acme", started_at="2026-11-21T10:00:00.000Z")
TARGET = Target(provider="openai", model="gpt-4.1-mini", modality="llm")
CLAIM = Claim(pool="p:requests_per_min", used=3, target=10, need=12, wait_ms=200, demand_milli=500, waiters=2)
WITHIN_S = 20.0


class ScriptedBook:
    """Leases that are due when the test says so."""

    def __init__(self) -> None:
        self.on_due: Callable[[], None] = lambda: None
        self.revision = -1
        self.due: int | None = None
        self.said: tuple[Claim, ...] = ()
        self.events: list[tuple[str, int]] = []
        self.answers: list[SyncResponse] = []

    def due_ns(self) -> int | None:
        return self.due

    def serve(self) -> int | None:
        return None

    def claims(self, seq: int, *, is_leaving: bool = False) -> tuple[Claim, ...]:
        self.due = None
        self.events.append(("sent", seq))
        return self.said

    def answered(self, seq: int, response: SyncResponse) -> None:
        self.events.append(("answered", seq))
        self.answers.append(response)

    def failed(self, seq: int) -> None:
        self.events.append(("failed", seq))

    def fall_due(self) -> None:
        self.due = boot_ns()
        self.on_due()


class ScriptedMoney:
    """Budgets of which there is something to say when the test says so."""

    def __init__(self) -> None:
        self.on_due: Callable[[], None] = lambda: None
        self.due: int | None = None
        self.looks = 0
        self.events: list[tuple[str, int]] = []
        self.answers: list[MoneyAnswer | None] = []

    def look(self) -> None:
        self.looks += 1

    def due_ns(self) -> int | None:
        return self.due

    def report(self, seq: int, *, is_leaving: bool = False) -> MoneyReport:
        self.due = None
        self.events.append(("left" if is_leaving else "sent", seq))
        return MoneyReport(tag="t1", claims=(MoneyClaim(pool="house@total", used=seq),))

    def answered(self, seq: int, answer: MoneyAnswer | None) -> None:
        self.events.append(("answered", seq))
        self.answers.append(answer)

    def failed(self, seq: int) -> None:
        self.events.append(("failed", seq))


class ScriptedHolder:
    """A process that carries what the test says."""

    def __init__(self) -> None:
        self.calls: tuple[SessionPresence, ...] = ()
        self.hook_errors = 0
        self.errors: list[tuple[str, str]] = []

    def carried(self) -> tuple[SessionPresence, ...]:
        return self.calls

    def outbox_state(self) -> tuple[OutboxState, bool]:
        return OutboxState(), False

    def hook_failed(self, where: str, error: BaseException) -> None:
        self.hook_errors += 1
        self.errors.append((where, str(error)))


class World:
    """A syncer, what it serves, and the controller it speaks to."""

    def __init__(self, sink: OtlpSink) -> None:
        self.sink, self.book, self.holder, self.signals = sink, ScriptedBook(), ScriptedHolder(), Signals()
        self.money = ScriptedMoney()
        self.syncer = Syncer(
            SyncConnection(sink.url, "vgw_token"),
            Incarnation("host-1-abcd"),
            book=self.book,
            signals=self.signals,
            holder=self.holder,
            money=self.money,
            random=lambda: 0.0,
        )

    @property
    def heard(self) -> list[dict[str, Any]]:
        return [sync.message for sync in self.sink.syncs]

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not is_true():
            assert time.monotonic() < deadline, self.heard
            time.sleep(0.005)

    def wait_for_messages(self, count: int) -> None:
        self.wait_for(lambda: len(self.sink.syncs) >= count)


@contextmanager
def world(decide: Callable[[dict[str, Any]], Reply] | None = None) -> Iterator[World]:
    with OtlpSink() as sink:
        sink.decide_sync = decide
        made = World(sink)
        yield made
        made.syncer.leave()
        assert made.syncer._thread is None or not made.syncer._thread.is_alive()


def answer(message: dict[str, Any]) -> Reply:
    return Reply(body=msgspec.json.encode(SyncResponse(seq=message["seq"], next_sync_ms=2000)))


def test_nothing_happens_before_the_first_request() -> None:
    with world() as it:
        it.book.fall_due()

        assert it.syncer._thread is None

    assert it.heard == []


def test_idle_process_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESENCE_S", 0.01)
    looked = threading.Event()
    with world(answer) as it:
        it.holder.outbox_state = looked.set  # type: ignore[assignment,method-assign]
        it.syncer.start()
        it.wait_for(lambda: it.syncer.first_word.is_heard)
        first_ns = it.syncer._presence_ns
        it.wait_for(lambda: it.syncer._presence_ns > first_ns)

    assert it.heard == []
    assert not looked.is_set()


def test_calls_are_told_at_once_and_then_regularly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESENCE_S", 0.05)
    with world(answer) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for_messages(3)

    assert [message["seq"] for message in it.heard] == list(range(1, len(it.heard) + 1))
    assert [session["session_id"] for message in it.heard[:3] for session in message["sessions"]] == ["AJ_1"] * 3
    assert it.heard[-1]["is_leaving"] is True
    assert it.heard[-1]["sessions"] == []


def test_lease_that_falls_due_is_told_at_once_and_says_nothing_of_calls() -> None:
    with world(answer) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for_messages(1)
        it.book.said = (CLAIM,)
        it.book.fall_due()
        it.wait_for_messages(2)
        message = it.heard[1]

    assert message["sessions"] is None
    assert message["claims"] == [msgspec.to_builtins(CLAIM)]
    assert it.book.events[:4] == [("sent", 1), ("answered", 1), ("sent", 2), ("answered", 2)]


def test_controller_hears_one_message_at_a_time() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def slowly(message: dict[str, Any]) -> Reply:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return answer(message)

    with world(slowly) as it:
        it.syncer.start()
        rings = [threading.Thread(target=it.book.fall_due) for _ in range(8)]
        for number in range(1, 6):
            for ring in rings:
                ring.start() if number == 1 else it.book.fall_due()
            it.wait_for_messages(number)

    assert most == [1]


@pytest.mark.parametrize("status", [500, 404, 401])
def test_failure_is_told_to_the_leases_and_followed_by_a_pause(status: int) -> None:
    with world(lambda _: Reply(status=status)) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for_messages(3)
        it.wait_for(lambda: len(it.book.events) >= 6)
    first, second, third = (sync.at for sync in it.sink.syncs[:3])

    assert it.book.events[:4] == [("sent", 1), ("failed", 1), ("sent", 2), ("failed", 2)]
    assert min(second - first, third - second) >= 0.09
    assert all(message["sessions"] for message in it.heard[:3])


def test_leases_due_during_a_pause_wait_for_its_end() -> None:
    with world(lambda _: Reply(status=503, headers={"Retry-After": "0.4"})) as it:
        it.book.due = 0
        it.syncer.start()
        it.wait_for_messages(1)
        it.wait_for(lambda: ("failed", 1) in it.book.events)
        it.book.fall_due()
        it.wait_for_messages(2)
    first, second = it.sink.syncs[:2]

    assert second.at - first.at >= 0.39


def test_busy_controller_is_not_obeyed_for_ever() -> None:
    with world(lambda _: Reply(status=429, headers={"Retry-After": "3600"})) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for(lambda: ("failed", 1) in it.book.events)
        it.wait_for(lambda: it.syncer._not_before_ns > 0)
        pause_s = (it.syncer._not_before_ns - boot_ns()) / 1e9

    assert 0 < pause_s <= 5.0


def test_answer_of_somebody_else_is_a_failure() -> None:
    with world(lambda _: Reply(body=b"<html>")) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for(lambda: ("failed", 1) in it.book.events)

    assert it.book.answers == []


def test_vendors_refusal_is_told_at_once_and_again_after_a_failure() -> None:
    replies = [Reply(status=500)]
    with world(lambda message: replies.pop() if replies else answer(message)) as it:
        it.syncer.start()
        it.wait_for(lambda: it.syncer.first_word.is_heard)
        it.signals.refused(TARGET, retry_after_ms=1500, header="retry-after")
        it.wait_for_messages(2)

    told = [message["signals"] for message in it.heard[:2]]
    assert told[0] == told[1]
    assert [(signal["kind"], signal["retry_after_ms"]) for signal in told[1]] == [("refused", 1500)]
    assert it.heard[2]["signals"] == []


def test_who_waits_for_the_limits_is_told_when_they_are_known() -> None:
    heard = threading.Event()
    with world(answer) as it:
        it.holder.calls = (CALL,)
        it.syncer.first_word.when_heard(heard.set)
        assert not heard.is_set()
        it.syncer.start()

        assert heard.wait(WITHIN_S)
        assert it.book.events == [("sent", 1), ("answered", 1)]
        again: list[bool] = []
        it.syncer.first_word.when_heard(lambda: again.append(True))

    assert again == [True]


def test_nobody_waits_for_a_controller_that_is_away() -> None:
    heard = threading.Event()
    with world(lambda _: Reply(status=503, headers={"Retry-After": "5"})) as it:
        it.holder.calls = (CALL,)
        it.syncer.first_word.when_heard(heard.set)
        it.syncer.start()

        assert heard.wait(WITHIN_S)


def test_after_a_long_silence_the_next_request_asks_for_the_limits_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(answer) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for(lambda: it.book.events == [("sent", 1), ("answered", 1)])
        it.syncer.request_began()
        assert it.syncer.first_word.is_heard
        monkeypatch.setattr(module, "STALE_S", 0.0)
        it.syncer.request_began()
        it.wait_for_messages(2)
        it.wait_for(lambda: it.syncer.first_word.is_heard)

    assert [session["session_id"] for session in it.heard[1]["sessions"]] == ["AJ_1"]


def test_leaving_returns_what_is_not_spent_and_waits_for_the_message_on_its_way() -> None:
    on_its_way = threading.Event()

    def slowly(message: dict[str, Any]) -> Reply:
        on_its_way.set()
        return Reply(body=answer(message).body, delay_s=0.2)

    with world(slowly) as it:
        it.holder.calls = (CALL,)
        it.book.said = (CLAIM,)
        it.syncer.start()
        assert on_its_way.wait(WITHIN_S)
        it.syncer.leave()
        goodbye = it.heard[-1]

    assert len(it.heard) == 2
    assert it.sink.syncs[1].at - it.sink.syncs[0].at >= 0.19
    assert goodbye["is_leaving"] is True
    assert goodbye["claims"] == [{"pool": CLAIM.pool, "used": 3, "target": 3}]


def test_returned_claim_keeps_open_slots_and_what_was_counted() -> None:
    claim = Claim(pool="p:concurrent", project="acme", priority="batch", used=2, target=5, waiters=1, refused=7)

    assert returned(claim) == Claim(pool="p:concurrent", project="acme", priority="batch", used=2, target=2, refused=7)


@pytest.mark.parametrize("name", ["serve", "due_ns", "claims", "answered"])
def test_broken_leases_do_not_silence_presence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESENCE_S", 0.01)

    def breaks(*args: object, **options: object) -> Any:
        raise RuntimeError(f"{name} is broken")

    with world(answer) as it:
        setattr(it.book, name, breaks)
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for_messages(3)

    assert {text for _, text in it.holder.errors} == {f"{name} is broken"}
    assert it.syncer.first_word.is_heard


def test_broken_process_around_it_is_counted_and_spins_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Any:
        raise RuntimeError("carried is broken")

    with world(answer) as it:
        monkeypatch.setattr(it.holder, "carried", breaks)
        it.syncer.start()
        it.wait_for(lambda: it.syncer.first_word.is_heard)
        errors = list(it.holder.errors)

    assert errors == [("sync", "carried is broken")]


def test_money_that_falls_due_is_told_at_once_and_its_answer_handed_over() -> None:
    money = MoneyAnswer(tag="t2")

    def answers(message: dict[str, Any]) -> Reply:
        return Reply(body=msgspec.json.encode(SyncResponse(seq=message["seq"], next_sync_ms=2000, money=money)))

    with world(answers) as it:
        it.syncer.start()
        it.wait_for(lambda: it.syncer.first_word.is_heard)
        assert it.heard == []
        it.money.due = boot_ns()
        it.money.on_due()
        it.wait_for(lambda: ("answered", 1) in it.money.events)

    assert it.heard[0]["money"] == {"tag": "t1", "claims": [{"pool": "house@total", "used": 1}]}
    assert it.money.answers[0] == money
    assert it.money.events == [("sent", 1), ("answered", 1), ("left", 2), ("answered", 2)]


def test_what_has_ended_is_priced_once_more_before_the_last_word() -> None:
    with world(answer) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for(lambda: it.book.events == [("sent", 1), ("answered", 1)])
        looks = it.money.looks
        it.syncer.leave()

    assert it.money.looks > looks
    assert it.money.events[-2][0] == "left"


def test_failure_is_told_to_the_budgets() -> None:
    with world(lambda _: Reply(status=503)) as it:
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for(lambda: ("failed", 1) in it.money.events)

    assert it.money.answers == []


@pytest.mark.parametrize("name", ["look", "due_ns", "report", "answered"])
def test_broken_budgets_silence_neither_presence_nor_limits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESENCE_S", 0.01)

    def breaks(*args: object, **options: object) -> Any:
        raise RuntimeError(f"{name} is broken")

    with world(answer) as it:
        setattr(it.money, name, breaks)
        it.holder.calls = (CALL,)
        it.syncer.start()
        it.wait_for_messages(3)

    assert {text for _, text in it.holder.errors} == {f"{name} is broken"}
    assert ("answered", 1) in it.book.events
