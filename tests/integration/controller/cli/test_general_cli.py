"""What holds of every command: JSON by itself in a pipe, contexts, completion, exit codes."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import typer
from tests.fixtures.voicegw import run_here

from voicegateway_controller.cli import main, pipes
from voicegateway_controller.local.connection import Connection


class Answers(BaseHTTPRequestHandler):
    """A controller that lists no requests and knows one token."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == "Bearer vgw_a_good1234567890"
        self.send_response(200 if is_known else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"projects": ["acme"], "alerts": [], "rows": []}).encode() if is_known else b"{}")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Page(Answers):
    """Something else that listens there."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def url() -> Iterator[str]:
    with listening(Answers) as address:
        yield address


voicegw = run_here


def test_contexts_are_kept_for_their_owner_alone_and_chosen_by_name(tmp_path: Path, url: str) -> None:
    added = voicegw(
        tmp_path, "contexts", "set", "staging", "--url", url, "--token", "-", stdin="vgw_a_good1234567890\n"
    )
    voicegw(tmp_path, "contexts", "set", "prod", "--url", "https://prod.example.com/", "--token-env", "PROD_TOKEN")
    listed = json.loads(voicegw(tmp_path, "contexts", "list", "--json").out)
    by_flag = voicegw(tmp_path, "--context", "staging", "alerts", "list", "--json")
    by_variable = voicegw(tmp_path, "alerts", "list", "--json", VOICEGATEWAY_CONTEXT="staging")
    used = voicegw(tmp_path, "contexts", "use", "staging")
    current = voicegw(tmp_path, "contexts", "current")
    by_use = voicegw(tmp_path, "alerts", "list", "--json")
    overruled = voicegw(tmp_path, "alerts", "list", VOICEGATEWAY_URL="http://127.0.0.1:9", VOICEGATEWAY_TOKEN="vgw_x_y")
    no_token = voicegw(tmp_path, "--context", "prod", "alerts", "list")
    deleted = voicegw(tmp_path, "contexts", "delete", "staging")
    gone = voicegw(tmp_path, "--context", "stagin", "alerts", "list")

    path = tmp_path / "contexts.yaml"
    assert added.out == f"context staging is {url}.\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(each["name"], each["token"], each["is_current"]) for each in listed] == [
        ("local", "", True), ("prod", "$PROD_TOKEN", False), ("staging", "vgw_...7890", False),
    ]  # fmt: skip
    assert [each.code for each in (by_flag, by_variable, used, by_use, deleted)] == [0] * 5, by_flag.err
    assert current.out == "staging\n"
    assert overruled.code == 3
    assert no_token.err == "voicegw: context 'prod' reads its token from PROD_TOKEN, which is not set\n"
    assert (gone.code, gone.err) == (2, "voicegw: there is no context 'stagin'; there are local, prod\n")
    assert "vgw_a_good1234567890" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("contexts: {a: {ulr: x}}", "1:12: contexts.a: must be a mapping with a `url:` and a `token:`"),
        ("contexts: {a: {url: x, tokn: y}}", "contexts.a.tokn: unknown key; known are url, token, token_env"),
        ("contexts: {a: {url: x, token: 7}}", "contexts.a.token: must be a text"),
        ("contexts: [", "no valid YAML"),
        ("current: []", "must be `current: NAME`"),
    ],
)
def test_a_damaged_file_of_contexts_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "contexts.yaml"
    path.write_text(text)
    path.chmod(0o600)

    done = voicegw(tmp_path, "alerts", "list")

    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_file_of_contexts_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contexts.yaml"
    path.write_text("contexts: {}")
    path.chmod(0o644)

    done = voicegw(tmp_path, "contexts", "list")

    assert (done.code, "chmod 600" in done.err) == (2, True)


def test_json_comes_by_itself_in_a_pipe_and_tables_where_they_are_asked_for(tmp_path: Path, url: str) -> None:
    there = {"VOICEGATEWAY_URL": url, "VOICEGATEWAY_TOKEN": "vgw_a_good1234567890"}
    piped = voicegw(tmp_path, "contexts", "list", VOICEGATEWAY_OUTPUT="")
    asked = voicegw(tmp_path, "contexts", "list", "--table", VOICEGATEWAY_OUTPUT="")
    by_variable = voicegw(tmp_path, "contexts", "list", VOICEGATEWAY_OUTPUT="json")
    csv = voicegw(tmp_path, "costs", "--csv", VOICEGATEWAY_OUTPUT="", **there)
    wrong = voicegw(tmp_path, "contexts", "list", VOICEGATEWAY_OUTPUT="yaml")

    assert json.loads(piped.out) == json.loads(by_variable.out)
    assert asked.out.startswith("contexts")
    assert not csv.out.startswith("{")
    assert (wrong.code, wrong.err) == (
        2, "voicegw: VOICEGATEWAY_OUTPUT is 'yaml': set it to json, table or auto\n",
    )  # fmt: skip


def test_exit_codes_tell_who_did_not_answer_and_who_refused(tmp_path: Path, url: str) -> None:
    nobody = voicegw(tmp_path, "alerts", "list", VOICEGATEWAY_URL="http://127.0.0.1:9", VOICEGATEWAY_TOKEN="vgw_x_y")
    refused = voicegw(tmp_path, "alerts", "list", VOICEGATEWAY_URL=url, VOICEGATEWAY_TOKEN="vgw_a_bad")
    usage = voicegw(tmp_path, "alerts", "lst")
    with listening(Page) as page:
        other = voicegw(tmp_path, "alerts", "list", VOICEGATEWAY_URL=page, VOICEGATEWAY_TOKEN="vgw_a_good1234567890")

    assert [each.code for each in (nobody, refused, usage, other)] == [3, 4, 2, 2]
    assert "is this a VoiceGateway controller?" in other.err


def test_shells_complete_commands(tmp_path: Path) -> None:
    scripts = {shell: voicegw(tmp_path, "completion", shell) for shell in ("bash", "zsh", "fish")}
    words = voicegw(
        tmp_path, _VOICEGW_COMPLETE="complete_bash", COMP_WORDS="voicegw contexts d", COMP_CWORD="2"
    ).out.split()

    assert all("_VOICEGW_COMPLETE" in done.out for done in scripts.values())
    assert words == ["delete"]


def test_documents_stay_documents_and_every_exception_is_a_command() -> None:
    paths = {path for path, _ in pipes._commands(typer.main.get_command(main.app), "")}

    assert (pipes.DOCUMENTS | pipes.AS_ALWAYS) - paths == set()


def test_a_token_on_the_command_line_is_never_replaced_by_the_local_admins(tmp_path: Path, url: str) -> None:
    Connection(url=url, admin_token="vgw_a_good1234567890", worker_token="vgw_w", pid=os.getpid()).write(tmp_path)

    assert voicegw(tmp_path, "alerts", "list", "--json").code == 0
    assert voicegw(tmp_path, "alerts", "list", "--json", "--token", "vgw_v_viewer").code == 4
