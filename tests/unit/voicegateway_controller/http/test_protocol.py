"""A connection has an end to everything, and those that misbehave cost the others nothing."""

import asyncio
import json
import socket
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.fixtures.listening import Caller, listening
from tests.fixtures.waiting import eventually

from voicegateway_controller import metrics
from voicegateway_controller.http.protocol import HEADER_BYTES_MAX
from voicegateway_controller.http.settings import HttpSettings

GET = b"GET /hello HTTP/1.1\r\nHost: api\r\n\r\n"
QUICK = HttpSettings(http_header_timeout_s=0.2, http_body_timeout_s=0.2, http_write_timeout_s=0.2)


def _refused(reason: str) -> float:
    return float(metrics.HTTP_REFUSALS.labels(reason)._value.get())


class _World:
    """An application with a route for each thing that can go on, and what it saw."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/hello", self.hello),
                Route("/echo", self.echo, methods=["POST"]),
                Route("/much", self.much),
                Route("/unread", self.unread, methods=["POST"]),
            ]
        )

    async def hello(self, request: Request) -> Response:
        return JSONResponse({"hello": request.client.host if request.client else ""})

    async def echo(self, request: Request) -> Response:
        try:
            return Response(await request.body())
        except ClientDisconnect:
            self.left.append("echo")
            raise

    async def unread(self, request: Request) -> Response:
        return Response(b"no", status_code=429)

    async def much(self, request: Request) -> Response:
        async def parts() -> Any:
            try:
                while True:
                    yield b"x" * 65_536
                    await asyncio.sleep(0)
            finally:
                self.left.append("much")

        return StreamingResponse(parts())


async def test_requests_in_pieces_are_served_while_they_come_in_time() -> None:
    async with listening(_World().app, HttpSettings()) as port, Caller(port) as caller:
        for piece in (b"POST /echo HTT", b"P/1.1\r\nHost: api\r\nContent-Le", b"ngth: 4\r\n\r\n", b"ab", b"cd" + GET):
            await caller.say(piece)
            await asyncio.sleep(0.01)
        echoed = await caller.answer()
        greeted = await caller.answer()

    assert (echoed[0], echoed[2]) == (200, b"abcd")
    assert greeted[0] == 200


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (b"GET /hello HTTP/1.1\r\nHost: a", "headers"),
        (GET + b"GET /hel", "headers"),
        (b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\nabc", "body"),
        (b"POST /echo HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "body"),
    ],
    ids=["headers", "headers of the second request", "body", "chunked body"],
)
async def test_who_does_not_finish_a_request_is_told_and_closed(said: bytes, what: str) -> None:
    before = _refused(f"slow_{what}")
    async with listening(_World().app, QUICK) as port, Caller(port) as caller:
        await caller.say(said)
        if said.startswith(GET):
            assert (await caller.answer())[0] == 200
        status, headers, body = await caller.answer()
        assert await caller.is_closed()

    assert (status, json.loads(body)["code"]) == (408, "request_timeout")
    assert headers["content-type"] == "application/problem+json"
    assert _refused(f"slow_{what}") == before + 1


async def test_a_byte_now_and_then_does_not_buy_more_time() -> None:
    before = _refused("slow_headers")
    async with listening(_World().app, QUICK) as port, Caller(port) as caller:
        await caller.say(b"GET /hello HTTP/1.1\r\nX: ")
        # The last bytes cross the farewell, which may be lost for it.
        await _say_until_closed(caller, b"x", pause_s=0.02)

    assert _refused("slow_headers") == before + 1


async def test_who_never_says_a_word_is_let_go() -> None:
    async with listening(_World().app, QUICK) as port, Caller(port) as caller:
        assert await caller.is_closed()


async def test_the_route_hears_that_a_slow_sender_was_let_go() -> None:
    world = _World()
    async with listening(world.app, QUICK) as port, Caller(port) as caller:
        await caller.say(b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\nabc")
        await caller.answer()
        await eventually(lambda: world.left == ["echo"])


async def test_a_body_that_goes_on_after_its_answer_is_not_taken_for_ever() -> None:
    async with listening(_World().app, QUICK) as port, Caller(port) as caller:
        await caller.say(b"POST /unread HTTP/1.1\r\nHost: api\r\nContent-Length: 999999\r\n\r\n")
        status, _, _ = await caller.answer()
        closing = await caller.answer()

    assert (status, closing[0]) == (429, 408)


async def test_headers_without_end_are_refused() -> None:
    before = _refused("headers_too_large")
    async with listening(_World().app, HttpSettings()) as port, Caller(port) as caller:
        await caller.say(b"GET /hello HTTP/1.1\r\n")
        said = await _say_until_closed(caller, b"X-Filler: " + b"x" * 1_000 + b"\r\n", pause_s=0.0)

    assert _refused("headers_too_large") == before + 1
    assert said >= HEADER_BYTES_MAX // 1_100


@pytest.mark.parametrize(
    ("begun", "filler"),
    [(b"0\r\n", b"X-Filler: " + b"x" * 1_000 + b"\r\n"), (b"0\r\nX: ", b"x" * 1_000), (b"3;", b"x" * 1_000)],
    ids=["trailers", "one trailer", "an extension of a chunk"],
)
async def test_what_stands_around_a_body_has_an_end_too(begun: bytes, filler: bytes) -> None:
    before = _refused("headers_too_large")
    async with listening(_World().app, HttpSettings()) as port, Caller(port) as caller:
        await caller.say(b"POST /echo HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + begun)
        await _say_until_closed(caller, filler, pause_s=0.0)

    assert _refused("headers_too_large") == before + 1


async def test_a_large_body_in_pieces_and_a_trailer_are_read() -> None:
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    async with listening(_World().app, HttpSettings()) as port, Caller(port) as caller:
        await caller.say(b"POST /echo HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n" + piece * 20)
        await caller.say(b"0\r\nX-Sum: 1\r\n\r\n" + GET)
        echoed, greeted = await caller.answer(), await caller.answer()

    assert (echoed[0], len(echoed[2]), greeted[0]) == (200, 20 * 0x8000, 200)


async def _say_until_closed(caller: Caller, data: bytes, *, pause_s: float) -> int:
    for count in range(100_000):
        try:
            await caller.say(data)
        except ConnectionError:
            return count
        await asyncio.sleep(pause_s)
    raise AssertionError("never closed")


async def test_a_reader_who_takes_nothing_is_cut_off() -> None:
    world = _World()
    before = _refused("slow_reader")
    async with listening(world.app, QUICK) as port:
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(reader, ("127.0.0.1", port))
            await loop.sock_sendall(reader, b"GET /much HTTP/1.1\r\nHost: api\r\n\r\n")
            await eventually(lambda: world.left == ["much"])

    assert _refused("slow_reader") == before + 1


async def test_more_connections_than_places_are_answered_503_and_a_place_that_is_left_is_given_again() -> None:
    async with listening(_World().app, HttpSettings(http_connections_max=2)) as port:
        async with Caller(port) as first, Caller(port) as second:
            for caller in (first, second):
                await caller.say(GET)
                assert (await caller.answer())[0] == 200
            async with Caller(port) as third:
                status, headers, body = await third.answer()
                assert await third.is_closed()
        before = asyncio.get_running_loop().time()
        while True:
            async with Caller(port) as fourth:
                await fourth.say(GET)
                if (await fourth.answer())[0] == 200:
                    break
            assert asyncio.get_running_loop().time() < before + 20

    assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "overloaded", "1")


@pytest.mark.parametrize(("proxies", "expected"), [("", 503), ("127.0.0.0/8", 200)], ids=["a stranger", "a proxy"])
async def test_one_address_has_its_own_bound_unless_it_is_a_proxy(proxies: str, expected: int) -> None:
    settings = HttpSettings(http_connections_per_address_max=1, trusted_proxies=proxies)
    async with listening(_World().app, settings) as port, Caller(port) as first, Caller(port) as second:
        await first.say(GET)
        await first.answer()
        await second.say(GET)
        status, _, _ = await second.answer()

    assert status == expected


@pytest.mark.parametrize(
    ("proxies", "expected"), [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")], ids=["nobody", "a proxy"]
)
async def test_whom_a_request_comes_from_is_believed_of_proxies_only(proxies: str, expected: str) -> None:
    async with listening(_World().app, HttpSettings(trusted_proxies=proxies)) as port, Caller(port) as caller:
        await caller.say(b"GET /hello HTTP/1.1\r\nHost: api\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
        _, _, body = await caller.answer()

    assert json.loads(body) == {"hello": expected}


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /hello HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"GET /hello HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /he\x00llo HTTP/1.1\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nX\x00: 1\r\n\r\n",
    ],
    ids=["TLS", "two lengths", "length and chunks", "negative length", "NUL in path", "NUL in name"],
)
async def test_what_is_no_http_is_answered_400_and_closed(said: bytes) -> None:
    async with listening(_World().app, HttpSettings()) as port, Caller(port) as caller:
        await caller.say(said)
        status, _, _ = await caller.answer()

        assert await caller.is_closed()
    assert status == 400


async def test_an_upgrade_to_what_is_not_spoken_is_one_request() -> None:
    async with listening(_World().app, HttpSettings()) as port, Caller(port) as caller:
        await caller.say(
            b"GET /hello HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        status, _, _ = await caller.answer()

    assert status == 200
