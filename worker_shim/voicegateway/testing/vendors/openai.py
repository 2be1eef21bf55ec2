"""Simulated OpenAI: chat completions (SSE) and speech.

Chat bills all prompt tokens (a part of them cached) and all completion tokens; the usage comes on the last
chunk, so a client that leaves early never hears it, and is billed the prompt and the tokens written until
then. Refused requests and streams that fail before any content are free. Speech bills text tokens in and 20
audio tokens a second out; `tts-1` and `tts-1-hd` bill characters instead (platform.openai.com/docs/pricing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_chat import RATE_LIMIT_HEADERS, ChatCompletion, ChatRequest
from voicegateway.testing.vendors.openai_speech import SpeechRequest, SpeechSynthesis
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.tokens import PromptCache
from voicegateway.testing.vendors.truth import AcceptedRequest, Vendor
from voicegateway_shared.usage import Modality

_REPLIES: Final = (
    "Of course. I can see it here: it leaves the warehouse today and should reach you on Thursday.",
    "Thank you, I have found it.",
    "Yes, that works. I have changed the address for you. You will get a message once it is on its way.",
    "There is no extra charge for that. Shall I go ahead?",
    "Happy to help! Is there anything else I can do for you today?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIOptions:
    """How the simulated model answers. The reply is chosen by the conversation and the seed alone."""

    replies: tuple[str, ...] = _REPLIES
    ttft_ms: int = 120
    """From the request to the first token."""
    token_ms: int = 4
    """From one token to the next."""
    speech_first_chunk_ms: int = 150
    models: tuple[str, ...] = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o-mini-tts")


class OpenAISimulator(VendorSimulator):
    """OpenAI on this machine. Point `openai.LLM` and `openai.TTS` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "openai"
    base_path: ClassVar[str] = "/v1"
    cancels_on_disconnect: ClassVar[bool] = True

    def __init__(self, surroundings: Surroundings, options: OpenAIOptions) -> None:
        super().__init__(surroundings)
        self._options = options
        self._cache = PromptCache()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return chat, speech and the list of models, which the plugin asks for to warm its connection."""
        return [
            web.post("/v1/chat/completions", self._chat),
            web.post("/v1/audio/speech", self._speech),
            web.get("/v1/models", self._models),
        ]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return OpenAI's error body."""
        kinds = {401: "invalid_request_error", 429: "requests", 400: "invalid_request_error"}
        return {
            "error": {
                "message": f"simulated refusal {request_id}",
                "type": kinds.get(status, "server_error"),
                "param": None,
                "code": {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status),
            }
        }

    def refusal_headers(self, status: int) -> dict[str, str]:
        """Return OpenAI's rate limit headers; a 429 has used all requests."""
        return RATE_LIMIT_HEADERS | ({"x-ratelimit-remaining-requests": "0"} if status == 429 else {})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next("chat")
        parsed = ChatRequest.parse(await _json(request))
        model = "" if parsed is None else parsed.model
        if refusal := self._refuse(request, call_id, "llm", model, rule, is_bad=parsed is None):
            return refusal
        assert parsed is not None
        completion = ChatCompletion(
            http=request,
            call_id=call_id,
            asked=parsed,
            cached_tokens=self._cache.visit(parsed.model, parsed.messages, parsed.tools),
            options=self._options,
            seed=self.seed,
            rule=rule,
        )
        accepted = self.truth.accept(
            request_id=completion.response_id,
            modality="llm",
            model=parsed.model,
            context={"service_tier": "default"},
        )
        return await self._serve(completion, accepted, call_id)

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next("speech")
        parsed = SpeechRequest.parse(await _json(request))
        model = "" if parsed is None else parsed.model
        if refusal := self._refuse(request, call_id, "tts", model, rule, is_bad=parsed is None):
            return refusal
        assert parsed is not None
        accepted = self.truth.accept(request_id=f"req_{call_id}", modality="tts", model=parsed.model)
        synthesis = SpeechSynthesis(http=request, call_id=call_id, asked=parsed, options=self._options, rule=rule)
        return await self._serve(synthesis, accepted, call_id)

    async def _models(self, request: web.Request) -> web.Response:
        models = [{"id": name, "object": "model", "owned_by": "openai"} for name in self._options.models]
        return web.json_response({"object": "list", "data": models})

    def _refuse(
        self,
        request: web.Request,
        call_id: str,
        modality: Modality,
        model: str,
        rule: FaultRule | None,
        *,
        is_bad: bool,
    ) -> web.Response | None:
        request_id = f"req_{call_id}"
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=request_id, modality=modality, model=model, status=rule.refusal_status, rule=rule
            )
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return self.refuse(request_id=request_id, modality=modality, model=model, status=401)
        if is_bad:
            return self.refuse(request_id=request_id, modality=modality, model=model, status=400)
        return None

    async def _serve(
        self, work: ChatCompletion | SpeechSynthesis, accepted: AcceptedRequest, call_id: str
    ) -> web.StreamResponse:
        outcome = None
        try:
            outcome = await work.run()
        except ConnectionError:
            # Writing failed: the client left. Anything else that goes wrong is ours, and aiohttp reports it.
            return work.response
        finally:
            accepted.end(
                outcome=outcome or work.fault_outcome or self.outcome_of_break,
                usage=work.usage() if work.is_billed else {},
                billed=work.is_billed,
                facts={"http_request_id": f"req_{call_id}"},
            )
        return work.response


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
