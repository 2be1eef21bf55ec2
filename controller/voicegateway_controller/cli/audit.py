"""`voicegw audit`: who changed what; as a table, as a file, as it happens; and whether it is what was written."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/audit"
PAGE: Final = 200
LISTED_MAX: Final = 10_000
WATCH_S: Final = 1.0
LINE_BYTES_MAX: Final = 4 * 2**20
_COLUMNS: Final = {
    "number": "#", "at": "at", "actor_name": "who", "action": "what", "resource": "of", "project": "project",
    "changes": "changed", "reason": "why",
}  # fmt: skip
_CHANGES_SHOWN: Final = 5

app = typer.Typer(help="The audit log: who changed what, when, and what it was before.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Actor = Annotated[str | None, typer.Option(help="Only what this token's id or `oidc:` person did.")]
Action = Annotated[str | None, typer.Option(help="Only this: limits.declare; or `limits.` for all of a noun's.")]
Resource = Annotated[str | None, typer.Option(help="Only of this: tokens/1f2e; or `tokens/` for all of a kind.")]
Project = Annotated[str | None, typer.Option(help="Only of this project.")]
Since = Annotated[str | None, typer.Option(help="Not before: 24h, 7d, or 2026-11-21.")]
Until = Annotated[str | None, typer.Option(help="Before: 1h, or 2026-11-21.")]


@app.command("list")
def list_records(
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many, the newest ones.", min=1, max=LISTED_MAX)] = 50,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List changes, the newest first."""
    client = api_client(url, token, home.expanduser())
    query = _query(actor, action, resource, project, since, until)
    records: list[dict[str, Any]] = []
    while len(records) < limit:
        page = client.get(PATH, **query, limit=str(min(PAGE, limit - len(records))))
        records += page["records"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    if is_json:
        output.as_json(records)
    else:
        rows = [_row(each) for each in records]
        # Most changes are of no project: the others' texts need the room.
        columns = {key: head for key, head in _COLUMNS.items() if key != "project" or any(row[key] for row in rows)}
        output.as_table(columns, rows, title="audit log, times in UTC")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The record's number.", min=1)],
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print one record whole, with what was there before and after."""
    records = api_client(url, token, home.expanduser()).get(PATH, number=str(number))["records"]
    if not records:
        raise ConfigurationError(f"there is no record {number}; `voicegw audit list` shows the newest")
    [record] = records
    if is_json:
        output.as_json(record)
        return
    for name in ("number", "at", "actor", "actor_name", "action", "resource", "project", "reason", "digest"):
        output.line(f"{name:<11} {record[name]}")
    for name in ("before", "after"):
        output.line(f"{name}:")
        output.as_json(record[name])


@app.command()
def watch(
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    project: Project = None,
    is_json: Annotated[bool, typer.Option("--json", help="A JSON a line.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print changes as they are made, until Ctrl-C."""
    client = api_client(url, token, home.expanduser())
    query = _query(actor, action, resource, project, None, None)
    seen: int = client.get(PATH, limit="1")["newest"]
    while True:
        page = client.get(PATH, **query, after=str(seen), limit=str(PAGE))
        for record in page["records"]:
            output.text(msgspec.json.encode(record).decode() + "\n" if is_json else f"{_line(record)}\n")
        # A record that does not fit the filters is passed by as well.
        is_full = len(page["records"]) == PAGE
        seen = page["records"][-1]["number"] if is_full else max(seen, page["newest"])
        if not is_full:
            time.sleep(WATCH_S)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="jsonl, which can be verified by itself, or csv.")
    ] = "jsonl",
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Write all records there are to a file, the oldest first."""
    if file_format not in ("jsonl", "csv"):
        raise ConfigurationError(f"--format {file_format!r} is unknown; take jsonl or csv")
    client = api_client(url, token, home.expanduser())
    query = _query(actor, action, resource, project, since, until)
    pieces = client.stream(f"{PATH}/export", format=file_format, **query)
    if out is None:
        for piece in pieces:
            output.text(piece.decode(errors="surrogateescape"))
        return
    partial = out.with_name(f"{out.name}.partial")
    try:
        with partial.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        partial.replace(out)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    output.line(f"{out} holds the audit log.")


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Option(help="An export of all records, JSONL, instead of the controller's.")
    ] = None,
    number: Annotated[int | None, typer.Option(help="The record whose seal you kept.", min=1)] = None,
    head: Annotated[str, typer.Option(help="That seal, 64 hexadecimal digits.")] = "",
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Check every seal. Exit code 1 when the log is not what was written.

    Keep the head that this prints elsewhere: given next time, it proves that nothing before it was written anew.
    """
    if (number is None) != (head == ""):
        raise ConfigurationError("--number and --head go together: both as they were printed when you kept them")
    if file is not None:
        verdict = _verified_file(file, number, head)
    else:
        query = {} if number is None else {"number": str(number), "head": head}
        # As a stream: reading through a large log may take longer than other answers do.
        client = api_client(url, token, home.expanduser())
        verdict = msgspec.json.decode(b"".join(client.stream(f"{PATH}/verify", **query)))
    if is_json:
        output.as_json(verdict)
    elif verdict["ok"]:
        output.line(f"{verdict['checked']} records, each as it was written.")
        output.line(f"keep elsewhere: --number {verdict['newest']} --head {verdict['head']}")
    else:
        output.error(verdict["broken"]["reason"])
    if not verdict["ok"]:
        raise typer.Exit(1)


def _verified_file(file: Path, number: int | None, head: str) -> dict[str, Any]:
    from voicegateway_controller.audit.chain import Chain
    from voicegateway_controller.audit.exported import read_line

    chain = Chain()
    newest = 0
    try:
        with file.open("rb") as lines:
            while line := lines.readline(LINE_BYTES_MAX):
                record = read_line(line)
                newest = record.number
                if not chain.add(record):
                    break
                if record.number == number:
                    chain.expect(record.number, head)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error
    if number is not None:
        chain.reached(number)
    broken = chain.broken
    return {
        "ok": broken is None,
        "checked": chain.number,
        "newest": newest,
        "head": chain.digest.hex(),
        "broken": None if broken is None else {"number": broken.number, "reason": broken.reason},
    }


def _query(
    actor: str | None,
    action: str | None,
    resource: str | None,
    project: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, str]:
    now = datetime.now(UTC)
    asked = {
        "actor": actor,
        "action": action,
        "resource": resource,
        "project": project,
        "since": None if since is None else instant(since, now=now, name="since").isoformat(),
        "until": None if until is None else instant(until, now=now, name="until").isoformat(),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _row(record: dict[str, Any]) -> dict[str, Any]:
    changes = record["changes"]
    more = len(changes) - _CHANGES_SHOWN
    shown = ", ".join(changes[:_CHANGES_SHOWN]) + (f", {more} more" if more > 0 else "")
    return {**record, "at": record["at"][:19].replace("T", " "), "changes": shown}


def _line(record: dict[str, Any]) -> str:
    row = _row(record)
    said = f"{row['at']}  {row['actor_name']}  {row['action']}  {row['resource']}"
    return f"{said}  {row['changes']}" if row["changes"] else said
