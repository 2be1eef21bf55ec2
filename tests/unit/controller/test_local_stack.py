"""The local stack finds its own controller, whatever the environment says about other places."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from voicegateway_controller.local.stack import LocalStack


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing: a test's output is for failures."""


def test_a_proxy_for_other_places_is_not_asked_for_our_own_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    stack = LocalStack(tmp_path)
    with HTTPServer(("127.0.0.1", urlsplit(stack.url).port or 0), _Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        is_ready = stack._is_ready()

        server.shutdown()
    assert is_ready
