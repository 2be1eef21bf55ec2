"""Vendor usage: what a vendor itself tells of a request, read where its plugin loses or miscounts it.

Anthropic's plugin adds up output tokens that are told cumulatively, keeps nothing of a stream that is closed early, and
not which of two lifetimes a cache write has: its events are read as they come. OpenAI's plugin keeps nothing of what a
transcription's answer tells. What goes wrong on the websocket of OpenAI's responses loses its status.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from voicegateway.instrument import echoes
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime

ANSWER_BYTES_MAX: Final = 1_048_576
"""A transcription's JSON; a longer answer is none of a voice agent's."""
STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "server_error": 500,
}


def watch_stream(stream: Any, record: RequestRecord) -> None:
    """Hook a language model's new stream where its plugin is one of those."""
    if record.facts.provider == "anthropic" and hasattr(stream, "_parse_event"):
        stream._parse_event = _read_first(stream._parse_event, record)
    elif hasattr(stream, "_parse_ws_event") and hasattr(stream, "_handle_error"):
        stream._handle_error = _with_status(stream._handle_error)


def note_transcription(record: RequestRecord, usage: Any) -> None:
    """Take the usage of one transcription; those of one stream add up."""
    if not isinstance(usage, Mapping) or not isinstance(usage.get("input_tokens"), int):
        return
    details = usage.get("input_token_details")
    details = details if isinstance(details, Mapping) else {}
    told = {
        "input_tokens": usage["input_tokens"],
        "input_audio_tokens": details.get("audio_tokens") or 0,
        "output_tokens": usage.get("output_tokens") or 0,
    }
    before = record.vendor_usage
    record.vendor_usage = {meter: before.get(meter, 0) + quantity for meter, quantity in told.items()}
    record.is_vendor_usage_whole = True


async def read_transcription(record: RequestRecord, response: Any) -> None:
    """Take the usage from an answer of an `httpx` client; its body stays there for who asked."""
    if response.status_code != 200 or "json" not in response.headers.get("content-type", ""):
        return
    # What goes wrong here is the vendor's, and the plugin's to hear.
    body = await response.aread()
    try:
        if len(body) <= ANSWER_BYTES_MAX:
            answer = json.loads(body)
            note_transcription(record, answer.get("usage") if isinstance(answer, dict) else None)
    except Exception as error:  # noqa: BLE001 - what a vendor says must not fail a call
        current_runtime().hook_failed("vendor_usage", error)


def _read_first(parse: Callable[[Any], Any], record: RequestRecord) -> Callable[[Any], Any]:
    """An event is read before the plugin's own method reads it."""

    def read_first(event: Any) -> Any:
        try:
            kind = event.type
            if kind == "message_start":
                record.vendor_usage, record.is_vendor_usage_whole = {}, False
                _note_message(record, event.message.usage)
                echoes.note(record, echoes.SERVICE_TIER, str(getattr(event.message.usage, "service_tier", None) or ""))
            elif kind == "message_delta":
                _note_message(record, event.usage)
                record.is_vendor_usage_whole = True
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("vendor_usage", error)
        return parse(event)

    return read_first


def _note_message(record: RequestRecord, usage: Any) -> None:
    """What `message_start` and `message_delta` tell is cumulative; the latter may leave out what it told before."""
    told = record.vendor_usage
    read = _told(usage, "cache_read_input_tokens", told.get("cache_read_tokens", 0))
    lifetimes = getattr(usage, "cache_creation", None)
    if lifetimes is not None:
        written: dict[str, int] = {
            "cache_write_5m_tokens": _told(lifetimes, "ephemeral_5m_input_tokens", 0),
            "cache_write_1h_tokens": _told(lifetimes, "ephemeral_1h_input_tokens", 0),
        }
    else:
        known: dict[str, int] = {
            meter: told[meter] for meter in ("cache_write_5m_tokens", "cache_write_1h_tokens") if meter in told
        }
        written = known or {
            "cache_write_tokens": _told(usage, "cache_creation_input_tokens", told.get("cache_write_tokens", 0))
        }
    fresh_before = told.get("input_tokens", 0) - sum(quantity for meter, quantity in told.items() if "cache" in meter)
    fresh = _told(usage, "input_tokens", fresh_before)
    output = max(told.get("output_tokens", 0), _told(usage, "output_tokens", 0))
    # Ours include what was cached; Anthropic's exclude it.
    total = fresh + read + sum(written.values())
    counted = {"input_tokens": total, "cache_read_tokens": read, **written, "output_tokens": output}
    record.vendor_usage = {meter: quantity for meter, quantity in counted.items() if quantity}


def _told(usage: Any, name: str, otherwise: int) -> int:
    value = usage.get(name) if isinstance(usage, Mapping) else getattr(usage, name, None)
    return value if isinstance(value, int) else otherwise


def _with_status(handle: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The plugin reads a status from a code that is a word; the vendor tells both."""

    def with_status(event: Any) -> Any:
        try:
            return handle(event)
        except Exception as error:
            if getattr(error, "status_code", 0) == -1:
                status = getattr(event, "status", None)
                known = STATUS_OF_CODE.get(str(getattr(event, "code", "") or ""), -1)
                error.status_code = status if isinstance(status, int) else known  # type: ignore[attr-defined]
            raise

    return with_status
