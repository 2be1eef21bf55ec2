"""Which hosts and origins may speak to `/mcp`."""

import pytest

from voicegateway_controller.mcp_server.rebinding import wrong_host, wrong_origin

OURS = frozenset({"voice.acme.example"})


@pytest.mark.parametrize(
    ("host", "hosts", "is_browser", "is_taken"),
    [
        ("localhost:8790", frozenset(), True, True),
        ("LOCALHOST", frozenset(), True, True),
        ("127.0.0.1", frozenset(), True, True),
        ("10.0.0.7:8790", frozenset(), True, True),
        ("[::1]:8790", frozenset(), True, True),
        ("localhost.evil.example", frozenset(), True, False),
        ("127.0.0.1.evil.example", frozenset(), True, False),
        ("evil.example", frozenset(), True, False),
        ("evil.example", frozenset(), False, True),
        ("evil.example", OURS, False, False),
        ("voice.acme.example.:443", OURS, True, True),
        ("user@voice.acme.example", OURS, True, True),
        ("", frozenset(), False, False),
        ("[", frozenset(), False, False),
    ],
)
def test_hosts(host: str, hosts: frozenset[str], is_browser: bool, is_taken: bool) -> None:
    assert (wrong_host(host, hosts=hosts, is_browser=is_browser) is None) is is_taken


@pytest.mark.parametrize(
    ("origin", "host", "hosts", "is_taken"),
    [
        (None, "localhost:8790", frozenset(), True),
        ("http://localhost:8790", "localhost:8790", frozenset(), True),
        ("http://[::1]:8790", "[::1]:8790", frozenset(), True),
        ("http://localhost:3000", "localhost:8790", frozenset(), False),
        ("http://evil.example", "localhost:8790", frozenset(), False),
        ("null", "localhost:8790", frozenset(), False),
        ("http://[", "localhost:8790", frozenset(), False),
        ("", "localhost:8790", frozenset(), False),
        ("https://voice.acme.example", "voice.acme.example", OURS, True),
        ("https://voice.acme.example", "10.0.0.7:8790", OURS, True),
        ("https://evil.example", "voice.acme.example", OURS, False),
    ],
)
def test_origins(origin: str | None, host: str, hosts: frozenset[str], is_taken: bool) -> None:
    assert (wrong_origin(origin, host, hosts=hosts) is None) is is_taken
