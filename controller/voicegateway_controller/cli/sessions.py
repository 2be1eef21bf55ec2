"""`voicegw sessions`: which calls are live and what they cost; end them."""

import sys
import time
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/sessions"
ORDER_TIMEOUT_S: Final = 60.0
"""Two thousand sessions are told in a few seconds."""
POLL_S: Final = 1.0
COLUMNS: Final = {
    "session_id": "session",
    "project": "project",
    "agent": "agent",
    "room": "room",
    "started_at": "started",
    "amount_usd": "USD so far",
}

app = typer.Typer(help="Live sessions: what they cost, and how to end them.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_live(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List the live sessions with what they have cost so far, the one that started last first."""
    live = api_client(url, token, home.expanduser()).get("/api/v1/live")
    rows = [each for each in live["sessions"] if project in (None, each["project"])]
    if is_json:
        output.as_json(rows)
    else:
        output.as_table(COLUMNS, _shown(rows), title=f"{live['calls']} live in {live['workers']} processes")


@app.command()
def end(
    session_id: Annotated[str | None, typer.Argument(help="One session, as the list shows it.")] = None,
    project: Annotated[str | None, typer.Option(help="Every live session of this project.")] = None,
    over: Annotated[str | None, typer.Option(help="Every live session that cost more than so many USD: 2.00")] = None,
    sentence: Annotated[str, typer.Option(help="Spoken first; default: the worker's own.")] = "",
    reason: Annotated[str, typer.Option(help="For logs and alerts.")] = "",
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be ended.")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait_s: Annotated[float, typer.Option(help="Wait so long until they have ended.", min=0, max=600)] = 0.0,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Tell workers to say goodbye and to end sessions; when one does not, the runner asks LiveKit to.

    Exit code 1 when no session matches, when you say no, and when one is still live after --wait-s.
    """
    path, order = _order(session_id, project, over)
    order |= {"sentence": sentence, "reason": reason}
    client = api_client(url, token, home.expanduser())
    found = client.post(path, {**order, "dry_run": True}, timeout_s=ORDER_TIMEOUT_S)
    if is_dry_run or not found["sessions"]:
        _show(found, is_json=is_json)
        raise typer.Exit(0 if found["sessions"] else 1)
    if not is_sure and not _is_confirmed(found):
        output.line("nothing was ended.")
        raise typer.Exit(1)
    told = client.post(path, {**order, "dry_run": False}, timeout_s=ORDER_TIMEOUT_S)
    still_live = _wait(client, {each["session_id"] for each in told["sessions"]}, wait_s)
    _show({**told, "still_live": sorted(still_live)} if wait_s else told, is_json=is_json)
    if wait_s and still_live:
        output.error(f"{len(still_live)} are still live after {wait_s:g} s: see {PATH}/endings")
        raise typer.Exit(1)


def _order(session_id: str | None, project: str | None, over: str | None) -> tuple[str, dict[str, Any]]:
    """Return where to send which order.

    Raises:
        ConfigurationError: it does not say which sessions, or says it twice.
    """
    if session_id is not None and (project is not None or over is not None):
        raise ConfigurationError("end one session, or those of --project and --over: not both")
    if session_id is not None:
        return f"{PATH}/{quote(session_id, safe='')}/end", {}
    if project is None and over is None:
        raise ConfigurationError("which sessions: give an id, --project, --over 2.00 or both")
    return f"{PATH}/end", {"project": project, "over": over}


def _is_confirmed(found: dict[str, Any]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"this would end {len(found['sessions'])} live sessions: pass --yes")
    _show(found, is_json=False)
    return typer.confirm(f"End {len(found['sessions'])} live sessions?")


def _wait(client: ApiClient, ids: set[str], wait_s: float) -> set[str]:
    """Return those that are not known to have ended when the time is up, or none as soon as all have."""
    deadline_s = time.monotonic() + wait_s
    while wait_s:
        live = client.get("/api/v1/live")
        # Beyond a thousand not all are listed: then nobody knows who is missing.
        is_whole = live["calls"] == len(live["sessions"])
        ids = ids & {each["session_id"] for each in live["sessions"]} if is_whole else ids
        if not ids or time.monotonic() >= deadline_s:
            break
        time.sleep(POLL_S)
    return ids


def _shown(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return them with the second of their start: what people read."""
    return [{**each, "started_at": f"{each['started_at'][:19].replace('T', ' ')}Z"} for each in sessions]


def _show(told: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        output.as_json(told)
        return
    if not told["sessions"]:
        output.line("no live session matches.")
        return
    what = "would be told to end" if told["is_dry_run"] else "told to end"
    output.as_table(COLUMNS, _shown(told["sessions"]), title=f"{len(told['sessions'])} {what}")
    if told["left_out"]:
        output.line(f"{told['left_out']} more match than one order ends: order again.")
