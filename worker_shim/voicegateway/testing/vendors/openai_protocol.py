"""The HTTP protocol that OpenAI, Groq and Ollama share: chat completions (SSE), speech, transcriptions."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.faults import Endpoint, FaultRule
from voicegateway.testing.vendors.openai_chat import ChatCompletion, ChatRequest
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.openai_speech import SpeechRequest, SpeechSynthesis
from voicegateway.testing.vendors.openai_transcription import Transcription, TranscriptionRequest
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.tokens import PromptCache
from voicegateway.testing.vendors.truth import AcceptedRequest
from voicegateway_shared.usage import Modality

ORGANIZATION: Final = "org-simulated"


class Work(Protocol):
    """One accepted request that is being answered."""

    fault_outcome: str | None
    response: web.StreamResponse

    @property
    def is_billed(self) -> bool:
        """Whether it costs anything."""
        ...

    def usage(self) -> Mapping[str, int]:
        """What is billed if the request ends now."""
        ...

    async def run(self) -> str | None:
        """Answer; return the outcome, None if a fault ended it."""
        ...


class OpenAIProtocol(VendorSimulator):
    """One vendor that speaks OpenAI's protocol over HTTP."""

    cancels_on_disconnect: ClassVar[bool] = True
    endpoints: ClassVar[Mapping[str, Endpoint]] = {}
    """Our names of what it offers, of `chat`, `speech` and `transcriptions`, and the endpoints that faults are of."""
    needs_key: ClassVar[bool] = True
    tells_transcription_usage: ClassVar[bool] = False
    service_tier: ClassVar[str] = "default"
    """What it serves by, where nothing else was asked for."""

    def __init__(self, surroundings: Surroundings, options: OpenAIOptions) -> None:
        super().__init__(surroundings)
        self.options = options
        self.cache = PromptCache()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what it offers, and the list of models, which plugins ask for to warm their connection."""
        offered = {
            "chat": web.post(f"{self.base_path}/chat/completions", self._chat),
            "speech": web.post(f"{self.base_path}/audio/speech", self._speech),
            "transcriptions": web.post(f"{self.base_path}/audio/transcriptions", self._transcribe),
        }
        return [
            *(route for name, route in offered.items() if name in self.endpoints),
            web.get(f"{self.base_path}/models", self._models),
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

    def answer_headers(self, call_id: str) -> dict[str, str]:
        """Return the headers of an answer that say whose and what it is."""
        return {"x-request-id": f"req_{call_id}"}

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next(self.endpoints["chat"])
        parsed = ChatRequest.parse(await json_body(request), service_tier=self.service_tier)
        model = "" if parsed is None else parsed.model
        if refusal := self.refusal(request, call_id, "llm", model, rule, is_bad=parsed is None):
            return refusal
        assert parsed is not None
        completion = ChatCompletion(
            http=request,
            call_id=call_id,
            asked=parsed,
            cached_tokens=self.cache.visit(parsed.model, parsed.messages, parsed.tools),
            options=self.options,
            seed=self.seed,
            rule=rule,
            headers=self.answer_headers(call_id),
        )
        accepted = self.truth.accept(
            request_id=completion.response_id,
            modality="llm",
            model=parsed.model,
            context={"service_tier": parsed.service_tier},
        )
        return await self.serve(completion, accepted, call_id)

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next(self.endpoints["speech"])
        parsed = SpeechRequest.parse(await json_body(request))
        model = "" if parsed is None else parsed.model
        if refusal := self.refusal(request, call_id, "tts", model, rule, is_bad=parsed is None):
            return refusal
        assert parsed is not None
        accepted = self.truth.accept(request_id=f"req_{call_id}", modality="tts", model=parsed.model)
        synthesis = SpeechSynthesis(
            http=request,
            asked=parsed,
            options=self.options,
            rule=rule,
            headers=self.answer_headers(call_id),
            bills_characters=self.bills_characters(parsed.model),
        )
        return await self.serve(synthesis, accepted, call_id)

    def bills_characters(self, model: str) -> bool:
        """Whether speech of a model is billed by the character, and not by the token."""
        return True

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        call_id = uuid4().hex
        rule = self.faults.next(self.endpoints["transcriptions"])
        parsed = await TranscriptionRequest.parse(request)
        model = "" if parsed is None else parsed.model
        if refusal := self.refusal(request, call_id, "stt", model, rule, is_bad=parsed is None):
            return refusal
        assert parsed is not None
        accepted = self.truth.accept(
            request_id=f"req_{call_id}", modality="stt", model=parsed.model, context={"mode": "batch"}
        )
        transcription = Transcription(
            asked=parsed,
            options=self.options,
            rule=rule,
            headers=self.answer_headers(call_id),
            text=self.options.heard[self.seed % len(self.options.heard)],
            tells_usage=self.tells_transcription_usage,
        )
        return await self.serve(transcription, accepted, call_id)

    async def _models(self, request: web.Request) -> web.Response:
        models = [{"id": name, "object": "model", "owned_by": self.vendor} for name in self.options.models]
        return web.json_response({"object": "list", "data": models})

    def refusal(
        self,
        request: web.Request,
        call_id: str,
        modality: Modality,
        model: str,
        rule: FaultRule | None,
        *,
        is_bad: bool,
    ) -> web.Response | None:
        """Return the answer to a request that is not accepted, and log it; None when it is accepted."""
        request_id = f"req_{call_id}"
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=request_id, modality=modality, model=model, status=rule.refusal_status, rule=rule
            )
        if self.needs_key and not request.headers.get("Authorization", "").startswith("Bearer "):
            return self.refuse(request_id=request_id, modality=modality, model=model, status=401)
        if is_bad:
            return self.refuse(request_id=request_id, modality=modality, model=model, status=400)
        return None

    async def serve(self, work: Work, accepted: AcceptedRequest, call_id: str) -> web.StreamResponse:
        """Answer an accepted request and write its bill."""
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


async def json_body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request carries, an empty one if it carries none."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
