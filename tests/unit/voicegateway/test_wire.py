"""The metered websocket: what was written counts, what the socket refused does not, errors stay what they were."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.voicegateway.records import a_record

from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire.socket import metered_class
from voicegateway.record import RequestRecord
from voicegateway.wire_count import WireCount


class Socket:
    """Stands for aiohttp's, and fails to order: a real one cannot be made to refuse just this frame."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self._response = type("Response", (), {"headers": {"dg-request-id": "dg-1"}})()

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        if self.error is not None:
            raise self.error

    send_str = send_bytes

    async def close(self) -> bool:
        return True


def opened(error: BaseException | None = None) -> Any:
    return metered_class(Socket)(error)


def generation(text: str) -> str:
    return json.dumps({"transcript": text, "context_id": "ctx-1"})


@pytest.fixture
def stt() -> Iterator[RequestRecord]:
    yield from _current(a_record("stt", wire=WireCount(sample_rate=16_000)))


@pytest.fixture
def tts() -> Iterator[RequestRecord]:
    yield from _current(a_record("tts", wire=WireCount()))


def _current(record: RequestRecord) -> Iterator[RequestRecord]:
    token = CURRENT.set(record)
    yield record
    CURRENT.reset(token)


def count_of(record: RequestRecord) -> WireCount:
    assert record.wire is not None
    return record.wire


async def test_audio_belongs_to_the_request_that_sends_it(stt: RequestRecord) -> None:
    socket = opened()
    await socket.send_bytes(bytes(3200))
    await socket.send_str('{"type": "KeepAlive"}')
    await socket.close()

    assert count_of(stt).audio_sent_ms() == 100
    assert stt.vendor_ids == ["dg-1"]


async def test_text_belongs_to_the_request_that_sends_it(tts: RequestRecord) -> None:
    socket = opened()
    await socket.send_str(generation("Hello."))
    await socket.send_str(json.dumps({"context_id": "ctx-1", "cancel": True}))
    await socket.close()

    assert count_of(tts).characters_sent == 6
    assert tts.vendor_ids == ["ctx-1"]


@pytest.mark.parametrize("error", [ConnectionResetError("closing"), RuntimeError("closed")])
async def test_what_the_socket_refused_was_not_sent(stt: RequestRecord, error: Exception) -> None:
    socket = opened()
    await socket.send_bytes(bytes(3200))
    socket.error = error

    with pytest.raises(type(error)):
        await socket.send_bytes(bytes(3200))

    assert count_of(stt).audio_sent_ms() == 100


async def test_socket_that_was_written_to_after_its_end_was_open_once(
    stt: RequestRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = 1_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    socket = opened(ConnectionResetError("closing"))
    count_of(stt).opened(socket, now_ns)
    now_ns += 60_000_000_000
    await socket.close()

    with pytest.raises(ConnectionResetError):
        await socket.send_bytes(bytes(3200))
    await socket.close()

    assert (count_of(stt).audio_sent_ms(), count_of(stt).socket_open_ms()) == (0, 60_000)


async def test_text_that_the_socket_refused_was_not_sent(tts: RequestRecord) -> None:
    with pytest.raises(ConnectionResetError):
        await opened(ConnectionResetError()).send_str(generation("Hello."))

    assert count_of(tts).characters_sent == 0


async def test_what_was_cancelled_while_the_socket_drained_was_sent(stt: RequestRecord) -> None:
    with pytest.raises(asyncio.CancelledError):
        await opened(asyncio.CancelledError()).send_bytes(bytes(3200))

    assert count_of(stt).audio_sent_ms() == 100


async def test_message_nobody_understands_is_sent_all_the_same(tts: RequestRecord) -> None:
    await opened().send_str("no json")

    assert count_of(tts).characters_sent == 0


async def test_socket_outside_any_request_counts_for_nobody() -> None:
    socket = opened()
    await socket.send_bytes(bytes(3200))
    await socket.send_str(generation("Hello."))

    assert await socket.close()


def test_class_is_made_once_and_not_metered_twice() -> None:
    metered = metered_class(Socket)

    assert metered_class(Socket) is metered_class(metered) is metered
