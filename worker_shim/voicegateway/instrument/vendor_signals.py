"""Vendor signals: read vendors' limits and refusals where their answers pass, and hand them to the fleet.

HTTP clients of plugins (`httpx`) get a hook on each response; websockets are seen when they open; what a plugin raises
tells the rest. Nothing is read without a controller to tell.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from voicegateway.causes import causes
from voicegateway.instrument import echoes, vendor_usage
from voicegateway.instrument.current import CURRENT
from voicegateway.limits.vendor_headers import LIMIT_HEADERS, told_to_wait_ms, vendor_limits
from voicegateway.record import RequestRecord
from voicegateway.runtime import Runtime, current_runtime
from voicegateway.target import target_of

TOO_MANY_REQUESTS: Final = 429
HTTP_CLIENT_PATHS: Final = (("_client", "_client"), ("_client",), ("_http_client",))
"""Where plugins keep an `httpx.AsyncClient`: inside their vendor's client, or bare."""
_LIMIT_HEADERS: Final = frozenset((*LIMIT_HEADERS, *(name.encode() for name in LIMIT_HEADERS)))


def watch_http(plugin: Any) -> None:
    """Hook the responses of a plugin's own HTTP client; idempotent, and nothing where there is none."""
    client = _http_client(plugin)
    if client is None:
        return
    hooks = client.event_hooks["response"]
    if _on_response not in hooks:
        hooks.append(_on_response)


def note_headers(record: RequestRecord, runtime: Runtime, headers: Mapping[str, str]) -> None:
    """Note what an answer told of the request, and of the vendor's limits; never raises."""
    try:
        echoes.note_headers(record, headers)
        if runtime.limits is None:
            return
        told = _told(headers)
        if not told or not runtime.limits.signals.is_news(target_of(record), told):
            return
        for seen in vendor_limits(headers, now=datetime.now(UTC)):
            runtime.limits.signals.limit(target_of(record), seen)
    except Exception as error:  # noqa: BLE001 - what a vendor says must not fail a call
        runtime.hook_failed("vendor_signals", error)


def note_answer(record: RequestRecord, runtime: Runtime, *, status: int, headers: Mapping[str, str]) -> None:
    """Note what an HTTP answer told, of a refusal too; never raises."""
    try:
        if status == TOO_MANY_REQUESTS:
            echoes.note_headers(record, headers)
            _refused(record, runtime, headers)
        else:
            note_headers(record, runtime, headers)
    except Exception as error:  # noqa: BLE001 - what a vendor says must not fail a call
        runtime.hook_failed("vendor_signals", error)


def note_error(record: RequestRecord, runtime: Runtime, error: BaseException) -> None:
    """Note a 429 that a plugin made an error of, with the headers of the answer where it keeps them; never raises."""
    if runtime.limits is None or record.attempt.is_signalled:
        return
    try:
        for cause in causes(error):
            headers = getattr(cause, "headers", None)
            if getattr(cause, "status", None) == TOO_MANY_REQUESTS and isinstance(headers, Mapping):
                _refused(record, runtime, headers)
                return
        if getattr(error, "status_code", None) == TOO_MANY_REQUESTS:
            _refused(record, runtime, {})
    except Exception as ours:  # noqa: BLE001 - what a vendor says must not fail a call
        runtime.hook_failed("vendor_signals", ours)


def _refused(record: RequestRecord, runtime: Runtime, headers: Mapping[str, str]) -> None:
    if runtime.limits is None:
        return
    record.attempt.is_signalled = True
    note_headers(record, runtime, headers)
    wait_ms = told_to_wait_ms(headers, now=datetime.now(UTC))
    header = "retry-after" if wait_ms else ""
    runtime.limits.signals.refused(target_of(record), retry_after_ms=wait_ms, header=header)


async def _on_response(response: Any) -> None:
    """An `httpx` response hook; runs in the task of the request, before the plugin reads the body."""
    record = CURRENT.get()
    if record is None:
        return
    note_answer(record, current_runtime(), status=response.status_code, headers=response.headers)
    if record.modality == "stt" and record.mode == "batch":
        await vendor_usage.read_transcription(record, response)


def _told(headers: Mapping[str, str]) -> tuple[object, ...]:
    """The limits as they stand there; `httpx` would decode every name again for each look-up."""
    raw: Any = getattr(headers, "raw", None)
    pairs = headers.items() if raw is None else raw
    return tuple(value for name, value in pairs if name.lower() in _LIMIT_HEADERS)


def _http_client(plugin: Any) -> Any:
    for path in HTTP_CLIENT_PATHS:
        found = plugin
        for name in path:
            found = getattr(found, name, None)
        hooks = getattr(found, "event_hooks", None)
        if isinstance(hooks, Mapping) and isinstance(hooks.get("response"), list):
            return found
    return None
