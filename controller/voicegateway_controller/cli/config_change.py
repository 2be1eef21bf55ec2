"""`voicegw config diff|apply|versions|rollback`: what would change, change it, see who did, go back."""

from typing import Annotated, Any

import typer

from voicegateway_controller.cli import exits, output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.config_file import PATH, File, declared, placed, read_configuration
from voicegateway_controller.cli.config_tables import print_changes, print_version, print_versions
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the log.")]
IfVersion = Annotated[
    int | None, typer.Option(help="Only if this version is in force; see `voicegw config versions`.", min=0)
]
LAYERS = ("db", "yaml", "env")
VERSIONS_DEFAULT = 20


def diff(
    file: File = None,
    layer: Annotated[str, typer.Option(help="As if it were this layer: db, yaml or env.")] = "db",
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show what would change if a file were applied. Exit code 0 when nothing would, 1 when anything would."""
    from voicegateway_controller.configuration.document import checked

    if layer not in LAYERS:
        raise ConfigurationError(f"--layer {layer!r} is unknown; take one of {', '.join(LAYERS)}")
    folder = home.expanduser()
    document = checked(read_configuration(file, folder))
    client = api_client(url, token, folder)
    try:
        answer = client.post(f"{PATH}/diff", {"document": declared(document), "layer": layer})
    except VoiceGatewayError as error:
        raise placed(document, error) from error
    if is_json:
        output.as_json(answer)
    else:
        print_changes(answer)
    if answer["changes"] or answer["effective_changes"]:
        raise typer.Exit(exits.NO)


def apply(
    file: File = None,
    is_dry_run: DryRun = False,
    reason: Reason = "",
    if_version: IfVersion = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare a file's sections, all or nothing; sections that it has not stay. The same again changes nothing."""
    from voicegateway_controller.configuration.document import checked

    folder = home.expanduser()
    document = checked(read_configuration(file, folder))
    asked = {"document": declared(document), "dry_run": is_dry_run, "reason": reason}
    client = api_client(url, token, folder)
    try:
        answer = client.post(f"{PATH}/apply", asked, if_match=None if if_version is None else str(if_version))
    except VoiceGatewayError as error:
        raise placed(document, error) from error
    _say(answer, is_json=is_json)


def versions(
    number: Annotated[int | None, typer.Argument(help="Show this one, and what it changed.", min=1)] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = VERSIONS_DEFAULT,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List who changed which layer, when and why, the newest first; or show one change."""
    client = api_client(url, token, home.expanduser())
    if number is not None:
        answer = client.get(f"{PATH}/versions/{number}")
        shown: Any = print_version
    else:
        answer, shown = client.get(f"{PATH}/versions", limit=str(limit)), print_versions
    if is_json:
        output.as_json(answer)
    else:
        shown(answer)


def rollback(
    number: Annotated[int, typer.Argument(help="What is managed becomes what it was after this version.", min=1)],
    is_dry_run: DryRun = False,
    reason: Reason = "",
    if_version: IfVersion = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Go back to a version, as a new one. What files and variables declare stays theirs. Exit code 1 on no."""
    client = api_client(url, token, home.expanduser())
    route = f"{PATH}/versions/{number}/rollback"
    planned = client.post(route, {"dry_run": True, "reason": reason}, if_match=_if_match(if_version))
    if is_dry_run or not planned["changes"]:
        _say(planned, is_json=is_json)
        return
    if not is_sure:
        print_changes(planned)
        if not typer.confirm(f"Go back to version {number}?", err=True):
            raise typer.Exit(exits.NO)
    _say(
        client.post(route, {"dry_run": False, "reason": reason}, if_match=_if_match(if_version)),
        is_json=is_json,
    )


def _if_match(version: int | None) -> str | None:
    return None if version is None else str(version)


def _say(answer: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        output.as_json(answer)
        return
    if answer["is_dry_run"]:
        print_changes(answer)
        output.line("Nothing was changed.")
    elif answer["is_changed"]:
        print_changes(answer)
        output.line(f"version {answer['version']} is in force.")
    else:
        output.line(f"version {answer['version']} is in force already: nothing has changed.")
    for warning in answer["warnings"]:
        output.line(f"note: {warning}", style="yellow")
