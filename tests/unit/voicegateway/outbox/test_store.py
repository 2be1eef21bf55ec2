"""The outbox file itself: what a commit does, and what happens at its bounds."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures.spans import span

from voicegateway.outbox import inspect
from voicegateway.outbox.batch import Change
from voicegateway.outbox.bounds import DEAD_LETTERS_MAX
from voicegateway.outbox.envelope import Row
from voicegateway.outbox.opening import open_store
from voicegateway.outbox.schema import ROW_OVERHEAD_BYTES
from voicegateway.outbox.stats import Loss
from voicegateway.outbox.store import Store

ROOM_FOR_TEN = 10 * (len(span("00", outcome="ok", padding=1_000)) + ROW_OVERHEAD_BYTES)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "outbox")
    yield opened
    opened.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "small", bytes_max=ROOM_FOR_TEN)
    yield opened
    opened.close()


def _write(store: Store, *changes: Change) -> list[str]:
    return [refused.request_id for refused in store.write(changes, incarnation="h-1-a", now_ns=7)]


def _intent(request_id: str) -> Change:
    return Change(request_id, is_begun=True, intent=span(request_id))


def _settled(request_id: str, *, estimated: bool = False, padding: int = 0) -> Change:
    return Change(request_id, settled=span(request_id, outcome="ok", estimated=estimated, padding=padding))


def _waiting(store: Store) -> list[str]:
    return [row.request_id for row in store.oldest_settled(after_seq=0, rows_max=10_000, bytes_max=1 << 30)]


def test_settling_replaces_the_intent(store: Store) -> None:
    _write(store, _intent("a"))
    assert (store.stats().intents, store.stats().rows) == (1, 0)

    _write(store, _settled("a"))

    assert (store.stats().intents, store.stats().rows) == (0, 1)


def test_settling_without_an_intent_is_as_good(store: Store) -> None:
    _write(store, _settled("a"))

    assert _waiting(store) == ["a"]


def test_writing_the_same_again_changes_nothing(store: Store) -> None:
    _write(store, _intent("a"), _settled("b"))
    before = store.stats()

    _write(store, _intent("a"), _settled("b"))

    assert store.stats() == before


def test_checkpoint_after_settling_does_not_bring_the_intent_back(store: Store) -> None:
    _write(store, _intent("a"))
    _write(store, _settled("a"))

    _write(store, Change("a", intent=span("a")))

    assert store.stats().intents == 0


def test_tally_follows_every_change(store: Store) -> None:
    _write(store, _intent("a"), _intent("b"), _settled("c", padding=500))
    _write(store, Change("a", intent=span("a", padding=300)))
    _write(store, _settled("b"))
    store.interrupt_intents_of("h-1-a", error_type="process_died", now_ns=8)
    rows = store.oldest_settled(after_seq=0, rows_max=10, bytes_max=1 << 30)
    assert store.stats().bytes == sum(len(row.body) + ROW_OVERHEAD_BYTES for row in rows)
    store.bury(rows[0], reason="HTTP 400", now_ns=9)
    assert (store.stats().rows, store.stats().dead_letters) == (2, 1)

    store.delete_settled(rows[1].seq, rows[-1].seq)

    assert store.stats().bytes == len(rows[0].body) + ROW_OVERHEAD_BYTES


def test_numbers_never_come_twice(store: Store) -> None:
    _write(store, _settled("a"))
    (first,) = store.oldest_settled(after_seq=0, rows_max=10, bytes_max=1)
    store.delete_settled(first.seq, first.seq)

    _write(store, _settled("b"))

    (second,) = store.oldest_settled(after_seq=0, rows_max=10, bytes_max=1)
    assert second.seq > first.seq


def test_batches_are_bounded_by_rows_and_bytes_but_never_empty(store: Store) -> None:
    _write(store, *(_settled(str(number), padding=1_000) for number in range(5)))

    assert len(store.oldest_settled(after_seq=0, rows_max=3, bytes_max=1 << 30)) == 3
    assert len(store.oldest_settled(after_seq=0, rows_max=10, bytes_max=2_900)) == 2
    assert len(store.oldest_settled(after_seq=0, rows_max=10, bytes_max=1)) == 1


def test_full_outbox_drops_the_oldest_estimated_rows_first(small: Store) -> None:
    _write(small, *(_settled(f"e{number}", estimated=True, padding=1_000) for number in range(3)))
    _write(small, *(_settled(f"{number:02}", padding=1_000) for number in range(7)))

    assert _write(small, _settled("new", padding=900)) == []

    assert _waiting(small) == [f"{number:02}" for number in range(7)] + ["new"]
    assert [(loss.reason, loss.provider, loss.model, loss.rows) for loss in small.stats().losses] == [
        ("estimated_evicted", "openai", "gpt-4.1-mini", 3)
    ]
    assert small.stats().dropped == 3


def test_full_outbox_refuses_and_books_the_loss(small: Store) -> None:
    _write(small, *(_settled(f"{number:02}", padding=1_000) for number in range(10)))

    assert _write(small, _settled("xx", padding=1_000), _intent("y")) == ["xx", "y"]

    stats = small.stats()
    assert (stats.rows, stats.dropped) == (10, 2)
    lost = len(span("xx", outcome="ok", padding=1_000)) + len(span("y"))
    assert stats.losses == (Loss(reason="outbox_full", provider="openai", model="gpt-4.1-mini", rows=2, bytes=lost),)


def test_full_outbox_still_settles_what_has_begun(small: Store) -> None:
    _write(small, _intent("begun"))
    _write(small, *(_settled(f"{number:02}", padding=1_000) for number in range(9)))

    assert _write(small, _settled("begun", padding=1_000)) == []
    assert small.stats().dropped == 0


def test_settlement_that_could_not_be_encoded_is_kept_as_estimated(store: Store) -> None:
    _write(store, _intent("a"))

    _write(store, Change("a", is_given_up=True))

    assert _waiting(store) == ["a"]
    assert store.stats().intents == 0


def test_unreadable_intent_of_a_dead_process_is_booked_as_lost(store: Store) -> None:
    _write(store, Change("a", is_begun=True, intent=b"\xff\xff\xff"), _intent("b"))

    assert store.interrupt_intents_of("h-1-a", error_type="process_died", now_ns=8) == 2

    assert _waiting(store) == ["b"]
    assert [loss.reason for loss in store.stats().losses] == ["intent_unreadable"]


def test_dead_letters_are_bounded_and_their_loss_is_booked(store: Store) -> None:
    surplus = 3
    for number in range(DEAD_LETTERS_MAX + surplus):
        row = Row(seq=number + 1, request_id=str(number), incarnation="h-1-a", body=span(str(number)))
        store.bury(row, reason="HTTP 400", now_ns=9)

    stats = store.stats()
    assert (stats.dead_letters, stats.dropped) == (DEAD_LETTERS_MAX, surplus)
    assert [loss.reason for loss in stats.losses] == ["dead_letters_full"]


def test_dead_letters_can_be_sent_again_as_the_manual_says(store: Store, tmp_path: Path) -> None:
    _write(store, _settled("a"), _settled("b"))
    rows = store.oldest_settled(after_seq=0, rows_max=2, bytes_max=1 << 30)
    store.bury(rows[0], reason="HTTP 400", now_ns=9)
    manual = (Path(__file__).parents[4] / "docs" / "concepts" / "outbox.md").read_text()
    statements = manual.split("```sql")[1].split("```")[0]

    with sqlite3.connect(tmp_path / "outbox" / "outbox.db") as connection:
        connection.executescript(statements)
    connection.close()

    assert _waiting(store) == ["b", "a"]
    assert (store.stats().rows, store.stats().dead_letters) == (2, 0)


def test_only_the_owner_can_read_the_outbox(tmp_path: Path) -> None:
    directory = tmp_path / "open"
    directory.mkdir(mode=0o755)

    store = open_store(directory)
    _write(store, _intent("a"))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir() if path.is_file()}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert {"outbox.db", "outbox.db-wal"} <= modes.keys()
    store.close()


def test_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()

    with pytest.raises(sqlite3.DatabaseError, match="newer"):
        open_store(tmp_path)

    assert not list(tmp_path.glob("*corrupt*"))


def test_moved_file_is_noticed(store: Store, tmp_path: Path) -> None:
    assert store.is_current()

    (tmp_path / "outbox" / "outbox.db").rename(tmp_path / "elsewhere")

    assert not store.is_current()


def test_free_pages_go_back_to_the_disk(store: Store, tmp_path: Path) -> None:
    _write(store, *(_settled(str(number), padding=3_000) for number in range(300)))
    rows = store.oldest_settled(after_seq=0, rows_max=300, bytes_max=1 << 30)
    store.delete_settled(rows[0].seq, rows[-1].seq)
    free = store.free_pages()
    assert free > 100

    store.give_back_pages(100)

    assert store.free_pages() <= free - 100


def test_inspecting_a_missing_outbox_makes_none(tmp_path: Path) -> None:
    assert inspect(tmp_path / "none").rows == 0
    assert not (tmp_path / "none").exists()
