"""`voicegw logs`: what happened last, and with `-f` what happens now."""

import json
import sys
import time
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.event_lines import Heard, events_in, line_of
from voicegateway_controller.client import ApiClient, ControllerUnreachable
from voicegateway_shared.errors import VoiceGatewayError

PATH: Final = "/api/v1/events"
PAUSE_MIN_S: Final = 1.0
PAUSE_MAX_S: Final = 15.0
"""Between two tries to come back to a controller that went away."""


def logs(
    is_following: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", help="How many of the last events.", min=0, max=1_000)] = 20,
    kind: Annotated[
        list[str] | None, typer.Option(help="request, session, alert, breaker, provider, worker, configuration.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this call's.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this vendor's.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model, without its provider.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Of requests: ok, cancelled, interrupted, error.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show requests as they are settled with what they cost, calls as they begin and end, alerts, breakers, changes.

    JSON lines in a pipe. It finds its way back to a controller that was restarted, and goes on where it was.
    """
    client = api_client(url, token, home.expanduser())
    asked = {"project": project, "session": session, "provider": provider, "model": model, "outcome": outcome}
    query: dict[str, str | list[str]] = {name: value for name, value in asked.items() if value is not None}
    if kind:
        query["kind"] = kind
    last = "0-0"
    if count:
        found = client.get(f"{PATH}/recent", **query, limit=str(count))
        for each in found["events"]:
            _print(each, is_machine=is_json)
        last = found["last_id"]
    if is_following:
        _follow(client, query, last if count else None, is_machine=is_json)


def _follow(client: ApiClient, query: dict[str, str | list[str]], last: str | None, *, is_machine: bool) -> None:
    """Print events until Ctrl-C; come back whenever the answer ends."""
    pause_s = PAUSE_MIN_S
    while True:
        try:
            more = {} if last is None else {"after": last}
            for heard in events_in(client.lines(PATH, **query, **more)):
                pause_s = PAUSE_MIN_S
                if heard.kind == "end" and heard.data.get("code") != "closing":
                    raise VoiceGatewayError(str(heard.data.get("detail", "the controller ended the stream")))
                last = heard.id or last
                _show(heard, is_machine=is_machine)
        except ControllerUnreachable as error:
            output.error(f"{error}; trying again in {pause_s:g} s")
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, PAUSE_MAX_S)


def _show(heard: Heard, *, is_machine: bool) -> None:
    if heard.kind == "end":
        return
    if heard.kind == "gap":
        event = {"id": "", "kind": "gap", "at": "", "project": "", "data": heard.data}
        if not is_machine:
            output.line(f"… {heard.data.get('detail', 'some events are missing')}", style="yellow")
            return
        _print(event, is_machine=True)
        return
    _print(heard.data, is_machine=is_machine)


def _print(event: dict[str, Any], *, is_machine: bool) -> None:
    if is_machine:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()
        return
    text, style = line_of(event)
    output.console.print(text, style=style or None, soft_wrap=True, highlight=False, markup=False)
