"""`voicegw config`: what holds and where it is from, and whether a file is right."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from voicegateway_controller.cli import config_change, exits, output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.config_file import PATH, File, declared, read_configuration
from voicegateway_controller.cli.config_tables import print_origins, print_status
from voicegateway_shared.document import DocumentWrong, Problem
from voicegateway_shared.errors import ConfigurationError

app = typer.Typer(help="The configuration: what holds, from which layer; files, versions.", no_args_is_help=True)
app.command()(config_change.diff)
app.command()(config_change.apply)
app.command()(config_change.versions)
app.command()(config_change.rollback)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sections = Annotated[list[str] | None, typer.Option("--section", help="Only this section; may be repeated.")]


@app.command()
def show(
    is_effective: Annotated[
        bool, typer.Option("--effective", help="What holds, of all layers, instead of what is managed.")
    ] = False,
    has_origin: Annotated[bool, typer.Option("--origin", help="A table of what holds, and where it is from.")] = False,
    section: Sections = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print what is managed as a file that `voicegw config apply` takes; or what holds, and where it is declared."""
    report = api_client(url, token, home.expanduser()).get(PATH)
    wanted = _wanted(section, report["sections"])
    if is_json:
        kept = {name: {key: report[name][key] for key in wanted if key in report[name]} for name in _PARTS}
        output.as_json({"version": report["version"], **kept})
    elif has_origin:
        print_origins(report, wanted)
    else:
        part = report["document" if is_effective else "managed"]
        said = {
            key: part[key] for key in (*wanted, *(key for key in part if key not in report["sections"])) if key in part
        }
        what = "what holds, of all layers" if is_effective else "what is managed"
        output.text(f"# version {report['version']}: {what}\n")
        output.text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True))


@app.command()
def validate(
    file: File = None,
    is_online: Annotated[
        bool, typer.Option("--online", help="Also hold it against what the controller's other layers say.")
    ] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Check a file, without a controller: every mistake with its line, column and key. Exit code 1 when it has any."""
    from voicegateway_controller.configuration.document import check

    folder = home.expanduser()
    try:
        document = read_configuration(file, folder)
        problems = check(document)
    except DocumentWrong as error:
        if any(not each.line and "cannot be read" in each.message for each in error.problems):
            raise
        document, problems = None, error.problems
    if document is not None and not problems and is_online:
        client = api_client(url, token, folder)
        answer = client.post(f"{PATH}/validate", {"document": declared(document), "layer": "db"})
        problems = tuple(
            document.problem(f"{each['place']}: {each['problem']}" if each["place"] else each["problem"])
            for each in answer["problems"]
        )
    name = document.name if document is not None else problems[0].file
    if is_json:
        output.as_json({"file": name, "is_valid": not problems, "problems": [each.as_json() for each in problems]})
    else:
        _print_problems(name, problems)
        if document is not None and document.data.get("controller"):
            output.line(
                "note: nobody reads `controller:`; its settings are variables of its environment.", style="yellow"
            )
    if problems:
        raise typer.Exit(exits.NO)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file instead.")] = None,
) -> None:
    """Print the JSON Schema of voicegw.yaml, by which editors complete and check it."""
    text = json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        output.text(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out}: {error.strerror}") from error
    output.line(f"{out} is written.")


@app.command()
def status(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Show how each layer stands, at every replica, and what of a file is wrong. Exit code 1 when anything is."""
    report = api_client(url, token, home.expanduser()).get(f"{PATH}/status")
    if is_json:
        output.as_json(report)
    else:
        print_status(report)
    if report["problems"]:
        raise typer.Exit(exits.NO)


_PARTS: Final = ("document", "managed", "sections")


def _schema() -> dict[str, Any]:
    from voicegateway_controller.configuration.document.schema import build_schema
    from voicegateway_controller.limits.providers import known_providers

    return build_schema(known_providers())


def _wanted(section: list[str] | None, known: dict[str, Any]) -> list[str]:
    for name in section or ():
        if name not in known:
            raise ConfigurationError(f"--section {name!r} is unknown; take one of {', '.join(known)}")
    return [name for name in known if not section or name in section]


def _print_problems(name: str, problems: tuple[Problem, ...]) -> None:
    for each in problems:
        sys.stdout.write(f"{each}\n")
    if problems:
        output.line(f"{name}: {len(problems)} mistake{'s' if len(problems) > 1 else ''}.", style="red")
    else:
        output.line(f"{name} is right.")
