"""The metered websocket: what was written counts, for the request that it belongs to."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from voicegateway.instrument import vendor_signals
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire import owners
from voicegateway.instrument.wire.dialect import Dialect, Said
from voicegateway.instrument.wire.dialects import DIALECTS, shared_dialect
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime
from voicegateway.wire_count import WireCount

REQUEST_ID_HEADERS: Final = ("dg-request-id", "request-id", "x-request-id")
"""Where vendors tell a request's id in their answer, a handshake's too."""


def adopt(websocket: Any) -> None:
    """Meter a socket that is open already; nothing for what is none, or is metered."""
    from aiohttp import ClientWebSocketResponse

    if isinstance(websocket, ClientWebSocketResponse) and not hasattr(websocket, "_voicegateway_metered"):
        base: type = type(websocket)
        adopted: Any = websocket
        adopted.__class__ = metered_class(base)
        adopted._voicegateway_shared = shared_dialect(_path(websocket))


def request_id(headers: Mapping[str, str]) -> str:
    """The vendor's id in the headers of its answer, or nothing."""
    return next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), "")


@cache
def metered_class(base: type) -> type:
    """A websocket class that counts what the current request sends; other requests' sockets pass through."""
    if getattr(base, "_voicegateway_metered", False):
        return base

    class MeteredWebSocket(base):  # type: ignore[misc]
        """Lives as long as its connection. A pooled one serves many requests: bytes go to the current one."""

        _voicegateway_metered = True
        # Of a socket that was opened before it was metered; only pooled ones are, which no vendor bills by time.
        _voicegateway_opened_ns = 0
        _voicegateway_shared: Dialect | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._voicegateway_opened_ns = time.monotonic_ns()
            try:
                self._voicegateway_shared = shared_dialect(_path(self))
                _opened(self, self._voicegateway_opened_ns)
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
            counted = None
            try:
                counted = _counted(self, data)
            except Exception as error:  # noqa: BLE001 - metering must not fail a call
                current_runtime().hook_failed("wire", error)
            try:
                await super().send_str(data, compress)
            except Exception:
                if counted is not None:
                    _take_back(self, *counted)
                raise

        async def close(self, *args: Any, **kwargs: Any) -> bool:
            try:
                return bool(await super().close(*args, **kwargs))
            finally:
                try:
                    _closed(self)
                except Exception as error:  # noqa: BLE001 - metering must not fail a call
                    current_runtime().hook_failed("wire", error)

    return MeteredWebSocket


def _opened(websocket: Any, opened_ns: int) -> None:
    """Note a handshake on the request that made it; of speech to text, also whose the socket is from now on."""
    record = CURRENT.get()
    if record is None:
        return
    vendor_signals.note_headers(record, current_runtime(), _headers(websocket))
    if record.wire is None or record.modality != "stt":
        return
    dialect = DIALECTS[record.facts.provider, record.modality]
    record.wire.opened(websocket, opened_ns, dialect.add_ons(_query(websocket)))
    record.vendor_id(request_id(_headers(websocket)))
    if dialect.hear is not None:
        _hear(websocket, record, dialect)


def _closed(websocket: Any) -> None:
    if websocket._voicegateway_shared is not None:
        owners.closed(websocket)
    record = CURRENT.get()
    if record is not None and record.wire is not None:
        record.wire.closed(websocket)


def _hear(websocket: Any, record: RequestRecord, dialect: Dialect) -> None:
    """Let a dialect read what a vendor says on a socket; only such sockets pay for it."""
    receive = websocket.receive

    async def heard(timeout: float | None = None) -> Any:
        message = await receive(timeout)
        if isinstance(message.data, str) and dialect.hear is not None:
            try:
                dialect.hear(record, message.data)
            except Exception as error:  # noqa: BLE001 - metering must not fail a call
                current_runtime().hook_failed("wire", error)
        return message

    websocket.receive = heard


def _counted(websocket: Any, message: str) -> tuple[WireCount, Said] | None:
    """Count a text message for its request; what was counted, to be taken back when the socket refuses it."""
    dialect: Dialect | None = websocket._voicegateway_shared
    if dialect is not None:
        said = dialect.read(message)
        record = owners.of_context(said.context)
        owners.spoke(said.context, websocket, is_end=said.is_end)
    else:
        record = message.record if isinstance(message, owners.OwnedText) else CURRENT.get()
        if record is None or record.wire is None:
            return None
        said = DIALECTS[record.facts.provider, record.modality].read(message)
    if record is None or record.wire is None:
        return None
    if said.audio_bytes:
        record.wire.audio(websocket, websocket._voicegateway_opened_ns, said.audio_bytes)
    if record.modality == "tts":
        record.wire.characters(said.characters)
        record.vendor_id(said.context or request_id(_headers(websocket)))
    return record.wire, said


def _take_back(websocket: Any, count: WireCount, said: Said) -> None:
    if said.audio_bytes:
        count.audio(websocket, websocket._voicegateway_opened_ns, -said.audio_bytes)
    count.characters(-said.characters)


def _headers(websocket: Any) -> Mapping[str, str]:
    """Those of the answer to the handshake."""
    headers: Mapping[str, str] | None = getattr(getattr(websocket, "_response", None), "headers", None)
    return headers or {}


def _path(websocket: Any) -> str:
    return str(getattr(getattr(getattr(websocket, "_response", None), "url", None), "path", ""))


def _query(websocket: Any) -> Mapping[str, str]:
    query: Mapping[str, str] = getattr(getattr(getattr(websocket, "_response", None), "url", None), "query", {})
    return query
