"""Folding operations into one change per request."""

import threading
from collections.abc import Callable

from voicegateway.outbox.batch import fold
from voicegateway.outbox.bounds import SPAN_BYTES_MAX
from voicegateway.outbox.intent import Intent
from voicegateway.outbox.mailbox import BARRIER, BEGIN, CHECKPOINT, SETTLE


def _says(body: bytes) -> Callable[[], bytes]:
    return lambda: body


def _fails() -> bytes:
    raise KeyError("no such fact")


def _must_not_run() -> bytes:
    raise AssertionError("encoded what nobody needs")


def test_begun_and_settled_in_one_batch_is_written_settled_only() -> None:
    (change,) = fold([(BEGIN, "a", _must_not_run, None), (SETTLE, "a", _says(b"end"), None)]).changes

    assert (change.intent, change.settled) == (None, b"end")


def test_last_checkpoint_stands_for_the_intent() -> None:
    (change,) = fold(
        [
            (BEGIN, "a", _must_not_run, None),
            (CHECKPOINT, "a", _must_not_run, None),
            (CHECKPOINT, "a", _says(b"2"), None),
        ]
    ).changes

    assert (change.intent, change.is_begun, change.settled) == (b"2", True, None)


def test_checkpoint_after_settle_changes_nothing() -> None:
    (change,) = fold([(SETTLE, "a", _says(b"end"), None), (CHECKPOINT, "a", _must_not_run, None)]).changes

    assert (change.intent, change.settled) == (None, b"end")


def test_second_settle_changes_nothing() -> None:
    (change,) = fold([(SETTLE, "a", _says(b"end"), None), (SETTLE, "a", _must_not_run, None)]).changes

    assert change.settled == b"end"


def test_settle_that_cannot_be_encoded_falls_back_on_the_intent() -> None:
    (change,) = fold([(BEGIN, "a", _says(b"intent"), None), (SETTLE, "a", _fails, None)]).changes

    assert (change.intent, change.settled, change.is_given_up) == (b"intent", None, True)


def test_oversized_span_is_given_up() -> None:
    (change,) = fold([(SETTLE, "a", _says(b"x" * (SPAN_BYTES_MAX + 1)), None)]).changes

    assert (change.settled, change.is_given_up, change.is_empty()) == (None, True, True)


def test_requests_do_not_disturb_each_other_and_keep_their_order() -> None:
    receipt, committed = Intent("a", lambda: None), threading.Event()
    batch = fold(
        [
            (BEGIN, "a", _says(b"a"), receipt),
            (BARRIER, "", None, committed),
            (SETTLE, "b", _fails, None),
            (BEGIN, "c", _says(b"c"), None),
        ]
    )

    assert [change.request_id for change in batch.changes] == ["a", "b", "c"]
    assert batch.changes[0].receipts == [receipt]
    assert batch.barriers == [committed]
