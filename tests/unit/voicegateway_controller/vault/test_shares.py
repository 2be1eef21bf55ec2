"""Shares follow what is left."""

from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.vault.shares import WHOLE_PERMILLE, Room, shares


def _room(left: int, *, capacity: int = 100, rate: int = 100, meter: str = "requests", is_paused: bool = False) -> Room:
    return Room(meter=meter, left=left, capacity=capacity, rate_micro=rate, is_paused=is_paused)


def test_shares_follow_what_is_left_and_how_fast_it_fills() -> None:
    assert shares({"free": [], "full": [_room(100)]}) == {"free": 1_000, "full": 1_000}
    assert shares({"a": [_room(100)], "b": [_room(25)]}) == {"a": 1_000, "b": 250}
    assert shares({"a": [_room(100, rate=100)], "b": [_room(100, rate=50)]}) == {"a": 1_000, "b": 500}


def test_the_narrowest_limit_of_a_key_counts() -> None:
    found = shares({"a": [_room(100), _room(10, meter="tokens")], "b": [_room(50), _room(100, meter="tokens")]})

    assert found == {"a": 100, "b": 500}


def test_a_key_that_is_used_up_or_paused_has_no_share_and_one_with_a_unit_left_has() -> None:
    found = shares(
        {"empty": [_room(0)], "owing": [_room(-5)], "paused": [_room(9, is_paused=True)], "last": [_room(1)]}
    )

    assert found == {"empty": 0, "owing": 0, "paused": 0, "last": 10}


rooms = st.builds(
    Room,
    meter=st.sampled_from(["a", "b"]),
    left=st.integers(-10, 2_000),
    capacity=st.integers(0, 1_000),
    rate_micro=st.integers(0, 10**9),
    is_paused=st.booleans(),
)


@given(st.dictionaries(st.text(max_size=3), st.lists(rooms, max_size=3), max_size=5))
def test_a_share_is_a_part_of_a_thousand_and_zero_only_where_nothing_is_left(found: dict[str, list[Room]]) -> None:
    for key, share in shares(found).items():
        assert 0 <= share <= WHOLE_PERMILLE
        if all(
            room.left > 0 and room.capacity > 0 and room.rate_micro > 0 and not room.is_paused for room in found[key]
        ):
            assert share > 0
