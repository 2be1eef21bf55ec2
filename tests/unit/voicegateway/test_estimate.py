"""Estimates for what vendors never told: whole numbers, rounded up, never below zero."""

import pytest
from livekit.agents.llm import ChatContext, FunctionCall, FunctionCallOutput

from voicegateway import estimate


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4000, 1000)])
def test_text_is_four_characters_a_token(characters: int, tokens: int) -> None:
    assert estimate.text_tokens(characters) == tokens


@pytest.mark.parametrize(("audio_ms", "tokens"), [(0, 0), (1, 1), (50, 1), (51, 2), (1000, 20)])
def test_speech_is_twenty_tokens_a_second(audio_ms: int, tokens: int) -> None:
    assert estimate.speech_tokens(audio_ms) == tokens


def test_prompt_is_all_that_was_said_called_and_returned() -> None:
    context = ChatContext.empty()
    context.add_message(role="system", content="12345")
    context.add_message(role="user", content=["1234", "5678"])
    context.items.append(FunctionCall(call_id="c", name="look_up", arguments="12345678"))
    context.items.append(FunctionCallOutput(call_id="c", name="look_up", output="123", is_error=False))

    assert estimate.input_tokens(context) == (4 + 2) + (4 + 3) + (4 + 2) + (4 + 1)


def test_without_a_prompt_there_is_nothing_to_estimate() -> None:
    assert estimate.input_tokens(None) == estimate.input_tokens(ChatContext.empty()) == 0
