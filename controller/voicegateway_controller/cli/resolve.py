"""`voicegw resolve`: who would serve a request now, and why not the others."""

from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.keys import has_key_here
from voicegateway_controller.cli.resolve_tables import candidates_table, headline, reasons

PATH: Final = "/api/v1/resolve"


def resolve(
    asked: Annotated[
        list[str] | None,
        typer.Argument(help="Models, or the name of one chain or stack; default: the project's defaults."),
    ] = None,
    project: Annotated[str, typer.Option(help="Who pays.")] = "default",
    modality: Annotated[str | None, typer.Option(help="stt, llm, tts or realtime; default: all that fit.")] = None,
    session: Annotated[str, typer.Option(help="The session that asks, for chains that are `sticky`.")] = "",
    is_explaining: Annotated[
        bool, typer.Option("--explain", help="Show every candidate with its reasons, price and speed.")
    ] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show who would serve a request now, by what the fleet knows. Exit code 1 when nobody can."""
    client = api_client(url, token, home.expanduser())
    query: dict[str, Any] = {"project": project, "session": session, "asked": asked or []}
    if modality is not None:
        query["modality"] = modality
    answer = client.get(PATH, **query)
    for part in answer["parts"]:
        for each in part["candidates"]:
            each["has_key_here"] = has_key_here(each["provider"])
    if is_json:
        output.as_json(answer)
    else:
        _print(answer, is_explaining=is_explaining)
    if not all(part["serves"] for part in answer["parts"]):
        raise typer.Exit(1)


def _print(answer: dict[str, Any], *, is_explaining: bool) -> None:
    for part in answer["parts"]:
        output.console.print(headline(part, answer))
        if is_explaining:
            output.console.print(candidates_table(part, width=output.console.width))
            for reason in reasons(part, width=output.console.width):
                output.line(f" {reason}")
    for note in answer["notes"]:
        output.line(f"note: {note}", style="yellow")
    if not answer["is_live"]:
        output.line("Redis is away: nobody knows how limits and budgets are.", style="red")
    if is_explaining:
        output.line(
            "By what the fleet knows. `key here` is this shell's; workers have their own keys and packages.",
            style="dim",
        )
