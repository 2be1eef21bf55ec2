"""Options: the environment over the file, one line for each mistake, and never an error into a call."""

import logging
from pathlib import Path

import pytest

from voicegateway import ConfigurationError, Options
from voicegateway.options import ADMIT_WAIT_MS_DEFAULT, OUTBOX_BYTES_MAX_DEFAULT
from voicegateway_shared.routing import Routing


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "voicegw.yaml"
    path.write_text(text)
    return path


def test_without_settings_a_worker_is_detached() -> None:
    assert Options.load({}) == Options(
        url=None,
        token=None,
        project="default",
        outbox_dir=Path.home() / ".voicegateway" / "outbox",
        outbox_bytes_max=OUTBOX_BYTES_MAX_DEFAULT,
        admit_wait_ms=ADMIT_WAIT_MS_DEFAULT,
    )


def test_home_is_expanded_whoever_wrote_it() -> None:
    assert Options().outbox_dir == Path.home() / ".voicegateway" / "outbox"
    assert Options(outbox_dir=Path("~/mine")).outbox_dir == Path.home() / "mine"


def test_user_without_a_home_keeps_usage_elsewhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)

    assert Options().outbox_dir.name == "voicegateway-outbox"
    assert "has no home directory" in caplog.text


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        "runner: {pace: fast}\nworker:\n  url: https://file.example/\n  token: vgw_file\n  project: from-file\n"
        "  outbox_bytes_max: 1000\n  outbox_dir: /var/outbox\n",
    )

    environ = {
        "VOICEGATEWAY_CONFIG": str(path),
        "VOICEGATEWAY_TOKEN": "vgw_environment",
        "VOICEGATEWAY_PROJECT": "",
        "VOICEGATEWAY_OUTBOX_BYTES_MAX": "2000",
        "VOICEGATEWAY_ADMIT_WAIT_MS": "0",
        "VOICEGATEWAY_DELETE_ROOM": "False",
    }

    assert Options.load(environ) == Options(
        url="https://file.example",
        token="vgw_environment",
        project="from-file",
        outbox_dir=Path("/var/outbox"),
        outbox_bytes_max=2000,
        admit_wait_ms=0,
        delete_room=False,
    )


@pytest.mark.parametrize("text", ["", "worker:\n", "runner: {}\n", "worker: {project: }\n"])
def test_file_that_says_nothing_changes_nothing(tmp_path: Path, text: str) -> None:
    assert Options.load({"VOICEGATEWAY_CONFIG": str(config(tmp_path, text))}) == Options()


FILE_MISTAKES = [
    (
        "worker: [",
        "FILE:2:1: no valid YAML: did not find expected node content; close the bracket or brace before here, or write "
        "the value that is missing",
    ),
    ("worker:\n  url: 'x\n", "FILE:3:1: no valid YAML: found unexpected end of stream; close the quote"),
    ("worker: 7\n", "FILE:1:1: worker: must be a mapping of option names to values"),
    ("- worker\n", "FILE:1:1: must be a mapping of sections, such as `limits:`"),
    ("worker: {ulr: x}\n", "FILE:1:10: worker.ulr: unknown key; did you mean 'url'?"),
    (
        "worker:\n  colour: x\n",
        "FILE:2:3: worker.colour: unknown key; known keys are admit_wait_ms, delete_room, outbox_bytes_max, "
        "outbox_dir, project, token, url",
    ),
    ("worker: {7: x}\n", "FILE:1:10: worker: the key 7 means a number in YAML; put it in quotes"),
    ("worker: {url: ftp://x}\n", "FILE:1:10: worker.url: 'ftp://x' is no http(s) URL; give the controller's address"),
    ("worker: {url: 'http://'}\n", "FILE:1:10: worker.url: 'http:' is no http(s) URL; give the controller's address"),
    (
        "worker: {url: 'http://[x'}\n",
        "FILE:1:10: worker.url: 'http://[x' is no http(s) URL; give the controller's address",
    ),
    (
        "worker: {url: 'http://x:abc'}\n",
        "FILE:1:10: worker.url: 'http://x:abc' is no http(s) URL; give the controller's address",
    ),
    ("worker: {token: 7}\n", "FILE:1:10: worker.token: 7 is no text; put it in quotes"),
    ("worker: {project: [a]}\n", "FILE:1:10: worker.project: ['a'] is no text; put it in quotes"),
    ("worker: {outbox_dir: 5}\n", "FILE:1:10: worker.outbox_dir: 5 is no text; put it in quotes"),
    (
        "worker: {outbox_bytes_max: []}\n",
        "FILE:1:10: worker.outbox_bytes_max: [] is no size; give a whole number of bytes, at least 1",
    ),
    (
        "worker: {outbox_bytes_max: 1GB}\n",
        "FILE:1:10: worker.outbox_bytes_max: '1GB' is no size; give a whole number of bytes, at least 1",
    ),
]


@pytest.mark.parametrize(("text", "message"), FILE_MISTAKES)
def test_mistake_in_the_file_is_one_line_that_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = config(tmp_path, text)

    with pytest.raises(ConfigurationError) as raised:
        Options.load({"VOICEGATEWAY_CONFIG": str(path)})

    assert str(raised.value) == message.replace("FILE", str(path))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("URL", "controller:8580", "'controller:8580' is no http(s) URL; give the controller's address"),
        ("OUTBOX_BYTES_MAX", "lots", "'lots' is no size; give a whole number of bytes, at least 1"),
        ("ADMIT_WAIT_MS", "soon", "'soon' is no wait; give whole milliseconds from 0 to 10000"),
        ("ADMIT_WAIT_MS", "-1", "'-1' is no wait; give whole milliseconds from 0 to 10000"),
        ("DELETE_ROOM", "no", "'no' is neither true nor false"),
        ("ADMIT_WAIT_MS", "10001", "'10001' is no wait; give whole milliseconds from 0 to 10000"),
        ("OUTBOX_BYTES_MAX", "-1", "'-1' is no size; give a whole number of bytes, at least 1"),
    ],
)
def test_mistake_in_the_environment_names_the_variable(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Options.load({f"VOICEGATEWAY_{variable}": value})

    assert str(raised.value) == f"VOICEGATEWAY_{variable}: {message}"


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"VOICEGATEWAY_CONFIG: cannot read .*none\.yaml: No such file"):
        Options.load({"VOICEGATEWAY_CONFIG": str(tmp_path / "none.yaml")})


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "voicegw.yaml"
    path.write_bytes(b"\xff\xfe\x00worker")

    with pytest.raises(ConfigurationError, match=r"voicegw\.yaml:1:1: is no UTF-8; save the file as UTF-8"):
        Options.load({"VOICEGATEWAY_CONFIG": str(path)})


@pytest.mark.parametrize("text", [text for text, _ in FILE_MISTAKES])
def test_mistake_is_logged_and_left_out_where_a_call_is_at_stake(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VOICEGATEWAY_CONFIG", str(config(tmp_path, text)))
    monkeypatch.setenv("VOICEGATEWAY_PROJECT", "kept")
    monkeypatch.setenv("VOICEGATEWAY_OUTBOX_DIR", str(tmp_path))
    monkeypatch.setenv("VOICEGATEWAY_OUTBOX_BYTES_MAX", "0")

    options = Options.load_or_default()

    assert (options.project, options.outbox_dir) == ("kept", tmp_path)
    assert (options.url, options.token, options.outbox_bytes_max) == (None, None, OUTBOX_BYTES_MAX_DEFAULT)
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert 1 <= len(said) <= 2
    assert all("\n" not in record.getMessage() for record in said)
    assert "VOICEGATEWAY_OUTBOX_BYTES_MAX" in said[-1].getMessage()


def test_file_declares_routing_beside_the_workers_section(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        "worker: {project: acme}\nrouting:\n  chains: {llm: {fast: [openai/gpt-4.1-mini]}}\n  defaults: {llm: fast}\n",
    )

    options = Options.load({"VOICEGATEWAY_CONFIG": str(path)})

    assert options.project == "acme"
    assert options.routing.default_of("llm", "acme") == "fast"


def test_wrong_routing_is_left_out_and_the_rest_of_the_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = config(tmp_path, "worker: {project: acme}\nrouting: {chains: {llm: {fast: [smart]}}}\n")
    monkeypatch.setenv("VOICEGATEWAY_CONFIG", str(path))

    with caplog.at_level(logging.ERROR, "voicegateway"):
        options = Options.load_or_default()

    assert (options.project, options.routing) == ("acme", Routing())
    assert f"{path}:2:26: routing.chains.llm.fast.models[0]: 'smart' is no model" in caplog.text
    with pytest.raises(ConfigurationError, match="a chain cannot name a chain"):
        Options.load({"VOICEGATEWAY_CONFIG": str(path)})
