"""The command line as a person meets it: what it prints, and one line for each thing that can be wrong."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.fixtures.voicegw import Done, run_here

from voicegateway_controller.cli.costs import instant
from voicegateway_shared.errors import ConfigurationError

COSTS = {
    "as_of": "2026-11-21T12:00:00Z",
    "since": "2026-11-21T00:00:00Z",
    "until": "2026-11-21T12:00:00Z",
    "by": "provider",
    "total": {
        "amount_usd": "1.000000000001",
        "requests": 3,
        "estimated_requests": 1,
        "unrated_requests": 0,
        "sessions": 2,
    },
    "rows": [
        {
            "key": "openai",
            "amount_usd": "1",
            "requests": 2,
            "estimated_requests": 1,
            "unrated_requests": 0,
            "usage": {},
        },
        {
            "key": "deepgram",
            "amount_usd": "0.000000000001",
            "requests": 1,
            "estimated_requests": 0,
            "unrated_requests": 0,
            "usage": {},
        },
    ],
}


SERVING = ("controller", "runner", "migrate", "up", "demo")


def voicegw(*arguments: str, home: Path, **environment: str) -> Done:
    """Run a command: in a process of its own where it would serve, else in this one."""
    if arguments[0] not in SERVING:
        return run_here(home, *arguments, **environment)
    done = subprocess.run(
        [sys.executable, "-m", "voicegateway_controller", *arguments],
        env={**os.environ, "VOICEGATEWAY_HOME": str(home), "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


class Answers(BaseHTTPRequestHandler):
    """A controller that knows one token and one answer: the boundary of these tests."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == "Bearer vgw_good_token"
        self.send_response(200 if is_known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(COSTS).encode() if is_known else b"{}")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def controller_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_costs_print_exact_amounts_as_json_csv_and_table(tmp_path: Path, controller_url: str) -> None:
    access = {"VOICEGATEWAY_URL": controller_url, "VOICEGATEWAY_TOKEN": "vgw_good_token"}

    as_json = voicegw("costs", "--json", home=tmp_path, **access)
    as_csv = voicegw("costs", "--csv", home=tmp_path, **access)
    as_table = voicegw("costs", home=tmp_path, **access)

    assert json.loads(as_json.out) == COSTS
    rows = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert [(row["key"], row["amount_usd"]) for row in rows] == [("openai", "1"), ("deepgram", "0.000000000001")]
    assert "0.000000000001" in as_table.out
    assert "1.000000000001" in as_table.out


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("costs",), {}, ("voicegw up", "VOICEGATEWAY_URL")),
        (("costs", "--since", "yesterday"), {}, ("--since", "2026-11-21")),
        (("costs",), {"VOICEGATEWAY_URL": "http://127.0.0.1:9"}, ("VOICEGATEWAY_TOKEN",)),
        (
            ("costs",),
            {"VOICEGATEWAY_URL": "http://127.0.0.1:9", "VOICEGATEWAY_TOKEN": "vgw_a_b"},
            ("127.0.0.1:9", "does not answer"),
        ),
        (("controller",), {}, ("VOICEGATEWAY_DATABASE_URL",)),
        (("runner",), {"VOICEGATEWAY_DATABASE_URL": "mysql://x"}, ("VOICEGATEWAY_DATABASE_URL",)),
        (("migrate",), {"VOICEGATEWAY_DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d"}, ("Postgres",)),
        (("demo", "--live"), {}, ("OPENAI_API_KEY", "DEEPGRAM_API_KEY", "CARTESIA_API_KEY")),
    ],
)
def test_what_is_wrong_is_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    done = voicegw(*arguments, home=tmp_path, **environment)

    assert done.code == (3 if "does not answer" in words else 2), done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert all(word in done.err for word in words), done.err


def test_wrong_token_is_said(tmp_path: Path, controller_url: str) -> None:
    done = voicegw("costs", home=tmp_path, VOICEGATEWAY_URL=controller_url, VOICEGATEWAY_TOKEN="vgw_bad_token")

    assert done.code == 4
    assert "refused the token (401)" in done.err


def test_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        done = voicegw("up", "--port", str(taken.getsockname()[1]), home=tmp_path)

    assert done.code == 2
    assert "is in use" in done.err
    assert not (tmp_path / "logs").exists()


def test_unwritable_home_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    done = voicegw("demo", "--once", home=tmp_path / "file")

    assert done.code == 2
    assert "VOICEGATEWAY_HOME" in done.err


def test_doctor_finds_the_embedded_servers(tmp_path: Path) -> None:
    done = voicegw("doctor", "--json", home=tmp_path)

    checks = {row["check"]: row for row in json.loads(done.out)}
    assert checks["postgres"]["ok"], checks
    assert checks["valkey"]["ok"], checks
    assert checks["controller"]["detail"] == "none runs here"
    assert done.code == 0


def test_doctor_fails_when_the_named_controller_is_away(tmp_path: Path) -> None:
    done = voicegw("doctor", home=tmp_path, VOICEGATEWAY_URL="http://127.0.0.1:9", VOICEGATEWAY_TOKEN="vgw_a_b")

    assert done.code == 1
    assert "does not answer" in done.out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 14, 12, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_instants_are_read_as_people_write_them(text: str, expected: datetime) -> None:
    assert instant(text, now=datetime(2026, 11, 21, 12, tzinfo=UTC), name="since") == expected


def test_nonsense_is_no_instant() -> None:
    with pytest.raises(ConfigurationError, match="--until"):
        instant("h", now=datetime(2026, 11, 21, tzinfo=UTC), name="until")
