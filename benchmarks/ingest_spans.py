"""Span batches for bench_ingest.py: encoded once as templates, then only ids and instants are patched in.

Building a span with protobuf costs more than the controller spends on it; the generator shares the machine.
"""

import os
import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from voicegateway_shared.ids import new_request_id
from voicegateway_shared.telemetry import attributes as names

GZIP_LEVEL: Final = 1
LASTED_NS: Final = 900_000_000
_ID_MARK: Final = "00000000-0000-7000-8000-000000000000"
_START_MARK: Final = 0x1111_1111_1111_1111
_END_MARK: Final = 0x2222_2222_2222_2222
_TRACE_MARK: Final = b"\x03" * 16
_SPAN_MARK: Final = b"\x04" * 8
MIX: Final = ("llm", "tts", "llm", "tts", "llm", "tts", "llm", "tts", "llm", "stt")
"""A turn is one generation and one synthesis or two; a call has one long transcription."""


@dataclass(frozen=True, slots=True)
class Template:
    """One encoded span, cut at the four places that change, in the order in which protobuf writes them."""

    parts: tuple[bytes, bytes, bytes, bytes, bytes, bytes]

    def fill(self, now_ns: int) -> bytes:
        """Return the span with fresh ids, ending now."""
        head, after_trace, after_span, after_start, after_end, tail = self.parts
        return b"".join(
            (
                head,
                os.urandom(16),
                after_trace,
                os.urandom(8),
                after_span,
                (now_ns - LASTED_NS).to_bytes(8, "little"),
                after_start,
                now_ns.to_bytes(8, "little"),
                after_end,
                new_request_id().encode(),
                tail,
            )
        )


def templates(*, sessions: int, projects: int, seed: int) -> list[Template]:
    """Return one template per modality and session, with quantities of their own."""
    rng = random.Random(seed)
    return [
        _template(rng, modality, session, f"project-{session % projects}")
        for session in range(sessions)
        for modality in ("llm", "tts", "stt")
    ]


def batches(pool: list[Template], *, spans: int, seed: int) -> Iterator[bytes]:
    """Yield gzipped request bodies for ever: what an outbox sends, from one host each."""
    rng = random.Random(seed)
    offset = {"llm": 0, "tts": 1, "stt": 2}
    while True:
        now_ns = time.time_ns()
        # One host's outbox holds a few calls at a time.
        calls = [rng.randrange(len(pool) // 3) for _ in range(16)]
        filled = [pool[3 * calls[n % 16] + offset[MIX[n % len(MIX)]]].fill(now_ns) for n in range(spans)]
        yield _gzip(_envelope(filled, host=rng.randrange(8)))


def _template(rng: random.Random, modality: str, session: int, project: str) -> Template:
    span = Span(
        trace_id=_TRACE_MARK,
        span_id=_SPAN_MARK,
        name=f"voicegateway.{modality}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=_START_MARK,
        end_time_unix_nano=_END_MARK,
    )
    strings, integers = _facts(rng, modality, session, project)
    for key, text in strings.items():
        span.attributes.add(key=key).value.string_value = text
    for key, number in integers.items():
        span.attributes.add(key=key).value.int_value = number
    span.attributes.add(key=names.ESTIMATED).value.bool_value = False
    rest = span.SerializeToString()
    parts: list[bytes] = []
    for mark in (_TRACE_MARK, _SPAN_MARK, _START_MARK.to_bytes(8, "little"), _END_MARK.to_bytes(8, "little")):
        before, _, rest = rest.partition(mark)
        parts.append(before)
    before, _, rest = rest.partition(_ID_MARK.encode())
    return Template((parts[0], parts[1], parts[2], parts[3], before, rest))


def _facts(rng: random.Random, modality: str, session: int, project: str) -> tuple[dict[str, str], dict[str, int]]:
    provider, model, voice = {
        "llm": ("openai", rng.choice(("gpt-4.1-mini", "gpt-4.1-mini", "gpt-4o")), ""),
        "tts": ("cartesia", "sonic-3", "f786b574-daa5-4673-aa0c-cbe3e8534c02"),
        "stt": ("deepgram", rng.choice(("nova-3", "nova-2")), ""),
    }[modality]
    strings = {
        names.PROJECT: project,
        names.SESSION_ID: f"AJ_{session:012d}",
        names.AGENT_NAME: f"agent-{session % 5}",
        names.JOB_ID: f"AJ_{session:012d}",
        names.ROOM_NAME: f"call-{session:08d}",
        names.SPEECH_ID: f"speech_{rng.getrandbits(48):012x}",
        names.KEY_ID: "k-3fa4b2c1",
        names.MODALITY: modality,
        names.OPERATION: {"llm": "chat", "tts": "synthesize", "stt": "transcribe"}[modality],
        names.PROVIDER: provider,
        names.REQUEST_MODEL: model,
        names.RESPONSE_ID: f"{rng.getrandbits(96):024x}",
        names.LANGUAGE: "en",
        names.VOICE: voice,
        names.MODE: "streaming",
        names.OUTCOME: "ok",
        names.REQUEST_ID: _ID_MARK,
    }
    integers = {
        names.ATTEMPTS: 1,
        names.DURATION_MS: rng.randrange(300, 9_000),
        names.TTFB_MS: rng.randrange(60, 1_500),
    }
    usage = _usage(rng, modality)
    integers |= {names.USAGE_PREFIX + meter: quantity for meter, quantity in usage.items()}
    if modality == "llm":
        integers |= {names.USAGE_INPUT_TOKENS: usage["input_tokens"], names.USAGE_OUTPUT_TOKENS: usage["output_tokens"]}
        strings[names.SERVICE_TIER] = "default"
    return {key: text for key, text in strings.items() if text}, integers


def _usage(rng: random.Random, modality: str) -> dict[str, int]:
    if modality == "llm":
        tokens = rng.randrange(400, 9_000)
        return {
            "input_tokens": tokens,
            "cache_read_tokens": tokens * 3 // 4 // 128 * 128,
            "output_tokens": rng.randrange(12, 200),
            "chunks_received": rng.randrange(12, 200),
            "requests": 1,
        }
    if modality == "tts":
        characters = rng.randrange(20, 400)
        return {
            "characters_sent": characters,
            "characters_pushed": characters,
            "audio_received_ms": characters * 60,
            "chunks_received": characters // 2,
            "requests": 1,
        }
    ms = rng.randrange(20_000, 600_000)
    return {"audio_sent_ms": ms, "audio_pushed_ms": ms, "socket_open_ms": ms + 400, "requests": 1}


def _envelope(spans: list[bytes], *, host: int) -> bytes:
    """Frame encoded spans as an ExportTraceServiceRequest without encoding them again."""
    resource = ResourceSpans()
    for key, text in (("service.name", "voicegateway"), (names.INCARNATION, f"host-{host}-4242-1a2b3c4d")):
        resource.resource.attributes.add(key=key).value.string_value = text
    scope = b"".join([_field(ScopeSpans.SPANS_FIELD_NUMBER, span) for span in spans])
    body = resource.SerializeToString() + _field(ResourceSpans.SCOPE_SPANS_FIELD_NUMBER, scope)
    return _field(ExportTraceServiceRequest.RESOURCE_SPANS_FIELD_NUMBER, body)


def _field(number: int, body: bytes) -> bytes:
    size, prefix = len(body), bytearray([number << 3 | 2])
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + body


def _gzip(body: bytes) -> bytes:
    compress = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compress.compress(body) + compress.flush()
