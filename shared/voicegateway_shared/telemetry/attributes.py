"""Span attribute names. OpenTelemetry GenAI semantic conventions where they exist, `voicegateway.*` else.

A span is one *request* if and only if it carries `REQUEST_ID`; the controller ignores and counts the others.
"""

from typing import Final

# --- identity -------------------------------------------------------------------------------------
REQUEST_ID: Final = "voicegateway.request.id"
"""UUIDv7 made by the shim when the request starts. The ledger's identity: the same id twice is one request."""
INCARNATION: Final = "service.instance.id"
"""Resource attribute: one process life, `<host>-<pid>-<random>`."""
PROJECT: Final = "voicegateway.project"
"""Who pays."""
SESSION_ID: Final = "voicegateway.session.id"
"""One call: the LiveKit job id, or a made-up id outside a job."""
AGENT_NAME: Final = "gen_ai.agent.name"
JOB_ID: Final = "voicegateway.job.id"
ROOM_NAME: Final = "voicegateway.room.name"
SPEECH_ID: Final = "voicegateway.speech.id"
KEY_ID: Final = "voicegateway.key.id"
"""Which vendor key was used: a short one-way fingerprint, never the key."""

# --- what was asked -------------------------------------------------------------------------------
MODALITY: Final = "voicegateway.modality"
"""`stt`, `llm`, `tts` or `realtime`."""
OPERATION: Final = "gen_ai.operation.name"
"""`chat` for llm; `transcribe` for stt and `synthesize` for tts, which have no name in the conventions yet."""
PROVIDER: Final = "gen_ai.provider.name"
"""Our own provider id as in the model string (`deepgram`), not the plugin's (which may be a host name)."""
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
"""The vendor's own request id, for disputes."""
VENDOR_REQUEST_IDS: Final = "voicegateway.vendor.request_ids"
"""All ids the vendor gave to this request's attempts and connections, space-separated, at most 16."""
LANGUAGE: Final = "voicegateway.request.language"
VOICE: Final = "voicegateway.request.voice"
MODE: Final = "voicegateway.request.mode"
"""`streaming`, `batch` or `realtime`: vendors price them apart."""
SERVICE_TIER: Final = "openai.response.service_tier"
"""The tier in the response; it decides the price, not the tier asked for."""

# --- how it went ----------------------------------------------------------------------------------
OUTCOME: Final = "voicegateway.outcome"
"""`ok`, `cancelled` (we stopped it), `interrupted` (its process died), or `error`."""
ESTIMATED: Final = "voicegateway.estimated"
"""True when the vendor never told the usage and ours is a bound or a guess."""
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"
ATTEMPTS: Final = "voicegateway.attempts"
"""How often the vendor was tried; 1 when nothing failed."""
TTFB_MS: Final = "voicegateway.ttfb_ms"
"""First request byte to first result: first token (llm), first audio (tts), first transcript (stt)."""
DURATION_MS: Final = "voicegateway.duration_ms"
"""By the monotonic clock; the span's own instants are wall clock and may jump."""

# --- how much -------------------------------------------------------------------------------------
USAGE_PREFIX: Final = "voicegateway.usage."
"""`voicegateway.usage.<meter>`: integers in the meter's base unit, see `voicegateway_shared.usage.METERS`."""
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_CREATION_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REPORTED_PREFIX: Final = "voicegateway.reported."
"""`voicegateway.reported.<meter>`: what the plugin's own metrics said; a second opinion, never rated."""
