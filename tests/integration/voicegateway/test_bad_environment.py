"""A bad environment costs a line in the log, never a call, and usage waits until it is better."""

import logging
import socket
from pathlib import Path

import pytest
from livekit.agents import utils
from tests.fixtures.otlp_sink import OtlpSink, Reply
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, QUICK, conversation

from voicegateway import Gateway, Options
from voicegateway.outbox import inspect
from voicegateway.runtime import current_runtime, reset_runtime
from voicegateway.testing.vendors import VendorSimulators


async def call(options: Options, *, chats: int = 3) -> list[str]:
    """Ask a model a few times through a gateway of this test's own; return what it said."""
    reset_runtime()
    said = []
    async with utils.http_context.open(), VendorSimulators(openai=QUICK) as sims, Gateway(options) as gateway:
        llm = gateway.llm("openai/gpt-4.1-mini", **sims.openai.plugin_kwargs())
        for _ in range(chats):
            async with llm.chat(chat_ctx=conversation("Hello?"), conn_options=NO_RETRY) as stream:
                said.append("".join([chunk.delta.content or "" async for chunk in stream if chunk.delta]))
        await llm.aclose()
        runtime = current_runtime(options)
        await eventually(lambda: not runtime._open)
        await gateway.flush(0.5)
    assert runtime.hook_errors == 0
    return said


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [record for record in caplog.records if record.name.startswith("voicegateway")]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


async def test_outbox_that_cannot_be_written_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "outbox"

    said = await call(Options(outbox_dir=directory))

    assert all(said)
    [first, *_] = errors_in(caplog)
    assert first.startswith(f"the outbox {directory} cannot be written (")
    assert "VOICEGATEWAY_OUTBOX_DIR" in first
    assert "\n" not in first


async def test_controller_that_is_away_is_one_line_and_usage_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        said = await call(Options(url=url, token="vgw_t", outbox_dir=tmp_path / "outbox"))

    assert all(said)
    assert errors_in(caplog) == [f"the controller {url} cannot be reached (ConnectionError); spans wait in the outbox"]
    assert inspect(tmp_path / "outbox").rows == 3


async def test_wrong_token_is_one_line_that_names_the_variable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpSink(lambda _spans: Reply(status=401)) as sink:
        sink.sync_reply = Reply(status=401)
        said = await call(Options(url=sink.url, token="vgw_wrong", outbox_dir=tmp_path / "outbox"))

    assert all(said)
    [line] = errors_in(caplog)
    assert line.startswith(f"the controller {sink.url} does not take our spans (")
    assert line.endswith("set VOICEGATEWAY_TOKEN to a worker token of this controller")
    assert "vgw_wrong" not in line
    assert inspect(tmp_path / "outbox").rows == 3


async def test_what_waited_arrives_once_the_environment_is_better(tmp_path: Path) -> None:
    await call(Options(outbox_dir=tmp_path / "outbox"))
    with OtlpSink() as sink:
        await call(Options(url=sink.url, token="vgw_t", outbox_dir=tmp_path / "outbox"), chats=1)

    assert [len(versions) for versions in sink.received.values()] == [1] * 4
    assert inspect(tmp_path / "outbox").rows == 0


async def test_wrong_settings_cost_a_line_each_and_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "voicegw.yaml"
    path.write_text("worker: [")
    monkeypatch.setenv("VOICEGATEWAY_CONFIG", str(path))
    monkeypatch.setenv("VOICEGATEWAY_URL", "controller")
    monkeypatch.setenv("VOICEGATEWAY_OUTBOX_DIR", str(tmp_path / "outbox"))

    said = await call(Gateway().options)

    assert all(said)
    assert errors_in(caplog) == [
        f"voicegateway: {path}:2:1: no valid YAML: did not find expected node content; close the bracket or "
        "brace before here, or write the value that is missing; left out for now",
        "voicegateway: VOICEGATEWAY_URL: 'controller' is no http(s) URL; give the controller's address; "
        "left out for now",
    ]
    assert inspect(tmp_path / "outbox").rows == 3
