"""`voicegw providers`: how vendors fare; switch them off and on by hand."""

import re
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/providers"
UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
COLUMNS: Final = {
    "name": "model",
    "modality": "kind",
    "account": "account",
    "region": "region",
    "state": "state",
    "cause": "cause",
    "retry": "again in",
    "p50": "p50 ms",
    "p95": "p95 ms",
}

app = typer.Typer(help="How vendors fare; switch them off and on.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Option(help="Only this model of it.")]


@app.command("list")
def list_health(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """List every model that workers asked: breaker, time to first byte; and what is switched off."""
    found = api_client(url, token, home.expanduser()).get(f"{PATH}/health")
    if is_json:
        output.as_json(found)
        return
    title = "vendors, as workers see them" + ("" if found["is_live"] else " (Redis is away: what was known last)")
    output.as_table(COLUMNS, [_row(each) for each in found["targets"]], title=title)
    for each in found["disabled"]:
        output.line(_switched_off(each))


@app.command()
def disable(
    provider: Annotated[
        str, typer.Argument(help="As in model strings: openai, deepgram; or one model: openai/gpt-4.1.")
    ],
    model: Model = "",
    lasts: Annotated[str | None, typer.Option("--for", help="30m, 1h, 2d; default: until you enable it.")] = None,
    reason: Annotated[str, typer.Option(help="For those who wonder.")] = "",
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Have workers ask others than a vendor, or one of its models; an agent that has no other goes on with it."""
    provider, model = _parted(provider, model)
    asked = {"model": model, "for_s": None if lasts is None else _seconds(lasts), "reason": reason}
    client = api_client(url, token, home.expanduser())
    made = client.post(f"{PATH}/{quote(provider, safe='')}/disabled", asked)
    if is_json:
        output.as_json(made)
    else:
        output.line(_switched_off(made))


@app.command()
def enable(
    provider: Annotated[str, typer.Argument(help="As it was disabled.")],
    model: Model = "",
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Let workers ask it again."""
    provider, model = _parted(provider, model)
    client = api_client(url, token, home.expanduser())
    left = client.delete(f"{PATH}/{quote(provider, safe='')}/disabled", model=model)
    if is_json:
        output.as_json(left)
        return
    output.line(f"{_name(provider, model)} is on again")
    for each in left["disabled"]:
        output.line(_switched_off(each))


def _parted(provider: str, model: str) -> tuple[str, str]:
    """Take `openai/gpt-4.1` for a provider and its model. Raises ConfigurationError."""
    name, _, rest = provider.partition("/")
    if rest and model:
        raise ConfigurationError(f"{provider!r} names a model, and --model {model!r} another: write one of them")
    return name, rest or model


def _seconds(text: str) -> int:
    """Read `90s`, `30m`, `1h` or `2d`. Raises ConfigurationError."""
    found = re.fullmatch(r"(\d{1,7})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise ConfigurationError(f"--for {text!r} is no time: write 90s, 30m, 1h or 2d")
    return int(found[1]) * UNITS_S[found[2]]


def _row(target: dict[str, Any]) -> dict[str, str]:
    name = _name(target["provider"], target["model"] or "(the account)")
    slow = " (slow)" if target["is_degraded"] else ""
    return {
        **{key: target[key] for key in ("modality", "account", "region", "cause")},
        "name": name,
        "state": target["state"] + slow,
        "retry": f"{-(-target['retry_ms'] // 1_000)} s" if target["retry_ms"] else "",
        "p50": str(target["ttfb_p50_ms"] or ""),
        "p95": str(target["ttfb_p95_ms"] or ""),
    }


def _switched_off(each: dict[str, Any]) -> str:
    until = "until somebody enables it" if each["until"] is None else f"until {each['until'][:19]}Z"
    reason = f": {each['reason']}" if each["reason"] else ""
    return f"{_name(each['provider'], each['model'])} is off {until}{reason}"


def _name(provider: str, model: str) -> str:
    return f"{provider}/{model}" if model else provider
