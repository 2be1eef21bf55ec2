"""Whatever answers at the controller's address: in time, within bounds, and never an error."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from voicegateway.limits import sync_connection as module
from voicegateway.limits.sync_connection import Answer, SyncConnection
from voicegateway_shared.wire import SyncRequest, SyncResponse

MESSAGE = SyncRequest(incarnation="host-1-abcd", seq=1, host="host", pid=1, shim_version="0.1.0")
RESPONSE = msgspec.json.encode(SyncResponse(seq=1, next_sync_ms=1_000))

Speaks = Callable[[socket.socket, threading.Event], None]


@contextmanager
def answering(speak: Speaks) -> Iterator[str]:
    """Answer one connection as told; yields the address."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            # Who asked may have gone.
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                speak(connection, is_over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join()


def said(speak: Speaks, *, timeout_s: float = 20.0) -> Answer:
    with answering(speak) as url:
        connection = SyncConnection(url, None)
        answer = connection.say(MESSAGE, timeout_s=timeout_s)
        connection.close()
    return answer


def whole(body: bytes, *headers: str) -> Speaks:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""])
    return lambda connection, _: connection.sendall(head.encode() + body)


def test_an_answer_is_read_whole() -> None:
    answer = said(whole(RESPONSE))

    assert answer.problem == ""
    assert answer.response == SyncResponse(seq=1, next_sync_ms=1_000)


def test_an_answer_that_does_not_end_is_given_up() -> None:
    def drip(connection: socket.socket, is_over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not is_over.wait(0.02):
            connection.sendall(b"1\r\n \r\n")

    assert said(drip, timeout_s=0.3).problem == "TimeoutError"


def test_an_answer_larger_than_any_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 1_000)
    sent = 0

    def pour(connection: socket.socket, is_over: threading.Event) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not is_over.is_set():
            sent += connection.send(b" " * 65_536)

    assert said(pour).problem == "not a controller's answer"
    assert sent < 1_000_000_000


def test_what_is_packed_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000 + RESPONSE)

    assert said(whole(bomb, "Content-Encoding: gzip")).problem == "not a controller's answer"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[" * 200_000, RESPONSE[:-1], b"\xff\xfe", b'{"seq": 1e400, "next_sync_ms": 1}']
)
def test_what_is_no_answer_is_a_problem(body: bytes) -> None:
    answer = said(whole(body))

    assert answer.response is None
    assert answer.problem
