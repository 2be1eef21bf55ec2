"""`voicegw projects`: who pays, what they spend; declare them, one by one or from a file."""

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.declarations import print_declared, read_declarations, say_applied
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/projects"
PAGES_MAX: Final = 100
"""Fifty thousand projects; ten times as many as may be declared."""
PAGE: Final = 500
COLUMNS: Final = {
    "id": "project",
    "name": "name",
    "owner": "owner",
    "calls": "live",
    "today_usd": "today $",
    "month_usd": "month $",
    "source": "source",
}
_DECLARED: Final = ("name", "description", "owner", "labels", "is_archived")

app = typer.Typer(help="Who pays: declare projects, see what they spend.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProjectId = Annotated[str, typer.Argument(help="As calls name it.", metavar="PROJECT")]


@app.command("list")
def list_projects(
    with_archived: Annotated[bool, typer.Option("--with-archived", help="Also those that are archived.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List declared projects, and those that spend without being declared."""
    found = every_project(api_client(url, token, home.expanduser()), with_archived=with_archived)
    if is_json:
        output.as_json(found)
        return
    rows = [{**each, "calls": "" if each["calls"] is None else each["calls"] or ""} for each in found]
    rows = [{**each, "source": each["source"] or "not declared"} for each in rows]
    output.as_table(COLUMNS, rows, title=f"{len(rows)} projects")


@app.command()
def show(
    project: ProjectId, is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT
) -> None:
    """Show one project: what is declared of it, and what it spends."""
    found = api_client(url, token, home.expanduser()).get(_path(project))
    if is_json:
        output.as_json(found)
        return
    shown = {**found, "labels": ", ".join(f"{key}={value}" for key, value in sorted(found["labels"].items()))}
    output.as_table({"key": "", "value": ""}, [{"key": k, "value": v} for k, v in shown.items()], title=project)


@app.command("set")
def set_project(
    project: ProjectId,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whom to ask.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="key=value, as often as you like; key= takes it away.")
    ] = None,
    is_archived: Annotated[bool | None, typer.Option("--archive/--unarchive", help="Leave it out of lists.")] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare one project, or change what is declared of it; what is not named stays as it is."""
    client = api_client(url, token, home.expanduser())
    before = next((each for each in every_project(client, with_archived=True) if each["id"] == project), None)
    declared: dict[str, Any] = {key: before[key] for key in _DECLARED} if before is not None else {}
    told = {"name": name, "description": description, "owner": owner, "is_archived": is_archived}
    declared |= {key: value for key, value in told.items() if value is not None}
    declared["labels"] = _labelled(declared.get("labels") or {}, label or [])
    _say(project, client.put(_path(project), declared))


@app.command()
def delete(
    project: ProjectId,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Take the declaration of a project away; what it spent stays in the books."""
    _say(project, api_client(url, token, home.expanduser()).delete(_path(project)))


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with a list `projects:`.")],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether the file is right.")] = False,
    if_revision: Annotated[int | None, typer.Option(help="Only if this revision is in force.", min=0)] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare the projects of a file: they replace all that are managed, everywhere, within a second."""
    declared, _ = read_declarations(file, "projects")
    if is_dry_run:
        from voicegateway_controller.projects.definitions import validated

        output.line(f"{file} is right: {len(validated(declared))} projects. Nothing was declared.")
        return
    client = api_client(url, token, home.expanduser())
    applied = client.put(PATH, {"projects": declared}, if_match=None if if_revision is None else str(if_revision))
    say_applied(applied, "projects")


@app.command()
def export(url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Print the declared projects as a file that `voicegw projects apply` takes."""
    client = api_client(url, token, home.expanduser())
    report = client.get(PATH, limit="1")
    declared = [each for each in every_project(client, with_archived=True) if each["is_declared"]]
    shown = [{"id": each["id"], **{key: each[key] for key in _DECLARED if each[key]}} for each in declared]
    print_declared({**report, "projects": shown}, "projects")


def every_project(client: ApiClient, *, with_archived: bool) -> list[dict[str, Any]]:
    """Return all projects that the token reaches, page by page."""
    found: list[dict[str, Any]] = []
    query = {"with_archived": str(with_archived).lower(), "limit": str(PAGE)}
    for _ in range(PAGES_MAX):
        page = client.get(PATH, **query)
        found += page["projects"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    return found


def _say(project: str, made: dict[str, Any]) -> None:
    state = "is declared no more" if made["item"] is None else f"is declared ({made['item']['source']})"
    output.line(f"{project} {state}; revision {made['revision']}" + ("" if made["is_changed"] else ": as before"))
    for warning in made["warnings"]:
        output.line(f"note: {warning}", style="yellow")


def _labelled(before: dict[str, str], told: list[str]) -> dict[str, str]:
    labels = dict(before)
    for each in told:
        key, separator, value = each.partition("=")
        if not separator or not key:
            raise ConfigurationError(f"--label {each!r}: write key=value, or key= to take it away")
        labels[key] = value
    return {key: value for key, value in labels.items() if value}


def _path(project: str) -> str:
    return f"{PATH}/{quote(project, safe='')}"
