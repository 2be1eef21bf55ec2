"""Node count: the time of slots to the nanosecond, and the text of attempts."""

from voicegateway.node_count import NodeCount


def test_busy_time_is_the_sum_of_its_turns_the_running_ones_up_to_now() -> None:
    node = NodeCount()
    node.began(1_000)
    node.ended(1_000, 4_000)
    node.began(10_000)
    node.began(12_000)

    assert node.busy_ns(13_000) == 3_000 + 3_000 + 1_000
    node.ended(10_000, 14_000)
    assert node.busy_ns(15_000) == 3_000 + 4_000 + 3_000
    node.ended(12_000, 16_000)
    assert node.busy_ns(99_000) == 3_000 + 4_000 + 4_000


def test_part_of_a_millisecond_is_one() -> None:
    node = NodeCount()
    assert node.busy_ms(5) == 0
    node.began(0)
    node.ended(0, 2_000_001)

    assert node.busy_ms(9) == 3


def test_waits_for_the_last_slot_and_for_none_where_none_is_busy() -> None:
    node, called = NodeCount(), list[str]()
    assert not node.call_when_free(lambda: called.append("never"))
    node.began(0)
    node.began(1)
    assert node.call_when_free(lambda: called.append("free"))
    node.ended(0, 5)
    assert called == []
    node.ended(1, 6)
    node.began(7)
    node.ended(7, 8)

    assert called == ["free"]


def test_characters_of_an_attempt_that_brought_nothing_have_failed() -> None:
    node = NodeCount()
    node.characters(10)
    node.characters(5)
    node.attempt_failed()
    node.attempt_begins()
    node.characters(15)
    node.attempt_begins()

    assert (node.characters_sent, node.characters_failed) == (30, 15)
