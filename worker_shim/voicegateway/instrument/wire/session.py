"""Have plugins open websockets that count and read answers that tell: the aiohttp session makes both."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from voicegateway.instrument import vendor_signals
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire.socket import adopt, metered_class, request_id
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime

SWITCHING_PROTOCOLS: Final = 101
BAD_REQUEST: Final = 400
"""Statuses from here on are refusals."""


def meter_session(plugin: Any) -> bool:
    """Make the aiohttp session of a plugin open metered websockets; idempotent, never raises, False without one."""
    try:
        return _meter(plugin, _session(plugin))
    except RuntimeError:
        # LiveKit has no session to give outside of its jobs.
        return False
    except Exception as error:  # noqa: BLE001 - whatever a foreign class holds, the call must go on
        current_runtime().hook_failed("wire", error)
        return False


def sample_rate(plugin: Any) -> int:
    """Of the audio that a plugin sends, where it keeps that; else 0."""
    for keeper, name in ((getattr(plugin, "_opts", None), "sample_rate"), (plugin, "_sample_rate")):
        rate = getattr(keeper, name, 0)
        if isinstance(rate, int) and rate:
            return rate
    return 0


def _meter(plugin: Any, session: Any) -> bool:
    if not hasattr(session, "_ws_response_class"):
        return False
    metered = metered_class(session._ws_response_class)
    if session._ws_response_class is not metered:
        session._ws_response_class = metered
    told = _told_class(session._response_class)
    if session._response_class is not told:
        session._response_class = told
    _meter_opened(plugin)
    return True


def _session(plugin: Any) -> Any:
    """The session that a plugin will use, found or made as the plugin itself would."""
    ensure = getattr(plugin, "_ensure_session", None)
    if ensure is not None:
        return ensure()
    session = getattr(plugin, "session", None) or getattr(plugin, "_session", None)
    if session is None and hasattr(plugin, "_session"):
        from livekit.agents.utils import http_context

        session = http_context.http_session()
    return session


def _meter_opened(plugin: Any) -> None:
    """Meter the sockets that a plugin opened ahead, before it was instrumented."""
    connections = [*getattr(getattr(plugin, "_pool", None), "_connections", ())]
    connections.append(getattr(plugin, "_TTS__current_connection", None))
    for connection in connections:
        adopt(getattr(connection, "_ws", connection))


@cache
def _told_class(base: type) -> type:
    """An HTTP answer whose headers are noted on the request that it answers."""
    if getattr(base, "_voicegateway_told", False):
        return base

    class ToldResponse(base):  # type: ignore[misc]
        """Lives as long as its answer is read."""

        _voicegateway_told = True

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            # Made when the request is written, on a connection that is there.
            record = CURRENT.get()
            if record is not None:
                record.attempt.is_sent = True

        async def start(self, connection: Any) -> Any:
            await super().start(connection)
            record = CURRENT.get()
            if record is not None and self.status != SWITCHING_PROTOCOLS:
                try:
                    _note(record, self.status, self.headers)
                except Exception as error:  # noqa: BLE001 - metering must not fail a call
                    current_runtime().hook_failed("wire", error)
            return self

    return ToldResponse


def _note(record: RequestRecord, status: int, headers: Mapping[str, str]) -> None:
    """Keep what an answer told: not every plugin lets its errors tell it."""
    vendor_signals.note_answer(record, current_runtime(), status=status, headers=headers)
    if status < BAD_REQUEST:
        record.vendor_id(request_id(headers))
        return
    record.status_code = status
    record.attempt.is_refused = True
