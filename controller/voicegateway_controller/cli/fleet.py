"""`voicegw fleet`: the workers and their job processes as they are; drain them; how far the configuration has come."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/workers"
PAGE: Final = 500
PAGES_MAX: Final = 40
"""Twenty thousand processes: as many as a controller knows."""
POLL_S: Final = 1.0
COLUMNS: Final = {
    "id": "process",
    "kind": "kind",
    "agent": "agent",
    "version": "shim / agents",
    "load": "load",
    "calls": "calls",
    "state": "state",
    "configuration": "configuration",
    "seen": "seen",
}
BEHIND_COLUMNS: Final = {"id": "process", "kind": "kind", "part": "part", "known": "knows", "newest": "newest"}
PART_COLUMNS: Final = {"part": "part", "newest": "newest", "up_to_date": "up to date", "behind": "behind"}

app = typer.Typer(
    help="The workers: list and drain them, see which know the newest configuration.", no_args_is_help=True
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[
    list[str] | None,
    typer.Argument(help="A process as the list shows it, the beginning of one, or LiveKit's name of a worker."),
]
Host = Annotated[str | None, typer.Option(help="Only those on this host.")]
Agent = Annotated[str | None, typer.Option(help="Only those of this agent.")]
Reason = Annotated[str, typer.Option(help="For the audit log and whoever looks.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_processes(
    host: Host = None,
    agent: Agent = None,
    is_without_jobs: Annotated[bool, typer.Option("--workers", help="Leave out job processes.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List workers and job processes: agent, versions, load, calls, drained, configuration up to date or behind."""
    rows = every_process(api_client(url, token, home.expanduser()), host, agent, "worker" if is_without_jobs else None)
    if is_json:
        output.as_json(rows)
        return
    workers = sum(row["kind"] == "worker" for row in rows)
    calls = sum(row["sessions"] for row in rows)
    title = f"{workers} workers, {len(rows) - workers} job processes, {calls} calls"
    output.as_table(COLUMNS, [_shown(row) for row in rows], title=title)


@app.command()
def drain(
    which: Which = None,
    host: Host = None,
    agent: Agent = None,
    reason: Reason = "",
    wait_s: Annotated[float, typer.Option(help="Wait so long until their calls have ended.", min=0, max=86_400)] = 0.0,
    is_sure: Sure = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Let workers take no new job; their calls go on to their end. Holds until `undrain` or their restart.

    Exit code 1 when no worker matches, when you say no, and when one still has calls after --wait-s.
    """
    client = api_client(url, token, home.expanduser())
    rows = _ordered(client, "drain", which, host, agent, reason=reason, is_sure=is_sure)
    busy = _wait(client, [row["id"] for row in rows], wait_s) if wait_s else []
    _tell(rows, "drained: they take no new job", is_json=is_json)
    if busy:
        output.error(f"still with calls after {wait_s:g} s: {', '.join(busy)}")
        raise typer.Exit(1)


@app.command()
def undrain(
    which: Which = None,
    host: Host = None,
    agent: Agent = None,
    reason: Reason = "",
    is_sure: Sure = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Let workers take jobs again. Exit code 1 when no worker matches, and when you say no."""
    client = api_client(url, token, home.expanduser())
    rows = _ordered(client, "undrain", which, host, agent, reason=reason, is_sure=is_sure)
    _tell(rows, "told to take jobs again", is_json=is_json)


@app.command("config-status")
def config_status(
    wait_s: Annotated[float, typer.Option(help="Wait so long until all are up to date.", min=0, max=3_600)] = 0.0,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Which processes know the newest limits, budgets and chains. Exit code 1 when one is behind."""
    client = api_client(url, token, home.expanduser())
    deadline_s = time.monotonic() + wait_s
    found = client.get(f"{PATH}/config-status")
    while found["behind"] and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
        found = client.get(f"{PATH}/config-status")
    if is_json:
        output.as_json(found)
    else:
        title = f"{found['up_to_date']} of {found['processes']} processes are up to date"
        output.as_table(
            PART_COLUMNS, [{**each, "newest": each["newest"] or "?"} for each in found["parts"]], title=title
        )
        if found["behind"]:
            rows = [{**each, "known": each["known"] or "–"} for each in found["behind"]]
            output.as_table(BEHIND_COLUMNS, rows, title="behind")
    if found["behind"]:
        raise typer.Exit(1)


def every_process(client: ApiClient, host: str | None, agent: str | None, kind: str | None) -> list[dict[str, Any]]:
    """Return the fleet's processes, page by page."""
    asked = {"host": host, "agent": agent, "kind": kind, "limit": str(PAGE)}
    query: dict[str, str | list[str]] = {name: value for name, value in asked.items() if value is not None}
    rows: list[dict[str, Any]] = []
    for _ in range(PAGES_MAX):
        page = client.get(PATH, **query)
        rows += page["workers"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    return rows


def _ordered(
    client: ApiClient,
    what: str,
    which: Sequence[str] | None,
    host: str | None,
    agent: str | None,
    *,
    reason: str,
    is_sure: bool,
) -> list[dict[str, Any]]:
    """Give the order to all that match, once it was said twice where they are several."""
    if not which and host is None and agent is None:
        raise ConfigurationError(f"which workers: `voicegw fleet {what} WORKER`, --host or --agent")
    workers = every_process(client, host, agent, "worker")
    chosen = [_one(workers, each) for each in which] if which else workers
    if not chosen:
        output.error("no worker matches: `voicegw fleet list --workers` shows who is there")
        raise typer.Exit(1)
    if len(chosen) > 1 and not is_sure and not _is_confirmed(what, chosen):
        output.line("nothing was ordered.")
        raise typer.Exit(1)
    return [client.post(f"{PATH}/{quote(row['id'], safe='')}/{what}", {"reason": reason}) for row in chosen]


def _one(workers: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    found = [row for row in workers if name in (row["id"], row["worker_id"])]
    found = found or [row for row in workers if row["id"].startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        output.error(f"no worker is called {name!r}: `voicegw fleet list --workers` shows who is there")
    else:
        output.error(f"{name!r} may be any of {', '.join(row['id'] for row in found)}: say more of it")
    raise typer.Exit(1)


def _is_confirmed(what: str, chosen: Sequence[dict[str, Any]]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"this would {what} {len(chosen)} workers: pass --yes")
    output.as_table(COLUMNS, [_shown(row) for row in chosen], title=f"{len(chosen)} workers")
    return typer.confirm(f"{what.capitalize()} {len(chosen)} workers?")


def _wait(client: ApiClient, ids: Sequence[str], wait_s: float) -> list[str]:
    """Return those that still have calls when the time is up; one that is gone has none."""
    deadline_s = time.monotonic() + wait_s
    while True:
        rows = {row["id"]: row for row in every_process(client, None, None, "worker")}
        busy = [
            each for each in ids if each in rows and not (rows[each]["is_drained"] and not rows[each]["active_jobs"])
        ]
        if not busy or time.monotonic() >= deadline_s:
            return busy
        time.sleep(POLL_S)


def _tell(rows: Sequence[dict[str, Any]], what: str, *, is_json: bool) -> None:
    if is_json:
        output.as_json(rows)
        return
    output.as_table(COLUMNS, [_shown(row) for row in rows], title=f"{len(rows)} {what}, within a second")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people read it."""
    is_worker = row["kind"] == "worker"
    return {
        **row,
        "version": f"{row['shim_version']} / {row['agents_version'] or '?'}",
        "load": f"{row['load_permille'] / 10:.0f} %" if is_worker else "",
        "calls": row["active_jobs"] if is_worker else row["sessions"],
        "state": _state(row),
        "configuration": "up to date" if row["is_up_to_date"] else f"behind: {', '.join(row['behind'])}",
        "seen": _ago(row["seen_at"]),
    }


def _state(row: dict[str, Any]) -> str:
    if row["kind"] == "job":
        return "in a call" if row["sessions"] else "waiting"
    if row["is_drain_ordered"] and not row["is_drained"]:
        return "to be drained"
    if row["is_drained"]:
        why = row["drain_reason"] if row["is_drain_ordered"] else "shutting down"
        return f"drained: {why}" if why else "drained"
    return "takes jobs"


def _ago(at: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    return f"{max(0.0, seconds):.0f} s ago"
