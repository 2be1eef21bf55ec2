"""The simulated tokenizer and prompt cache."""

import pytest

from voicegateway.testing.vendors.tokens import (
    PromptCache,
    count_prompt_tokens,
    count_tokens,
    split_tokens,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("Hello", 1), ("Hello, world!", 4), ("it's", 3), ("  a \n b ", 2), ("zwölf Äpfel", 2)],
)
def test_words_and_marks_are_tokens(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens == len(split_tokens(text))


def test_pieces_join_to_the_text() -> None:
    text = "Of course! It's here: 12 items, isn't it?"

    assert "".join(split_tokens(text)) == text


def test_parts_of_a_message_count_like_its_text() -> None:
    plain = [{"role": "user", "content": "Hello there"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]}]

    assert count_prompt_tokens(plain) == count_prompt_tokens(parts) == 2 + 4 + 3


def test_tools_count_as_their_json() -> None:
    assert count_prompt_tokens([], [{"name": "f"}]) == count_tokens('[{"name": "f"}]') + 3


def test_only_a_long_seen_prefix_is_cached_in_steps() -> None:
    cache = PromptCache()
    system = {"role": "system", "content": "word " * 1100}
    turns = [system, {"role": "user", "content": "one"}]
    longer = [*turns, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]

    assert cache.visit("m", turns) == 0
    assert cache.visit("m", longer) == 1109 // 128 * 128 == 1024
    assert cache.visit("other", longer) == 0
    assert cache.visit("m", [{"role": "system", "content": "new"}, *longer]) == 0


def test_prefix_below_the_minimum_is_not_cached() -> None:
    cache = PromptCache()
    short = [{"role": "user", "content": "word " * 1000}]
    cache.visit("m", short)

    assert cache.visit("m", short) == 0
