"""The slate: what stands in it outlives its process, and it says when it is full."""

from pathlib import Path

import pytest

from voicegateway.outbox.slate import SLOT_BYTES, SLOTS, Slate, read_slate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "process.slate"


def test_what_was_put_and_not_freed_is_read_back(path: Path) -> None:
    slate = Slate(path)
    first, second = slate.put(b"first"), slate.put(b"second")
    assert first is not None
    assert second is not None

    slate.free(first)

    assert read_slate(path) == [b"second"]


def test_a_freed_slot_is_used_again(path: Path) -> None:
    slate = Slate(path)
    for _ in range(3 * SLOTS):
        slot = slate.put(b"again")
        assert slot is not None
        slate.free(slot)

    assert read_slate(path) == []


def test_a_full_slate_takes_no_more(path: Path) -> None:
    slate = Slate(path)
    assert None not in [slate.put(b"x") for _ in range(SLOTS)]

    assert slate.put(b"x") is None
    assert len(read_slate(path)) == SLOTS


def test_a_span_that_does_not_fit_is_not_taken(path: Path) -> None:
    slate = Slate(path)

    assert slate.put(bytes(SLOT_BYTES)) is None
    assert read_slate(path) == []


def test_a_longer_span_leaves_nothing_of_a_shorter_one_behind(path: Path) -> None:
    slate = Slate(path)
    for _ in range(SLOTS):
        slot = slate.put(b"a long one")
        assert slot is not None
        slate.free(slot)

    slate.put(b"short")

    assert read_slate(path) == [b"short"]


def test_no_slate_holds_nothing(path: Path) -> None:
    assert read_slate(path) == []


def test_a_truncated_slate_is_read_as_far_as_it_goes(path: Path) -> None:
    slate = Slate(path)
    slate.put(b"kept")
    path.write_bytes(path.read_bytes()[: SLOT_BYTES + 10])

    assert read_slate(path) == [b"kept"]


def test_a_new_life_starts_with_an_empty_slate(path: Path) -> None:
    Slate(path).put(b"old")

    Slate(path)

    assert read_slate(path) == []
