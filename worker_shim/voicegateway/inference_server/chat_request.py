"""Chat request: from a body in OpenAI's words to what a LiveKit language model is asked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from livekit.agents import llm

from voicegateway.inference_server.problems import bad_request

MESSAGES_MAX: Final = 4_000
"""Many hours of a conversation."""
TOOLS_MAX: Final = 512
_ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool"))
_DETAILS: Final = ("auto", "high", "low")
_OURS: Final = frozenset(
    ("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options")
)
_OF_THE_SDK: Final = frozenset(("extra_headers", "extra_query", "extra_body", "timeout"))
"""What OpenAI's SDK takes for orders to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request to a language model."""

    model: str
    chat_ctx: llm.ChatContext
    tools: list[llm.Tool] = field(default_factory=list)
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    """All else that the body says: temperature and the like, in OpenAI's words."""


def read_chat(body: bytes) -> ChatRequest:
    """Read a body.

    Raises:
        Problem: 400, it is not what LiveKit's clients send.
    """
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"the body is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise bad_request("the body is no JSON object")
    model, messages, tools = told.get("model"), told.get("messages"), told.get("tools") or []
    if not isinstance(model, str) or not model:
        raise bad_request("`model` is missing")
    if not isinstance(messages, list) or len(messages) > MESSAGES_MAX:
        raise bad_request(f"`messages` must be a list of at most {MESSAGES_MAX}")
    if not isinstance(tools, list) or len(tools) > TOOLS_MAX:
        raise bad_request(f"`tools` must be a list of at most {TOOLS_MAX}")
    if told.get("stream") is not True:
        raise bad_request("only streaming answers are given here: send `stream: true`")
    unsafe = sorted(_OF_THE_SDK & told.keys())
    if unsafe:
        raise bad_request(f"`{unsafe[0]}` cannot be given in a body")
    return ChatRequest(
        model=model,
        chat_ctx=_conversation(messages),
        tools=[_tool(each) for each in tools],
        tool_choice=_choice(told.get("tool_choice")),
        parallel_tool_calls=_flag(told.get("parallel_tool_calls")),
        parameters={name: value for name, value in told.items() if name not in _OURS and value is not None},
    )


def _conversation(messages: list[Any]) -> llm.ChatContext:
    context = llm.ChatContext.empty()
    for number, message in enumerate(messages):
        role: Any = message.get("role") if isinstance(message, dict) else None
        if str(role) not in _ROLES:
            raise bad_request(f"messages[{number}]: no role that is known")
        if role == "tool":
            context.items.append(_output(message, number))
            continue
        content, calls = _content(message.get("content"), number), message.get("tool_calls") or []
        if not isinstance(calls, list):
            raise bad_request(f"messages[{number}]: its tool calls are no list")
        if content or not calls:
            context.items.append(llm.ChatMessage(role=role, content=content, extra=_extra(message)))
        # Calls that were made at once stay one message when they are told to the vendor.
        group = context.items[-1].id if content else llm.ChatMessage(role=role, content=[]).id
        context.items.extend(_call(each, number, group) for each in calls)
    return context


def _content(content: Any, number: int) -> list[llm.ChatContent]:
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        raise bad_request(f"messages[{number}]: its content is neither text nor a list of parts")
    parts: list[llm.ChatContent] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            parts.append(part["text"])
            if "prompt_cache_breakpoint" in part:
                parts.append(llm.CacheBreakpoint())
        elif kind == "image_url" and isinstance(part.get("image_url"), dict) and "url" in part["image_url"]:
            image = part["image_url"]
            detail: Any = image.get("detail") or "auto"
            if detail not in _DETAILS:
                raise bad_request(f"messages[{number}]: `detail` of a picture is one of {', '.join(_DETAILS)}")
            parts.append(llm.ImageContent(image=str(image["url"]), inference_detail=detail))
        else:
            raise bad_request(f"messages[{number}]: a part of type {kind!r} is not known")
    return parts


def _call(call: Any, number: int, group: str) -> llm.FunctionCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise bad_request(f"messages[{number}]: a tool call without a function")
    return llm.FunctionCall(
        call_id=str(call.get("id") or ""),
        name=function["name"],
        arguments=str(function.get("arguments") or "{}"),
        extra=_extra(call),
        group_id=group,
    )


def _output(message: Mapping[str, Any], number: int) -> llm.FunctionCallOutput:
    content = "\n".join(part for part in _content(message.get("content"), number) if isinstance(part, str))
    return llm.FunctionCallOutput(call_id=str(message.get("tool_call_id") or ""), output=content, is_error=False)


def _extra(told: Mapping[str, Any]) -> dict[str, Any]:
    """What vendors want to be told again, such as Google's thought signatures."""
    extra = told.get("extra_content")
    return extra if isinstance(extra, dict) else {}


def _tool(tool: Any) -> llm.Tool:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise bad_request("tools: each must be a function with a name")
    schema = {"parameters": {"type": "object", "properties": {}}, **function}
    return llm.function_tool(_called_elsewhere, raw_schema=schema)


async def _called_elsewhere(raw_arguments: dict[str, object]) -> None:
    """The agent calls its tools; here they are only told of."""


def _choice(choice: Any) -> Any:
    if choice is None or choice in ("auto", "required", "none"):
        return choice
    function = choice.get("function") if isinstance(choice, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise bad_request("`tool_choice` is none that is known")
    return {"type": "function", "function": {"name": function["name"]}}


def _flag(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise bad_request("`parallel_tool_calls` is neither true nor false")
    return value
