"""`voicegw keys`: vendors' keys, sealed in the vault; their texts are typed hidden or piped, and never shown again."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output, vault
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/keys"
PAGE: Final = "500"
TEXT_CHARS_MAX: Final = 16 * 1024
TEST_TIMEOUT_S: Final = 20.0
"""The controller gives the vendor ten."""
COLUMNS: Final = {
    "id": "name",
    "provider": "vendor",
    "masked": "key",
    "fingerprint": "account",
    "projects": "for",
    "state": "state",
    "source": "from",
    "share": "share",
    "holders": "held by",
    "test_result": "vendor says",
}

app = typer.Typer(help="Vendors' keys: sealed, lent to workers, rotated, revoked.", no_args_is_help=True)
app.command("rotate-secret")(vault.rotate_secret)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The key's name, free to choose: openai-main.")]
FromEnv = Annotated[
    str | None, typer.Option(help="Take it from this variable of your shell, instead of typing or piping it.")
]
FromFile = Annotated[Path | None, typer.Option(help="Take it from this file.")]
Project = Annotated[list[str] | None, typer.Option(help="Only for this project; may be said again. Default: for all.")]
Note = Annotated[str | None, typer.Option(help="For people.")]
Expires = Annotated[str | None, typer.Option(help="From then on it is not lent: 2027-01-31T00:00:00Z.")]
Reason = Annotated[str, typer.Option(help="For the audit log.")]


@app.command()
def add(
    name: Name,
    provider: Annotated[str, typer.Option(help="As in model strings: openai, deepgram.")],
    project: Project = None,
    note: Note = None,
    expires: Expires = None,
    from_env: FromEnv = None,
    from_file: FromFile = None,
    is_tried: Annotated[
        bool, typer.Option("--test", help="Then ask the vendor; exit code 1 unless it is good.")
    ] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Seal a key. It is typed hidden, or read from stdin, `--from-env` or `--from-file`: never an argument."""
    client = api_client(url, token, home.expanduser())
    asked: dict[str, Any] = {"id": name, "provider": provider, "secret": _text(from_env, from_file)}
    given = {"projects": project or None, "note": note, "expires_at": expires}
    made = client.post(PATH, asked | {key: value for key, value in given.items() if value is not None})
    _told(
        made,
        f"{made['id']} is sealed: {made['masked']}, account {made['fingerprint']}",
        is_json=is_json and not is_tried,
    )
    if is_tried:
        try_key(name, is_json=is_json, url=url, token=token, home=home)


@app.command("list")
def list_keys(
    provider: Annotated[str | None, typer.Option(help="Only this vendor's.")] = None,
    project: Annotated[str | None, typer.Option(help="Only those that this project may use.")] = None,
    with_revoked: Annotated[bool, typer.Option("--revoked", help="Also those that were revoked.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List the keys, masked: who may use them, how they are, and who holds them."""
    client = api_client(url, token, home.expanduser())
    asked = {"provider": provider, "project": project, "with_revoked": "true" if with_revoked else None}
    query = {name: value for name, value in asked.items() if value is not None}
    keys: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(PATH, limit=PAGE, **query, **({"cursor": cursor} if cursor else {}))
        keys += page["keys"]
        cursor = page["next"]
    if is_json:
        output.as_json(keys)
        return
    output.as_table(COLUMNS, [_row(each) for each in keys], title="keys")
    for each in keys:
        if each["problem"]:
            output.line(f"{each['id']}: {each['problem']}")


@app.command()
def show(name: Name, is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Show everything of a key but the key."""
    found = api_client(url, token, home.expanduser()).get(_path(name))
    if is_json:
        output.as_json(found)
        return
    for field, value in found.items():
        if value not in (None, "", []):
            output.line(f"{field.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")


@app.command("test")
def try_key(name: Name, is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Ask the vendor whether a key is good, by a request that costs nothing. Exit code 1 unless it is."""
    client = api_client(url, token, home.expanduser())
    answer = client.post(f"{_path(name)}/test", {}, timeout_s=TEST_TIMEOUT_S)
    if is_json:
        output.as_json(answer)
    else:
        output.line(f"{name}: {answer['detail']} ({answer['took_ms']} ms)")
    if answer["verdict"] != "good":
        raise typer.Exit(1)


@app.command()
def change(
    name: Name,
    project: Project = None,
    is_for_all: Annotated[bool, typer.Option("--all-projects", help="For all projects.")] = False,
    note: Note = None,
    expires: Expires = None,
    is_enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Lend it to nobody for a while, or again.")
    ] = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Change who may use a key; the key itself stays."""
    if project and is_for_all:
        raise ConfigurationError("--project and --all-projects exclude each other: say one of them")
    given = {"projects": project or None, "note": note, "expires_at": expires, "is_enabled": is_enabled}
    asked: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if is_for_all:
        asked["projects"] = None
    if not asked:
        raise ConfigurationError(
            "say what to change: --project, --all-projects, --note, --expires, --enable, --disable"
        )
    made = api_client(url, token, home.expanduser()).patch(_path(name), asked)
    _told(made, f"{name}: {made['state']}, for {_projects(made)}", is_json=is_json)


@app.command()
def rotate(
    name: Name,
    from_env: FromEnv = None,
    from_file: FromFile = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Put another key in the place of this one; workers take it with their next message, and calls go on."""
    client = api_client(url, token, home.expanduser())
    made = client.post(f"{_path(name)}/rotate", {"secret": _text(from_env, from_file)})
    _told(made, f"{name} is {made['masked']} now; revoke the old one at {made['provider']}", is_json=is_json)


@app.command()
def revoke(
    name: Name,
    reason: Reason = "",
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Take a key back from the whole fleet and overwrite it. Exit code 1 when you say no."""
    client = api_client(url, token, home.expanduser())
    if not is_sure:
        found = client.get(_path(name))
        held = "" if not found["holders"] else f", held by {found['holders']} processes"
        output.line(f"{name}: {found['masked']} of {found['provider']}, for {_projects(found)}{held}")
        if not typer.confirm("Revoke it? It cannot be brought back.", err=True):
            raise typer.Exit(1)
    made = client.delete(_path(name), reason=reason)
    _told(made, f"{name} is revoked and overwritten; revoke it at {made['provider']}, too", is_json=is_json)


def _text(from_env: str | None, from_file: Path | None) -> str:
    """Return the key: of a variable, a file, stdin where it is piped, else typed hidden. Raises ConfigurationError."""
    if from_env is not None and from_file is not None:
        raise ConfigurationError("--from-env and --from-file exclude each other: say one of them")
    if from_env is not None:
        text = os.environ.get(from_env, "")
        if not text:
            raise ConfigurationError(f"variable {from_env} is not set in this shell")
    elif from_file is not None:
        text = _read(from_file)
    elif sys.stdin.isatty():
        text = str(typer.prompt("The key (hidden)", hide_input=True, err=True))
    else:
        text = sys.stdin.read(TEXT_CHARS_MAX + 1)
    if not text.strip():
        raise ConfigurationError("there is no key: type it, pipe it in, or name --from-env or --from-file")
    return text.strip()


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(TEXT_CHARS_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{path} cannot be read: {reason}") from error


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _row(key: dict[str, Any]) -> dict[str, str]:
    return {
        **{
            name: str(key[name])
            for name in ("id", "provider", "masked", "fingerprint", "state", "source", "test_result")
        },
        "projects": _projects(key),
        "share": f"{key['share_permille'] / 10:g} %",
        "holders": "–" if key["holders"] is None else str(key["holders"]),
    }


def _projects(key: dict[str, Any]) -> str:
    return "all" if key["projects"] is None else ", ".join(key["projects"])


def _told(document: dict[str, Any], sentence: str, *, is_json: bool) -> None:
    if is_json:
        output.as_json(document)
    else:
        output.line(sentence)
