"""`voicegw prices set|verify|withdraw`: what operators agree, read and take back; nothing is ever overwritten."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_shared.errors import ConfigurationError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept for ever beside who and when.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Project = Annotated[str, typer.Option(help="For this project alone: a contract price.")]
Account = Annotated[str, typer.Option(help="For one vendor key alone, by its fingerprint; `*`: for every key.")]


def set_price(
    name: Annotated[str, typer.Argument(help="provider/model; a provider alone for a plan or a discount.")],
    meter: Annotated[str | None, typer.Option(help="What is billed, such as audio_sent_ms.")] = None,
    amount: Annotated[str | None, typer.Option(help="US dollars, as published.")] = None,
    credit: Annotated[str | None, typer.Option("--credits", help="Credits instead of dollars.")] = None,
    per: Annotated[str | None, typer.Option(help="For how much: '1 minute', '1_000_000 tokens'.")] = None,
    minimum: Annotated[str | None, typer.Option(help="The least that is billed: '10 seconds'.")] = None,
    increment: Annotated[str | None, typer.Option(help="Billed in whole steps of: '1 minute'.")] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", help="For these circumstances only: `streaming`, plan=scale, …")
    ] = None,
    modality: Annotated[str | None, typer.Option(help="Default: all in which the list prices this meter.")] = None,
    discount: Annotated[
        str | None, typer.Option(help="Instead of an amount: what is paid of the list price; 0.85 is 15 % off.")
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="Instead: the plan requests are on. With --amount and --per: what its credits cost."),
    ] = None,
    project: Project = "",
    account: Account = "",
    since: Annotated[str | None, typer.Option("--from", help="From this instant or day (UTC); default: now.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this instant or day (UTC); default: open.")] = None,
    source: Annotated[str, typer.Option(help="Where it stands: a page's address, a contract's number.")] = "",
    is_replacing: Annotated[
        bool, typer.Option("--replace", help="Withdraw prices of the same layer that begin within the window.")
    ] = False,
    reason: Reason = "set by hand",
    is_dry_run: DryRun = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Set a price, a discount, or a plan: a list price, or with --project or --account a contract's."""
    from voicegateway_controller.cli.prices_source import PATH, split_name, utc_text

    now = datetime.now(UTC)
    provider, model = split_name(name)
    asked: dict[str, Any] = {"provider": provider, "project": project, "account": account, "reason": reason}
    asked["is_dry_run"] = is_dry_run
    for key, text in (("effective_from", since), ("effective_to", until)):
        if text is not None:
            asked[key] = utc_text(instant(text, now=now, name=key))
    when = _context(context or [], provider)
    if discount is not None:
        _refuse_beside("--discount", amount=amount, credits=credit, plan=plan, per=per)
        path = f"{PATH}/discounts"
        asked |= {"multiplier": discount, "model": model, "modality": modality or "", "meter": meter or ""}
        asked |= {"when": when, "source_url": source}
    elif plan is not None:
        _refuse_beside("--plan", credits=credit, meter=meter, model=model)
        path = f"{PATH}/plans" if amount is None else f"{PATH}/credit-prices"
        asked["plan"] = plan
        if amount is not None:
            asked |= {"amount": amount, "per": _needed("--per", per), "source_url": source}
    else:
        path = PATH
        row: dict[str, Any] = {
            "meter": _needed("--meter", meter),
            "per": per,
            "minimum": minimum,
            "increment": increment,
        }
        row |= {"amount": amount, "credits": credit, "when": when or None}
        if (amount is None) == (credit is None) or not model:
            raise ConfigurationError(
                "say what is to be set: provider/model with --meter and --amount (or --credits), --discount, or --plan"
            )
        asked |= {"model": model, "modality": modality, "source_url": source, "is_replacing": is_replacing}
        asked["price"] = {key: value for key, value in row.items() if value is not None}
    _say(api_client(url, token, home.expanduser()).post(path, asked), is_json=is_json)


def verify(
    names: Annotated[list[str], typer.Argument(help="Price ids, provider/model, or a provider: all of its prices.")],
    source: Annotated[
        str, typer.Option("--url-read", help="The page it was read on; default: where it was before.")
    ] = "",
    on: Annotated[str | None, typer.Option(help="The day it was read, 2026-11-22; default: today.")] = None,
    reason: Reason = "read again",
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Record that prices were read at their source again, unchanged: by whom, where, on which day."""
    from voicegateway_controller.cli.prices_source import PATH, listed, split_name
    from voicegateway_shared.errors import VoiceGatewayError

    client = api_client(url, token, home.expanduser())
    ids: dict[str, None] = {}
    for name in names:
        if "@" in name:
            ids[name] = None
            continue
        provider, model = split_name(name)
        found = listed(client, provider=provider, **({"model": model} if model else {}))["prices"]
        if not found:
            raise VoiceGatewayError(f"no prices of {name}; `voicegw prices list` lists what there is")
        ids |= dict.fromkeys(row["price_id"] for row in found)
    asked: dict[str, Any] = {"price_ids": list(ids), "source_url": source, "reason": reason}
    if on is not None:
        asked["verified_on"] = _day(on)
    answer = client.post(f"{PATH}/verifications", asked)
    if is_json:
        output.as_json(answer)
        return
    done = sum(change["action"] == "verified" for change in answer["changes"])
    output.line(f"{done} prices are verified (revision {answer['revision']}); {len(ids) - done} were already that day.")


def withdraw(
    price: Annotated[str | None, typer.Argument(help="A price id; or give --record.")] = None,
    record: Annotated[int | None, typer.Option(help="A record's number, as `voicegw prices show` lists it.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept for ever beside who and when.")] = "withdrawn by hand",
    is_dry_run: DryRun = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Take a managed price back by another record: what it had closed holds again; entries keep what they cost."""
    from urllib.parse import quote

    from voicegateway_controller.cli.prices_source import PATH, RECORDS_PATH

    if (price is None) == (record is None):
        raise ConfigurationError("say what is withdrawn: either a price id or --record N")
    path = f"{RECORDS_PATH}/{record}" if price is None else f"{PATH}/{quote(price, safe='/')}"
    query = {"reason": reason, **({"is_dry_run": "true"} if is_dry_run else {})}
    _say(api_client(url, token, home.expanduser()).delete(path, **query), is_json=is_json)


def _say(applied: dict[str, Any], *, is_json: bool) -> None:
    from voicegateway_controller.cli.prices_tables import changes_table

    if is_json:
        output.as_json(applied)
        return
    if applied["is_dry_run"]:
        title = "nothing was changed; this would be"
    elif applied["is_changed"]:
        title = f"revision {applied['revision']} holds, everywhere within two seconds"
    else:
        title = f"revision {applied['revision']}: nothing has changed"
    output.console.print(changes_table(applied["changes"], title=title))
    for warning in applied["warnings"]:
        output.line(f"note: {warning}", style="yellow")


def _context(texts: list[str], provider: str) -> dict[str, str]:
    if not texts:
        return {}
    from voicegateway_controller.cli.prices_usage import read_context
    from voicegateway_shared.pricing.catalog import Catalog

    catalog = Catalog.builtin()
    known = [price for price in catalog.prices if price.provider == provider]
    conditions = catalog.conditions(provider)
    when, notes = read_context(texts, provider=provider, conditions=conditions, prices=known, is_open=True)
    if notes:
        raise ConfigurationError(f"{notes[0]}; write key=value for a word of your own")
    return when


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ConfigurationError(f"--on {text!r} is no day; write 2026-11-22") from error


def _needed(name: str, value: str | None) -> str:
    if not value:
        raise ConfigurationError(f"{name} is missing")
    return value


def _refuse_beside(name: str, **others: str | None) -> None:
    wrong = [f"--{other}" if other != "model" else "a model" for other, value in others.items() if value]
    if wrong:
        raise ConfigurationError(f"{name} cannot stand beside {', '.join(wrong)}")
