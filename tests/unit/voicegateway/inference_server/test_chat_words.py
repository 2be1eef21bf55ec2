"""A chat request in OpenAI's words is understood as LiveKit's, and the answer told in OpenAI's: nothing is lost."""

import json
from typing import Any

import pytest
from livekit.agents import llm
from livekit.agents.llm import ChatChunk, ChoiceDelta, CompletionUsage, FunctionToolCall

from voicegateway.inference_server.chat_answer import DONE, ChatAnswer
from voicegateway.inference_server.chat_request import MESSAGES_MAX, read_chat
from voicegateway.inference_server.problems import Problem

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Finds an order.",
        "strict": True,
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    },
}


def body(**told: Any) -> bytes:
    return json.dumps({"model": "openai/gpt-4.1-mini", "messages": [], "stream": True, **told}).encode()


def events(written: bytes) -> list[dict[str, Any]]:
    """Return the events of what was written, without the last one."""
    lines = written.decode().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line and line != "data: [DONE]"]


def test_conversation_with_tools_is_the_same_when_it_is_told_again() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where are my orders?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": '{"number":"1"}'}},
                {"id": "b", "type": "function", "function": {"name": "look_up", "arguments": '{"number":"2"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "on its way"},
        {"role": "tool", "tool_call_id": "b", "content": "lost"},
        {"role": "user", "content": "Oh."},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "nothing"},
    ]

    told, _ = read_chat(body(messages=messages)).chat_ctx.to_provider_format("openai")

    assert told == messages


def test_pictures_and_marks_of_caches_are_kept() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    marked = {"type": "text", "text": "Long rules.", "prompt_cache_breakpoint": {"mode": "explicit"}}
    messages = [{"role": "system", "content": [marked]}, {"role": "user", "content": [picture]}]

    [rules, shown] = read_chat(body(messages=messages)).chat_ctx.items

    assert isinstance(rules, llm.ChatMessage)
    assert isinstance(shown, llm.ChatMessage)
    assert [type(part) for part in rules.content] == [str, llm.CacheBreakpoint]
    [image] = shown.content
    assert isinstance(image, llm.ImageContent)
    assert (image.image, image.inference_detail) == ("https://example.com/a.png", "low")


def test_tools_and_choices_are_told_as_they_were() -> None:
    asked = read_chat(
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "look_up"}}, parallel_tool_calls=False)
    )

    assert llm.ToolContext(asked.tools).parse_function_tools("openai", strict=True) == [TOOL]
    assert asked.tool_choice == {"type": "function", "function": {"name": "look_up"}}
    assert asked.parallel_tool_calls is False


def test_everything_else_is_a_parameter_and_none_is_nothing() -> None:
    asked = read_chat(
        body(
            temperature=0.2, stop=None, response_format={"type": "json_object"}, stream_options={"include_usage": True}
        )
    )

    assert asked.parameters == {"temperature": 0.2, "response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": 7}]},
        {"messages": [{"role": ["user"], "content": "a"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a", "detail": "?"}}]}]},
        {"messages": [7]},
        {"messages": [{"role": "user", "content": "a"}] * (MESSAGES_MAX + 1)},
        {"tools": "look_up"},
        {"tools": [{"function": {"name": ""}}]},
        {"tool_choice": 7},
        {"parallel_tool_calls": "yes"},
        {"extra_body": {"a": 1}},
        {"timeout": 0},
        {"stream": False},
    ],
)
def test_what_is_not_understood_is_refused_and_never_guessed(wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        read_chat(body(**wrong))

    assert refused.value.status == 400


def test_answer_in_words() -> None:
    answer = ChatAnswer("fast", "req-1")
    written = answer.chunk(ChatChunk(id="chat-1", delta=ChoiceDelta(role="assistant", content="It is")))
    written += answer.chunk(ChatChunk(id="chat-1", delta=ChoiceDelta(content=" here.")))
    usage = CompletionUsage(
        prompt_tokens=10, completion_tokens=3, total_tokens=13, prompt_cached_tokens=4, reasoning_tokens=1
    )
    assert answer.chunk(ChatChunk(id="chat-1", usage=usage)) == b""
    last = answer.end()

    first, second = events(written)
    reason, used = events(last)
    assert first["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": "It is"}, "finish_reason": None}]
    assert second["choices"][0]["delta"] == {"content": " here."}
    assert (first["id"], first["model"], first["object"]) == ("chat-1", "fast", "chat.completion.chunk")
    assert reason["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert used["choices"] == []
    assert used["usage"]["prompt_tokens_details"] == {"cached_tokens": 4, "cache_write_tokens": 0}
    assert used["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}
    assert last.endswith(DONE)


def test_answer_in_calls_numbers_them() -> None:
    answer = ChatAnswer("fast", "req-1")
    calls = [FunctionToolCall(name="look_up", arguments="{}", call_id=each) for each in ("a", "b")]
    written = answer.chunk(ChatChunk(id="chat-1", delta=ChoiceDelta(tool_calls=calls[:1])))
    written += answer.chunk(ChatChunk(id="chat-1", delta=ChoiceDelta(tool_calls=calls[1:])))

    told = [each["choices"][0]["delta"]["tool_calls"][0] for each in events(written)]
    assert [(each["index"], each["id"]) for each in told] == [(0, "a"), (1, "b")]
    assert events(answer.end())[0]["choices"][0]["finish_reason"] == "tool_calls"


def test_chunk_that_says_nothing_is_not_told() -> None:
    assert ChatAnswer("fast", "req-1").chunk(ChatChunk(id="chat-1", delta=ChoiceDelta(role="assistant"))) == b""
