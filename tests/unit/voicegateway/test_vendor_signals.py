"""Vendor signals: seen on every road an answer takes, once, and never an error into a call."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import pytest
from livekit.agents import APIConnectionError, APIStatusError
from multidict import CIMultiDict, CIMultiDictProxy
from tests.unit.voicegateway.records import a_record
from yarl import URL

from voicegateway.instrument import vendor_signals
from voicegateway.instrument.current import CURRENT
from voicegateway.options import Options
from voicegateway.runtime import Runtime
from voicegateway_shared.wire import VendorSignal


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    made = Runtime(Options(outbox_dir=tmp_path, url="http://127.0.0.1:9"))
    monkeypatch.setattr(vendor_signals, "current_runtime", lambda: made)
    yield made
    made.close()


def told(runtime: Runtime) -> list[VendorSignal]:
    assert runtime.limits is not None
    assert runtime.hook_errors == 0
    return list(runtime.limits.signals.take())


def handshake_error(status: int, **headers: str) -> aiohttp.WSServerHandshakeError:
    url = URL("wss://vendor.example/v1")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    given = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return aiohttp.WSServerHandshakeError(info, (), status=status, message="no", headers=given)


def raised(error: Exception, *, of: Exception) -> Exception:
    try:
        try:
            raise of
        except Exception as cause:
            raise error from cause
    except Exception as wrapped:  # noqa: BLE001 - to give it its causes
        return wrapped


def answers(status: int, headers: dict[str, str]) -> httpx.AsyncClient:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, headers=headers))
    return httpx.AsyncClient(transport=transport, base_url="https://vendor.example")


async def test_answers_of_a_plugins_http_client_are_read_once_each(runtime: Runtime) -> None:
    record = a_record()
    async with answers(200, {"X-RateLimit-Limit-Requests": "500"}) as client:
        plugin = SimpleNamespace(_client=SimpleNamespace(_client=client))
        vendor_signals.watch_http(plugin)
        vendor_signals.watch_http(SimpleNamespace(_client=client))
        await client.get("/")
        token = CURRENT.set(record)
        await client.get("/")
        await client.get("/")
        CURRENT.reset(token)

        assert len(client.event_hooks["response"]) == 1

    [signal] = told(runtime)
    assert (signal.kind, signal.meter, signal.limit, signal.target.model) == ("limit", "requests", 500, record.model)


async def test_refusal_seen_in_an_answer_is_not_told_again_for_its_error(runtime: Runtime) -> None:
    record = a_record()
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    async with answers(429, {"Retry-After": until}) as client:
        vendor_signals.watch_http(SimpleNamespace(_client=client))
        token = CURRENT.set(record)
        await client.get("/")
        CURRENT.reset(token)
    vendor_signals.note_error(record, runtime, APIStatusError("no", status_code=429))

    [signal] = told(runtime)
    assert signal.kind == "refused"
    assert 25_000 <= signal.retry_after_ms <= 30_000


@pytest.mark.parametrize(
    "plugin", [SimpleNamespace(), SimpleNamespace(_client=None), SimpleNamespace(_client=object())]
)
def test_plugin_without_an_http_client_is_left_alone(plugin: Any) -> None:
    vendor_signals.watch_http(plugin)


@pytest.mark.parametrize("outer", [APIStatusError("no", status_code=429), APIConnectionError("no")])
def test_refused_handshake_is_found_behind_the_plugins_error(runtime: Runtime, outer: Exception) -> None:
    error = raised(outer, of=handshake_error(429, Retry_After="2", maximum_concurrent_requests="10"))

    vendor_signals.note_error(a_record("tts"), runtime, error)

    limit, refused = told(runtime)
    assert (limit.kind, limit.meter, limit.limit) == ("limit", "slots", 10)
    assert (refused.kind, refused.retry_after_ms, refused.header) == ("refused", 2000, "retry-after")


def test_429_without_headers_is_told_as_it_is(runtime: Runtime) -> None:
    vendor_signals.note_error(a_record(), runtime, APIStatusError("no", status_code=429))

    [signal] = told(runtime)
    assert (signal.kind, signal.retry_after_ms) == ("refused", 0)


@pytest.mark.parametrize(
    "error",
    [
        APIStatusError("no", status_code=503),
        APIConnectionError("no"),
        RuntimeError("no"),
        raised(APIConnectionError("no"), of=handshake_error(503, Retry_After="2")),
    ],
)
def test_other_errors_say_nothing_of_limits(runtime: Runtime, error: Exception) -> None:
    vendor_signals.note_error(a_record(), runtime, error)

    assert told(runtime) == []


def test_streams_a_vendor_allows_are_read_where_a_socket_opens(runtime: Runtime) -> None:
    headers = CIMultiDict({"Current-Concurrent-Requests": "3", "Maximum-Concurrent-Requests": "10"})

    vendor_signals.note_headers(a_record("tts"), runtime, headers)

    [signal] = told(runtime)
    assert (signal.meter, signal.limit, signal.remaining) == ("slots", 10, 7)


def test_errors_of_ours_are_counted_and_not_heard(runtime: Runtime) -> None:
    broken: Any = SimpleNamespace(raw=7)

    vendor_signals.note_headers(a_record(), runtime, broken)

    assert runtime.hook_errors == 1


def test_without_a_controller_nobody_is_told(tmp_path: Path) -> None:
    detached = Runtime(Options(outbox_dir=tmp_path))

    vendor_signals.note_headers(a_record(), detached, {"maximum-concurrent-requests": "10"})
    vendor_signals.note_error(a_record(), detached, APIStatusError("no", status_code=429))

    assert detached.limits is None
    detached.close()
