"""`voicegw models`: what is priced, known and used."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client

PATH: Final = "/api/v1/models"
PAGES_MAX: Final = 100
COLUMNS: Final = {
    "model": "model",
    "modality": "kind",
    "typical": "typical $",
    "ttfb": "p50 ms",
    "requests": "24 h",
    "amount": "$ 24 h",
}
WIDE: Final = {**COLUMNS, "health": "health", "reason": "no price because", "chains": "chains"}
_CENTS: Final = Decimal("0.0001")
_MILLIONTHS: Final = Decimal("0.000001")


class Only(StrEnum):
    """Which models to list."""

    all = "all"
    used = "used"
    priced = "priced"
    unpriced = "unpriced"


def models(
    provider: Annotated[str | None, typer.Option(help="Only this vendor's.")] = None,
    modality: Annotated[str | None, typer.Option(help="stt, llm, tts or realtime.")] = None,
    project: Annotated[str | None, typer.Option(help="Count this project's requests.")] = None,
    only: Annotated[Only, typer.Option(help="used: within the last 24 hours.")] = Only.all,
    is_wide: Annotated[bool, typer.Option("--wide", help="Also health, chains, and why there is no price.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List models: what a typical request costs now, how each fares, and how much it was asked."""
    client = api_client(url, token, home.expanduser())
    asked = {"provider": provider, "modality": modality, "project": project}
    query = {"only": only.value, "limit": "500", **{key: value for key, value in asked.items() if value is not None}}
    rows: list[dict[str, Any]] = []
    for _ in range(PAGES_MAX):
        page = client.get(PATH, **query)
        rows += page["models"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    if is_json:
        output.as_json(rows)
        return
    shown = [_row(each) for each in rows]
    output.as_table(WIDE if is_wide else COLUMNS, shown, title=f"{len(rows)} models")
    ill = [f"{each['model']} is {each['health']}" for each in shown if each["is_ill"]]
    for line in () if is_wide else ill:
        output.line(line, style="yellow")
    output.line(
        "typical: a turn of 1,000 tokens in and 100 out (llm), a minute heard (stt), 200 characters spoken (tts)",
        style="dim",
    )


def _row(each: dict[str, Any]) -> dict[str, Any]:
    typical, health = each["typical_usd"], str(each["health"])
    cause = f": {each['cause']}" if each["cause"] else ""
    return {
        **each,
        "typical": "–" if typical is None else _short(typical, _MILLIONTHS),
        "reason": each["unpriced_reason"].replace("_", " "),
        "health": "" if health == "unknown" else health.replace("_", " ") + cause,
        "is_ill": health not in ("unknown", "ok"),
        "ttfb": each["ttfb_p50_ms"] or "",
        "requests": each["requests"] or "",
        "amount": _short(each["amount_usd"], _CENTS) if each["requests"] else "",
        "chains": ", ".join(each["chains"]),
    }


def _short(text: str, least: Decimal) -> str:
    """Round up what is smaller than can be shown: JSON has it exactly."""
    amount = Decimal(text)
    if amount and amount < least:
        amount = least
    return f"{amount.quantize(least).normalize():f}"
