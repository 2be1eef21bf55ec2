"""Wire meter: count what plugins really hand to vendors' sockets, by the vendors' own message formats.

What an agent pushes is not what a vendor bills: plugins buffer, add spaces, drop on close and resend on retry.
"""

import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from voicegateway.instrument import vendor_signals
from voicegateway.instrument.current import CURRENT
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime
from voicegateway.wire_count import WireCount

SentText = Callable[[RequestRecord, WireCount, str], None]

REQUEST_ID_HEADERS = ("dg-request-id", "x-request-id")
"""Where vendors tell a websocket's request id in the handshake's answer."""


def _cartesia_text(record: RequestRecord, count: WireCount, message: str) -> None:
    # docs.cartesia.ai/api-reference/tts/websocket: text is the `transcript` of each generation request.
    generation = json.loads(message)
    transcript = generation.get("transcript")
    if isinstance(transcript, str):
        count.characters(len(transcript))
    record.vendor_id(str(generation.get("context_id") or ""))


def _no_text(record: RequestRecord, count: WireCount, message: str) -> None:
    """Control messages carry nothing billable."""


# (provider, modality) → how to read a text message; binary messages are 16-bit mono PCM.
READERS: dict[tuple[str, str], SentText] = {
    ("deepgram", "stt"): _no_text,
    ("cartesia", "tts"): _cartesia_text,
}


def wire_count(plugin: Any, record: RequestRecord) -> WireCount | None:
    """A counter fed by the plugin's own socket, or None when its wire format or its session is not known."""
    if (record.facts.provider, record.modality) not in READERS:
        return None
    return WireCount(sample_rate=_sample_rate(plugin)) if meter_session(plugin) else None


def meter_session(plugin: Any) -> bool:
    """Make the aiohttp session of a plugin open metered websockets; idempotent, False when there is none."""
    ensure = getattr(plugin, "_ensure_session", None)
    if ensure is None:
        return False
    try:
        session = ensure()
    except RuntimeError:
        return False
    if not hasattr(session, "_ws_response_class"):
        return False
    metered = _metered_class(session._ws_response_class)
    if session._ws_response_class is not metered:
        session._ws_response_class = metered
    _meter_pooled(plugin)
    return True


def _meter_pooled(plugin: Any) -> None:
    """Meter the sockets that a plugin opened ahead, before it was instrumented."""
    from aiohttp import ClientWebSocketResponse

    for websocket in getattr(getattr(plugin, "_pool", None), "_connections", ()):
        if isinstance(websocket, ClientWebSocketResponse) and not hasattr(websocket, "_voicegateway_metered"):
            base: type = type(websocket)
            websocket.__class__ = _metered_class(base)


def _sample_rate(plugin: Any) -> int:
    rate = getattr(getattr(plugin, "_opts", None), "sample_rate", 0)
    return rate if isinstance(rate, int) else 0


def _headers(websocket: Any) -> Mapping[str, str]:
    """Those of the answer to the handshake."""
    headers: Mapping[str, str] | None = getattr(getattr(websocket, "_response", None), "headers", None)
    return headers or {}


def _request_id(websocket: Any) -> str:
    headers = _headers(websocket)
    return next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), "")


def _add_ons(websocket: Any) -> tuple[str, ...]:
    """The meters of what a connection's address switches on and Deepgram bills on top (deepgram.com/pricing)."""
    query = getattr(getattr(getattr(websocket, "_response", None), "url", None), "query", {})
    switched = (("diarize_ms", query.get("diarize") == "true"), ("keyterm_ms", "keyterm" in query))
    return tuple(meter for meter, is_on in switched if is_on)


@cache
def _metered_class(base: type) -> type:
    """A websocket class that counts what the current request sends; other requests' sockets pass through."""
    if getattr(base, "_voicegateway_metered", False):
        return base

    class MeteredWebSocket(base):  # type: ignore[misc]
        """Lives as long as its connection. A pooled one serves many requests: bytes go to the current one."""

        _voicegateway_metered = True
        # Of a socket that was opened before it was metered; only pooled ones are, which no vendor bills by time.
        _voicegateway_opened_ns = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._voicegateway_opened_ns = time.monotonic_ns()
            record = CURRENT.get()
            if record is None:
                return
            vendor_signals.note_headers(record, current_runtime(), _headers(self))
            if record.wire is None or record.modality != "stt":
                return
            try:
                record.wire.opened(self, self._voicegateway_opened_ns, _add_ons(self))
                record.vendor_id(_request_id(self))
            except Exception as error:  # noqa: BLE001 - metering must not fail a call
                current_runtime().hook_failed("wire", error)

        async def send_bytes(self, data: Any, compress: int | None = None) -> None:
            record = CURRENT.get()
            count = None if record is None else record.wire
            # Counted first: a send that is cancelled has been written already, and only waits for the socket to drain.
            if count is not None:
                try:
                    count.audio(self, self._voicegateway_opened_ns, len(data))
                except Exception as error:  # noqa: BLE001 - metering must not fail a call
                    current_runtime().hook_failed("wire", error)
                    count = None
            try:
                await super().send_bytes(data, compress)
            except Exception:
                if count is not None:
                    count.audio(self, self._voicegateway_opened_ns, -len(data))
                raise

        async def send_str(self, data: str, compress: int | None = None) -> None:
            record = CURRENT.get()
            count = None if record is None else record.wire
            characters = 0
            if record is not None and count is not None:
                before = count.characters_sent
                try:
                    READERS[record.facts.provider, record.modality](record, count, data)
                except Exception as error:  # noqa: BLE001 - metering must not fail a call
                    current_runtime().hook_failed("wire", error)
                characters = count.characters_sent - before
            try:
                await super().send_str(data, compress)
            except Exception:
                if count is not None:
                    count.characters(-characters)
                raise

        async def close(self, *args: Any, **kwargs: Any) -> bool:
            try:
                return bool(await super().close(*args, **kwargs))
            finally:
                record = CURRENT.get()
                if record is not None and record.wire is not None:
                    try:
                        record.wire.closed(self)
                    except Exception as error:  # noqa: BLE001 - metering must not fail a call
                        current_runtime().hook_failed("wire", error)

    return MeteredWebSocket
