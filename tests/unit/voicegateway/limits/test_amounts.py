"""Amounts: what an attempt is taken for before it runs, and what it turns out to have spent."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.voicegateway.records import HELLO_TOKENS, a_record, chunk, tokens

from voicegateway.limits import amounts
from voicegateway.limits.amounts import Habits, estimated, output_tokens_max, spent, spent_so_far
from voicegateway.record import Attempt
from voicegateway.wire_count import WireCount


def plugin(**options: Any) -> Any:
    return SimpleNamespace(_opts=SimpleNamespace(**options))


def starting(modality: Any, **fields: Any) -> Any:
    return a_record(modality, **{"attempts": 0, "outcome": None, **fields})


def test_chat_is_its_prompt_and_a_usual_answer() -> None:
    assert estimated(starting("llm"), Habits()) == {"requests": 1, "tokens": HELLO_TOKENS + 256}


def test_chat_with_a_longest_answer_is_taken_for_that() -> None:
    record = starting("llm", owner=plugin(max_completion_tokens=50))

    assert estimated(record, Habits()) == {"requests": 1, "tokens": HELLO_TOKENS + 50}


@pytest.mark.parametrize("given", [object(), 0, -1, "50"])
def test_what_is_no_number_of_tokens_is_no_longest_answer(given: Any) -> None:
    assert output_tokens_max(plugin(max_completion_tokens=given)) == 0
    assert output_tokens_max(None) == 0


def test_model_is_soon_known_by_what_it_says() -> None:
    habits = Habits()

    for _ in range(60):
        spent(a_record(llm_chunks=[chunk("Hi"), chunk(usage=tokens(10, 20))]), habits, audio_ms_before=0)

    assert estimated(starting("llm"), habits)["tokens"] == HELLO_TOKENS + 20
    assert estimated(starting("llm", model="gpt-4.1"), habits)["tokens"] == HELLO_TOKENS + 256


@given(outputs=st.lists(st.integers(0, 10**6), max_size=30))
def test_expectation_stays_between_the_least_and_the_most(outputs: list[int]) -> None:
    habits, record = Habits(), a_record()

    for output in outputs:
        habits.learn(record, "tokens", output, 256)

    assert max(1, min([256, *outputs])) <= habits.expected(record, "tokens", 256) <= max([256, *outputs])


def test_chat_spent_what_the_vendor_said() -> None:
    record = a_record(llm_chunks=[chunk("Hi"), chunk(usage=tokens(10, 20, cached=8))])

    assert spent(record, Habits(), audio_ms_before=0) == {"requests": 1, "tokens": 30}


def test_only_the_last_attempt_counts() -> None:
    record = a_record(llm_chunks=[chunk("Hi"), chunk(usage=tokens(10, 20)), chunk("a"), chunk("b")], attempts=2)
    record.attempt = Attempt(chunks_before=2)

    assert spent(record, Habits(), audio_ms_before=0) == {"requests": 1, "tokens": HELLO_TOKENS + 2}


@pytest.mark.parametrize("modality", ["llm", "tts"])
def test_vendors_refusal_spent_a_request_and_nothing_else(modality: Any) -> None:
    record = a_record(modality, pushed=40, is_push_whole=True, attempt=Attempt(is_refused=True))

    assert set(spent(record, Habits(), audio_ms_before=0).values()) == {0, 1}


def test_text_that_is_known_is_counted_before() -> None:
    record = starting("tts", pushed=40, is_push_whole=True)

    assert estimated(record, Habits()) == {"requests": 1, "characters": 40}
    assert spent(record, Habits(), audio_ms_before=0) == {"requests": 1, "characters": 40}
    assert spent_so_far(record, audio_ms_before=0) is None


def test_text_still_being_written_is_a_usual_reply() -> None:
    wire = WireCount()
    record = starting("tts", wire=wire)

    assert estimated(record, Habits()) == {"requests": 1, "sessions": 1, "characters": 200}
    record.attempts, record.pushed = 1, 45
    wire.characters(31)
    assert spent_so_far(record, audio_ms_before=0) == ("characters", 31)
    assert spent(record, Habits(), audio_ms_before=0) == {"requests": 1, "characters": 31}


def test_recording_is_as_long_as_it_is() -> None:
    record = starting("stt", mode="batch", pushed=24_000, pushed_rate=16_000, is_push_whole=True)

    assert estimated(record, Habits()) == {"requests": 1, "audio_ms": 1500}
    assert spent(record, Habits(), audio_ms_before=0) == {"requests": 1, "audio_ms": 1500}


def test_transcription_tells_what_it_sends_while_it_goes_on() -> None:
    wire = WireCount(sample_rate=16_000)
    record = starting("stt", wire=wire, attempts=1)

    assert estimated(record, Habits()) == {"requests": 1, "sessions": 1, "audio_ms": 10_000}
    wire.audio(object(), 0, 16_000 * 2 * 3)
    assert spent_so_far(record, audio_ms_before=1000) == ("audio_ms", 2000)
    assert spent(record, Habits(), audio_ms_before=1000) == {"requests": 1, "audio_ms": 2000}


def test_what_never_asked_its_vendor_spent_nothing() -> None:
    assert amounts.nothing({"requests": 1, "tokens": 30}) == {"requests": 0, "tokens": 0}
