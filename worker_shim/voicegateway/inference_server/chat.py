"""Chat: `POST /v1/chat/completions`, one request to a language model, answered as server-sent events."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web
from livekit.agents import APIConnectOptions
from livekit.agents.llm import ChatChunk
from livekit.agents.types import NOT_GIVEN

from voicegateway.identity import on_behalf_of
from voicegateway.inference.arguments import RENAMED
from voicegateway.inference.llm import served_by
from voicegateway.inference.members import Member
from voicegateway.inference_server.caller import Caller
from voicegateway.inference_server.chat_answer import ChatAnswer
from voicegateway.inference_server.chat_request import ChatRequest, read_chat
from voicegateway.inference_server.plugins import Plugins
from voicegateway.inference_server.problems import Problem, of_error
from voicegateway_shared.ids import new_request_id

BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""A long conversation with a few pictures."""
OPTIONS: Final = APIConnectOptions(max_retry=1, retry_interval=0.5, timeout=10.0)
"""The caller's own client retries too, three times by default."""
_WHEN_MADE: Final = ("reasoning_effort", "verbosity")
"""What OpenAI's plugin has defaults of its own for, which win over what a request says."""
_SPEAK_OPENAI: Final = ("openai", "groq", "ollama")
"""Their plugins are OpenAI's, and take what OpenAI's SDK takes."""


async def chat(request: web.Request, caller: Caller, plugins: Plugins) -> web.StreamResponse:
    """Serve one request; the vendor's is cancelled when the caller leaves.

    Raises:
        Problem, ConfigurationError, APIError: it failed before the answer had begun.
    """
    asked = read_chat(await request.read())
    answer = ChatAnswer(asked.model, new_request_id())
    if (refusal := caller.refusal()) is not None:
        raise refusal
    if caller.sentence:
        response, last = await _begun(request), answer.sentence(caller.sentence) + answer.end()
    else:
        response, last = await _ask(request, asked, caller, plugins, answer)
    if caller.session is not None and caller.sentence:
        caller.session.is_told.set()
    # At once with the end of the body: OpenAI's client leaves at `[DONE]`, and drops a connection that says more.
    await response.write_eof(last)
    return response


async def _ask(
    request: web.Request, asked: ChatRequest, caller: Caller, plugins: Plugins, answer: ChatAnswer
) -> tuple[web.StreamResponse, bytes]:
    """Return the answer that was begun, and its last bytes, which are not written yet."""
    member, parameters = _member(served_by(asked.model, caller.provider), asked.parameters)
    response: web.StreamResponse | None = None
    async with plugins.use("llm", [member], caller.identity) as plugin:
        stream = _stream(plugin, asked, parameters, caller)
        try:
            async for chunk in _chunks(stream):
                # Not before there is something to tell: until then an error can be told by its status.
                response = response or await _begun(request)
                if event := answer.chunk(chunk):
                    await response.write(event)
        except (ConnectionResetError, Problem):
            raise
        except Exception as error:
            if response is None:
                raise
            return response, b"data: " + msgspec.json.encode(of_error(error).as_body()) + b"\n\n"
        finally:
            await stream.aclose()
    return response or await _begun(request), answer.end()


def _stream(plugin: Any, asked: ChatRequest, parameters: Mapping[str, Any], caller: Caller) -> Any:
    with on_behalf_of(caller.identity):
        return plugin.chat(
            chat_ctx=asked.chat_ctx,
            tools=asked.tools,
            conn_options=OPTIONS,
            parallel_tool_calls=NOT_GIVEN if asked.parallel_tool_calls is None else asked.parallel_tool_calls,
            tool_choice=NOT_GIVEN if asked.tool_choice is None else asked.tool_choice,
            extra_kwargs=dict(parameters),
        )


async def _chunks(stream: Any) -> AsyncIterator[ChatChunk]:
    """A stream that was cancelled under us ends; it is not we who are cancelled."""
    with contextlib.suppress(StopAsyncIteration):
        while True:
            yield await anext(stream)


def _member(model: str, parameters: Mapping[str, Any]) -> tuple[Member, dict[str, Any]]:
    """Return the model with what its plugin must be made with, and what each request tells it."""
    provider = model.partition("/")[0]
    if provider not in _SPEAK_OPENAI:
        names = RENAMED.get((provider, "llm"), {})
        return Member(model=model), {names.get(name, name): value for name, value in parameters.items()}
    made = {name: value for name, value in parameters.items() if name in _WHEN_MADE and provider == "openai"}
    told = {name: value for name, value in parameters.items() if name not in made}
    known, unknown = _of_the_api(told)
    return Member(model=model, options=made), known | ({"extra_body": unknown} if unknown else {})


def _of_the_api(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part what OpenAI's SDK has an argument for from what goes into the body as it is."""
    from openai.types.chat import completion_create_params

    names = completion_create_params.CompletionCreateParamsBase.__annotations__
    known = {name: value for name, value in parameters.items() if name in names}
    return known, {name: value for name, value in parameters.items() if name not in names}


async def _begun(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    return response
