"""Presence: while a process carries calls the controller hears which, and hears goodbye."""

import os
import socket
from importlib import metadata
from pathlib import Path

import pytest
from tests.fixtures.job import job
from tests.fixtures.otlp_sink import Reply
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import RETRY, silence
from tests.integration.voicegateway.metering import TOKEN, metering

from voicegateway.limits import syncer
from voicegateway_shared import __version__
from voicegateway_shared.telemetry import attributes as names


async def test_controller_hears_of_a_call_while_it_runs_and_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncer, "PRESENCE_S", 0.05)
    async with metering(tmp_path) as meter:
        with job("AJ_5", attributes={names.PROJECT: "acme"}):
            stt = meter.stt()
            async with stt.stream(conn_options=RETRY) as stream:
                for frame in silence(ms=100):
                    stream.push_frame(frame)
                await eventually(lambda: len(meter.sink.syncs) >= 2)
        await stt.aclose()
        record = await meter.record()
        sink, incarnation = meter.sink, meter.runtime.incarnation
    said = [sync.message for sync in sink.syncs]

    first, last = said[0], said[-1]
    [session] = first.pop("sessions")
    outbox = first.pop("outbox")
    # Of all plugins that this process has met, those of other tests as well.
    models = first.pop("money")["models"]
    assert first["worker"].pop("started_at").endswith("Z")
    assert first == {
        "version": 1,
        "incarnation": incarnation,
        "seq": 1,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "shim_version": __version__,
        "agents_version": metadata.version("livekit-agents"),
        "is_leaving": False,
        "limits_revision": -1,
        "claims": [],
        "signals": [],
        "routing": {},
        "keys": None,
        "worker": {"agent": "front-desk", "worker_id": "fake"},
    }
    assert {"provider": "deepgram", "model": "nova-3", "modality": "stt"} in models
    assert session.pop("started_at").endswith("Z")
    assert session == {"session_id": "AJ_5", "project": "acme", "agent": "front-desk", "room": "room-1"}
    assert set(outbox) == {"rows", "bytes", "dropped", "hook_errors"}
    assert outbox["dropped"] == outbox["hook_errors"] == 0
    assert [message["seq"] for message in said] == list(range(1, len(said) + 1))
    assert (last["is_leaving"], last["sessions"]) == (True, [])
    assert record[names.SESSION_ID] == "AJ_5"


async def test_process_without_a_call_says_nothing(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        await meter.llm().aclose()
        sink = meter.sink

    assert sink.syncs == []


async def test_trouble_is_said_once_and_its_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(syncer, "PRESENCE_S", 0.02)
    monkeypatch.setattr(syncer, "WORDS_AFTER_S", 0.2)

    async with metering(tmp_path) as meter:
        fine, meter.sink.sync_reply = meter.sink.sync_reply, Reply(status=404)
        stt = meter.stt()
        async with stt.stream(conn_options=RETRY):
            await eventually(lambda: len(meter.sink.syncs) >= 5)
            meter.sink.sync_reply = fine
            await eventually(lambda: "again" in caplog.text)
        await stt.aclose()
        url = meter.sink.url

    assert [record.getMessage() for record in caplog.records if record.name == "voicegateway"] == [
        f"voicegateway: controller {url} does not answer /v1/sync (HTTP 404); calls go on and are not shown as live, "
        "limits and budgets hold as their `offline` policies say",
        f"voicegateway: controller {url} answers /v1/sync again",
    ]


async def test_token_is_ours_and_not_that_of_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async with metering(tmp_path) as meter:
        stt = meter.stt()
        async with stt.stream(conn_options=RETRY):
            await eventually(lambda: len(meter.sink.syncs) >= 1)
        await stt.aclose()
        sink = meter.sink

    assert {sync.authorization for sync in sink.syncs} == {f"Bearer {TOKEN}"}
