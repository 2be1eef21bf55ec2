"""Turns of a streaming transcription: told, untold, and a bound on what a broken vendor never tells."""

from voicegateway.turn_count import TURNS_MAX, TurnCount


def test_a_turn_is_untold_from_when_it_is_taken_until_it_is_told() -> None:
    turns = TurnCount()
    turns.began("a", 200)
    turns.ended("a", 1_200)
    assert turns.untold_ms == {}
    turns.taken("a", sent_ms=1_500)
    assert turns.untold_ms == {"a": 1_000}
    turns.taken("b", sent_ms=2_100)
    assert turns.untold_ms == {"a": 1_000, "b": 600}, "where it was not said how long: all that was sent since"
    turns.told("a")

    assert turns.untold_ms == {"b": 600}


def test_a_vendor_that_never_tells_fills_no_memory() -> None:
    turns = TurnCount()
    for number in range(TURNS_MAX * 3):
        turns.began(f"heard {number}", number)
        turns.ended(f"said {number}", number)
        turns.taken(f"taken {number}", sent_ms=number)

    assert list(turns.untold_ms) == [f"taken {number}" for number in range(TURNS_MAX * 2, TURNS_MAX * 3)]
    assert {len(turns._began_ms), len(turns._said_ms)} == {TURNS_MAX}
