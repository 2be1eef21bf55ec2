"""Which turns of a streaming transcription a vendor bills without anybody having heard what they cost."""

from tests.unit.voicegateway.records import a_record

from voicegateway.turn_count import TurnCount


def test_turn_that_was_told_is_known() -> None:
    turns = TurnCount()
    turns.began("item_1", 300)
    turns.ended("item_1", 1_200)
    turns.taken("item_1", sent_ms=1_500)
    turns.told("item_1")

    assert turns.untold_ms == {}


def test_turn_is_as_long_as_the_vendor_says_else_what_was_sent_since_the_last() -> None:
    turns = TurnCount()
    turns.began("item_1", 300)
    turns.ended("item_1", 1_200)
    turns.taken("item_1", sent_ms=1_500)
    turns.taken("item_2", sent_ms=2_500)

    assert turns.untold_ms == {"item_1": 900, "item_2": 1_000}


def test_turn_that_was_not_taken_is_not_billed() -> None:
    turns = TurnCount()
    turns.began("item_1", 300)

    assert turns.untold_ms == {}


def test_stream_that_is_left_with_a_turn_untold_is_an_estimate() -> None:
    record = a_record("stt", provider="openai", model="gpt-4o-mini-transcribe", turns=TurnCount(), outcome=None)
    record.vendor_usage = {"input_tokens": 12, "input_audio_tokens": 10, "output_tokens": 5}
    assert record.turns is not None
    record.turns.taken("item_1", sent_ms=1_000)

    assert record.usage()["input_tokens"] == 12
    record.outcome = "ok"
    usage = record.usage()
    assert (usage["input_tokens"], usage["input_audio_tokens"], usage["output_tokens"]) == (22, 20, 9)
    assert record.is_estimated()
