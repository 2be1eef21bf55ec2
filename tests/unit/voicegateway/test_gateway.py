"""The gateway itself: cheap to make, safe to flush and close at any time."""

from pathlib import Path

import pytest

import voicegateway
from voicegateway import Gateway, Options, VoiceGatewayError
from voicegateway.runtime import current_runtime, reset_runtime


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(outbox_dir=tmp_path / "outbox")


async def test_flush_and_close_before_any_request_do_nothing(options: Options) -> None:
    reset_runtime()
    async with Gateway(options) as gateway:
        assert await gateway.flush()
    await gateway.aclose()

    assert not options.outbox_dir.exists()


async def test_blocking_flush_is_refused_where_it_would_block_a_call(options: Options) -> None:
    reset_runtime()
    with pytest.raises(VoiceGatewayError, match=r"await flush\(\) instead"):
        Gateway(options).flush_blocking()
    reset_runtime()


def test_blocking_flush_works_without_a_loop(options: Options) -> None:
    reset_runtime()

    assert Gateway(options).flush_blocking()
    reset_runtime()


async def test_closed_gateway_starts_anew(options: Options) -> None:
    reset_runtime()
    gateway = Gateway(options)
    await gateway.flush()
    first = current_runtime().incarnation
    await gateway.aclose()
    await gateway.flush()
    second = current_runtime().incarnation
    await gateway.aclose()

    assert first != second


def test_default_gateway_is_one_per_process() -> None:
    assert voicegateway.gateway is voicegateway.gateway
    assert isinstance(voicegateway.gateway, Gateway)
    with pytest.raises(AttributeError, match="no attribute 'gatewey'"):
        voicegateway.gatewey  # noqa: B018
