"""The inference server beside a local stack: where it listens, and that its agents' key opens it."""

import socket
from pathlib import Path

import pytest

from voicegateway.inference_server.access import Access
from voicegateway.inference_server.settings import Settings
from voicegateway_controller.access.rules import new_token
from voicegateway_controller.local import inference
from voicegateway_controller.local.connection import Connection
from voicegateway_shared.errors import MissingPackage


def connection() -> Connection:
    return Connection(url="http://127.0.0.1:8580", admin_token=new_token()[0], worker_token=new_token()[0], pid=1)


def test_what_agents_are_told_opens_what_the_server_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from livekit.agents.inference._utils import create_access_token

    made = connection()
    agents = inference.agents_environment(made, "127.0.0.1", 8590)
    settings = Settings.load(inference.servers_environment(made, "127.0.0.1", 8590, tmp_path))

    token = create_access_token(agents["LIVEKIT_INFERENCE_API_KEY"], agents["LIVEKIT_INFERENCE_API_SECRET"])
    assert Access(settings.keys).check(f"Bearer {token}").key.project is None
    assert agents["LIVEKIT_INFERENCE_URL"] == f"http://{settings.host}:{settings.port}/v1"


def test_port_that_is_taken_is_only_insisted_on_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(inference, "PORT_DEFAULT", port)

        assert inference.port_for(0) is None
        assert inference.port_for(None) is None
        assert inference.port_for(port) == port
    assert inference.port_for(None) == port


def test_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_NEEDED", ("livekit.agents", "no_such_package"))

    assert inference.port_for(None) is None
    with pytest.raises(MissingPackage, match=r"needs no_such_package: pip install 'voicegateway\[livekit\]'"):
        inference.check_packages()
