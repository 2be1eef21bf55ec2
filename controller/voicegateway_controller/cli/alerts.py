"""`voicegw alerts`: what was told and whether it arrived; deliver it again; try the channels."""

import time
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.client import ApiClient

PATH: Final = "/api/v1/alerts"
PAGE: Final = 200
"""As many as the API gives at once."""
TEST_WAIT_S: Final = 60.0
"""Longer than any channel may take for one attempt."""
POLL_S: Final = 0.5

app = typer.Typer(help="What was told, whether it arrived, and how to try the channels.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_newest(
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=PAGE)] = 50,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, such as budget_threshold.")] = None,
    state: Annotated[str | None, typer.Option(help="Only with a delivery that is pending, delivered or dead.")] = None,
    cursor: Annotated[str | None, typer.Option(help="The next page: what the last page's end says.")] = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List the alerts, the newest first, with how their deliveries are."""
    asked = {"project": project, "kind": kind, "state": state, "cursor": cursor}
    query = {name: value for name, value in asked.items() if value is not None}
    page = api_client(url, token, home.expanduser()).get(PATH, limit=str(limit), **query)
    if is_json:
        output.as_json(page)
        return
    columns = ("raised_at", "severity", "kind", "project", "title", "deliveries", "id")
    rows = [
        {**each, "raised_at": each["raised_at"][:19].replace("T", " "), "deliveries": _deliveries(each)}
        for each in page["alerts"]
    ]
    output.as_table({column: column.replace("_", " ") for column in columns}, rows, title="alerts, times in UTC")
    if page["next"] is not None:
        output.line(f"more: --cursor {page['next']}")


@app.command()
def redeliver(
    alert_id: Annotated[str, typer.Argument(help="The alert's id, as the list shows it.")],
    channel: Annotated[str | None, typer.Option(help="Only to this channel: webhook, slack or email.")] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Deliver an alert again, at once. Exit code 1 when there was nothing to deliver again."""
    path = f"{PATH}/{alert_id}/redeliver" + ("" if channel is None else f"?channel={channel}")
    channels = api_client(url, token, home.expanduser()).post(path, {})["channels"]
    if not channels:
        output.error("nothing is delivered again: no delivery of it was given up or has arrived")
        raise typer.Exit(1)
    output.line(f"delivered again to: {', '.join(channels)}")


@app.command("test")
def try_channels(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Send a test to every channel and wait for what comes of it. Exit code 1 unless it arrived everywhere."""
    client = api_client(url, token, home.expanduser())
    alert = _settled(client, client.post(f"{PATH}/test", {})["id"])
    if is_json:
        output.as_json(alert)
    elif not alert["is_routed"]:
        output.error("no runner has taken it: is `voicegw runner` running?")
    elif not alert["deliveries"]:
        output.error("no channel is set up: set VOICEGATEWAY_ALERT_… for the runner, see docs/guides/alerts.md")
    else:
        for each in alert["deliveries"]:
            output.line(f"{each['channel']}: {each['state']} {each['last_error']}".rstrip())
    if not alert["deliveries"] or any(each["state"] != "delivered" for each in alert["deliveries"]):
        raise typer.Exit(1)


def _settled(client: ApiClient, alert_id: str) -> dict[str, Any]:
    """Wait until each delivery was tried once; return the alert as it is then."""
    deadline_s = time.monotonic() + TEST_WAIT_S
    while True:
        page = client.get(PATH, kind="test", limit=str(PAGE))
        alert: dict[str, Any] = next(each for each in page["alerts"] if each["id"] == alert_id)
        is_tried = all(each["state"] != "pending" or each["last_error"] for each in alert["deliveries"])
        if (alert["is_routed"] and is_tried) or time.monotonic() >= deadline_s:
            return alert
        time.sleep(POLL_S)


def _deliveries(alert: dict[str, Any]) -> str:
    if not alert["is_routed"]:
        return "waiting"
    return ", ".join(f"{each['channel']} {each['state']}" for each in alert["deliveries"]) or "no channel"
