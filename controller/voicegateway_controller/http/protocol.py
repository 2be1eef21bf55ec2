"""HTTP/1.1 with an end to everything: headers, bodies, answers that nobody takes, connections.

uvicorn's own protocol waits for a request's bytes, and for a reader, as long as it takes: a few hundred connections
that say one byte a minute would be all that a process can serve. Nothing here costs a request that arrives at once.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from voicegateway_controller import metrics
from voicegateway_controller.http.addresses import Proxies, counted_as
from voicegateway_controller.http.settings import HttpSettings

HEADER_BYTES_MAX: Final = 64 * 1024
"""Of one request's line and headers; ours have 1 KiB, with a browser's cookies 8. Likewise of what stands between two
parts of its body, or behind the last: nobody reads that here, and a parser keeps it until it ends."""
_CONNECTED: Final = "connected"
_IN_HEADERS: Final = "headers"
_IN_BODY: Final = "body"
_COMPLETE: Final = "complete"


class Connections:
    """How many there are, in all and of each address; lives as long as the server."""

    def __init__(self, settings: HttpSettings) -> None:
        self._max = settings.http_connections_max
        self._max_of_address = settings.http_connections_per_address_max
        self._proxies = Proxies(settings.proxies)
        self._open = 0
        self._by_address: Counter[str] = Counter()

    def open(self, host: str) -> str | None:
        """Count a connection; return why there is no place for it, None when there is."""
        if self._open >= self._max:
            return "connections"
        counted = counted_as(host)
        if self._max_of_address and self._by_address[counted] >= self._max_of_address and host not in self._proxies:
            return "connections_of_address"
        self._open += 1
        self._by_address[counted] += 1
        return None

    def close(self, host: str) -> None:
        """Count it no longer."""
        self._open -= 1
        counted = counted_as(host)
        self._by_address[counted] -= 1
        if self._by_address[counted] <= 0:
            del self._by_address[counted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the connections of one server share; lives as long as it."""

    connections: Connections
    header_timeout_s: float
    body_timeout_s: float
    write_timeout_s: float


def protocol(settings: HttpSettings) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol within these settings' bounds."""
    shared = Bounds(
        connections=Connections(settings),
        header_timeout_s=settings.http_header_timeout_s,
        body_timeout_s=settings.http_body_timeout_s,
        write_timeout_s=settings.http_write_timeout_s,
    )

    class Bounded(BoundedProtocol):
        bounds = shared

    return Bounded


class BoundedProtocol(HttpToolsProtocol):
    """One connection; the loop makes it and lets it go."""

    bounds: Bounds

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._host: str | None = None
        self._phase = _CONNECTED
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timed = (0, _CONNECTED)
        self._write_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection if there is a place for it, and wait for its first request."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows what asyncio hands it
        host = self.client[0] if self.client else ""
        refusal = self.bounds.connections.open(host)
        if refusal is not None:
            self._end(refusal, 503, "overloaded", "Too many connections", "come back in a second")
            return
        self._host = host
        self._arm(self.bounds.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place away."""
        self._disarm()
        self._disarm_writing()
        if self._host is not None:
            self.bounds.connections.close(self._host)
            self._host = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and note since when this request is unfinished."""
        if self.transport.is_closing():
            return
        self._header_bytes += len(data)
        super().data_received(data)
        if self._phase is _COMPLETE:
            if self._timer is not None:
                self._disarm()
            return
        if self.transport.is_closing():
            return
        if self._header_bytes > HEADER_BYTES_MAX:
            self._end("headers_too_large", 431, "headers_too_large", "Headers too large", "send fewer or shorter ones")
            return
        self._arm(self.bounds.body_timeout_s if self._phase is _IN_BODY else self.bounds.header_timeout_s)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._number += 1
        self._phase = _IN_HEADERS
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what is said behind a body comes too late for it to be one."""
        if self._phase is not _IN_BODY:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its headers are there."""
        self._phase = _IN_BODY
        self._header_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body is there."""
        self._header_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._phase = _COMPLETE
        self._header_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The reader falls behind: wait, not for ever."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.bounds.write_timeout_s, self._give_reader_up)

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        self._disarm_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also when its reader never took the last answer."""
        super().timeout_keep_alive_handler()
        if self._write_timer is None and self._host is not None:
            self._write_timer = self.loop.call_later(self.bounds.write_timeout_s, self._give_reader_up)

    def _arm(self, timeout_s: float) -> None:
        """Set the deadline of what is waited for now; one that is set already for the same stays."""
        timed = (self._number, self._phase)
        if self._timer is not None:
            if self._timed == timed:
                return
            self._timer.cancel()
        self._timed = timed
        self._timer = self.loop.call_later(timeout_s, self._too_slow, timeout_s)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _disarm_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _too_slow(self, timeout_s: float) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._phase is _IN_BODY and self.flow.read_paused:
            # It is we who do not read: the sender is not to blame.
            self._arm(timeout_s)
            return
        if self._phase is _CONNECTED:
            # It never said a word: a browser that connected ahead of time, a load balancer's look.
            self.transport.close()
            return
        what = "headers" if self._phase is _IN_HEADERS else "body"
        detail = f"the {what} did not arrive within {timeout_s:g} s"
        self._end(f"slow_{what}", 408, "request_timeout", "Request timeout", detail)

    def _give_reader_up(self) -> None:
        self._write_timer = None
        metrics.HTTP_REFUSALS.labels("slow_reader").inc()
        self.transport.abort()

    def _end(self, reason: str, status: int, code: str, title: str, detail: str) -> None:
        """Say why, unless an answer is under way already, and close."""
        metrics.HTTP_REFUSALS.labels(reason).inc()
        self._unset_keepalive_if_required()
        is_answering = self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started
        if not is_answering:
            self.transport.write(_raw_problem(status=status, code=code, title=title, detail=detail))
        self.transport.close()


def _raw_problem(*, status: int, code: str, title: str, detail: str) -> bytes:
    body = msgspec.json.encode(
        {"type": f"urn:voicegateway:{code}", "title": title, "status": status, "detail": detail, "code": code}
    )
    retry = "retry-after: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        f"x-content-type-options: nosniff\r\ncache-control: no-store\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode() + body
