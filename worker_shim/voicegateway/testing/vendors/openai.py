"""Simulated OpenAI: chat completions, responses (SSE and websocket), speech, transcriptions, realtime.

Chat bills all prompt tokens (a part of them cached) and all completion tokens; the usage comes on the last
chunk, so a client that leaves early never hears it, and is billed the prompt and the tokens written until
then. Refused requests and streams that fail before any content are free. Speech bills text tokens in and 20
audio tokens a second out; `tts-1` and `tts-1-hd` bill characters instead (platform.openai.com/docs/pricing).
Realtime bills each response, with the whole conversation before it as its input.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.faults import Endpoint
from voicegateway.testing.vendors.openai_chat import RATE_LIMIT_HEADERS
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.openai_protocol import ORGANIZATION, OpenAIProtocol, json_body
from voicegateway.testing.vendors.openai_responses import ResponseRequest, ResponsesBook, answer_socket, answer_stream
from voicegateway.testing.vendors.openai_speech import CHARACTER_MODELS
from voicegateway.testing.vendors.realtime_connection import RealtimeConnection
from voicegateway.testing.vendors.server import API_KEY, PluginKwargs, Surroundings
from voicegateway.testing.vendors.truth import Vendor

__all__ = ["OpenAIOptions", "OpenAISimulator"]


class OpenAISimulator(OpenAIProtocol):
    """OpenAI on this machine. Point the classes of `livekit.plugins.openai` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "openai"
    base_path: ClassVar[str] = "/v1"
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "chat": "chat",
        "speech": "speech",
        "transcriptions": "transcriptions",
    }
    tells_transcription_usage: ClassVar[bool] = True

    def __init__(self, surroundings: Surroundings, options: OpenAIOptions) -> None:
        super().__init__(surroundings, options)
        self._responses_book = ResponsesBook()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return all that OpenAI offers here."""
        return [
            *super().routes(),
            web.post("/v1/responses", self._responses),
            web.get("/v1/responses", self._responses_socket),
            web.get("/v1/realtime", self._realtime),
        ]

    def plugin_kwargs(self, endpoint: str = "") -> PluginKwargs:
        """Return the arguments that point a plugin here; the websocket of `responses` takes its whole address."""
        return PluginKwargs(base_url=f"{self.base_url}/{endpoint}".rstrip("/"), api_key=API_KEY)

    def refusal_headers(self, status: int) -> dict[str, str]:
        """Return OpenAI's rate limit headers; a 429 has used all requests."""
        return RATE_LIMIT_HEADERS | ({"x-ratelimit-remaining-requests": "0"} if status == 429 else {})

    def answer_headers(self, call_id: str) -> dict[str, str]:
        """Return OpenAI's: an id, how long it took, whose key it was."""
        return {
            **super().answer_headers(call_id),
            "openai-processing-ms": str(self.options.ttft_ms),
            "openai-organization": ORGANIZATION,
        }

    def bills_characters(self, model: str) -> bool:
        """Return it for the old voices alone."""
        return model in CHARACTER_MODELS

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next("responses")
        parsed = ResponseRequest.parse(await json_body(request), self._responses_book)
        model = "" if parsed is None else parsed.model
        if refusal := self.refusal(request, call_id, "llm", model, rule, is_bad=parsed is None):
            return refusal
        assert parsed is not None
        return await answer_stream(self, self._responses_book, request, call_id, parsed, rule)

    async def _responses_socket(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next("responses_socket")
        if refusal := self.refusal(request, call_id, "llm", "", rule, is_bad=False):
            return refusal
        socket = await self.accept_socket(request, headers=self.answer_headers(call_id))
        await answer_socket(self, self._responses_book, request, socket)
        return socket

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        is_transcription = request.query.get("intent") == "transcription"
        rule = self.faults.next("transcription_socket" if is_transcription else "realtime_socket")
        model = request.query.get("model", "")
        modality: Any = "stt" if is_transcription else "realtime"
        if refusal := self.refusal(request, call_id, modality, model, rule, is_bad=not model):
            return refusal
        socket = await self.accept_socket(request, headers=self.answer_headers(call_id))
        await RealtimeConnection(self, request, socket, model=model, is_transcription=is_transcription).run()
        return socket
