"""`voicegw prices`: see prices and rate by them; setting and comparing them stand beside."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from voicegateway_controller.cli import output, prices_change, prices_compare, prices_import
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url
from voicegateway_controller.cli.costs import instant
from voicegateway_shared.errors import VoiceGatewayError

app = typer.Typer(help="Prices: seen, rated by, set, imported, compared.", no_args_is_help=True)
app.command("set")(prices_change.set_price)
app.command("import")(prices_import.import_prices)
app.command("verify")(prices_change.verify)
app.command("withdraw")(prices_change.withdraw)
app.command("diff")(prices_compare.diff)
app.command("drift")(prices_compare.drift)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Offline = Annotated[bool, typer.Option("--offline", help="By the built-in list prices, without a controller.")]
AsOf = Annotated[str | None, typer.Option(help="By what was known at this instant; default: what is known now.")]
Modality = Annotated[str | None, typer.Option(help="stt, llm, tts, realtime, transport or telephony.")]


@app.command("list")
def list_prices(
    name: Annotated[str, typer.Argument(help="A provider, or provider/model; default: all.")] = "",
    modality: Modality = None,
    meter: Annotated[str | None, typer.Option(help="Only this meter, such as audio_sent_ms.")] = None,
    layer: Annotated[str | None, typer.Option(help="builtin, managed, account or project.")] = None,
    project: Annotated[str | None, typer.Option(help="Only contract prices of this project.")] = None,
    account: Annotated[str | None, typer.Option(help="Only contract prices of this key, by its fingerprint.")] = None,
    at: Annotated[str | None, typer.Option(help="In force at this instant or day (UTC); default: now.")] = None,
    as_of: AsOf = None,
    has_history: Annotated[bool, typer.Option("--history", help="Past and future prices too.")] = False,
    is_stale: Annotated[bool, typer.Option("--stale", help="Only those nobody has verified for 60 days.")] = False,
    is_offline: Offline = False,
    is_json: Json = False,
    is_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List the prices that hold: what for, how much, which layer, from when to when, and when last verified."""
    from voicegateway_controller.cli.prices_source import controller_or_none, given, listed, split_name, utc_text
    from voicegateway_controller.cli.prices_tables import LIST_COLUMNS, csv_rows, prices_table

    now = datetime.now(UTC)
    provider, model = split_name(name) if name else ("", "")
    moment = now if at is None else instant(at, now=now, name="at")
    client = None if is_offline else controller_or_none(url, token, home)
    if client is None:
        answer = _builtin(provider, model, modality or "", meter or "", at=None if has_history else moment)
        if is_stale:
            answer["prices"] = [row for row in answer["prices"] if row["is_stale"]]
        if layer not in (None, "builtin") or project or account:
            answer["prices"] = []
        answer["total"] = len(answer["prices"])
    else:
        query = given(
            provider=provider,
            model=model,
            modality=modality,
            meter=meter,
            layer=layer,
            project=project,
            account=account,
            at=None if at is None else utc_text(moment),
            as_of=None if as_of is None else utc_text(instant(as_of, now=now, name="as-of")),
            history="true" if has_history else None,
            is_stale="true" if is_stale else None,
        )
        answer = listed(client, **query)
    if is_json:
        output.as_json(answer)
    elif is_csv:
        output.as_csv(LIST_COLUMNS, csv_rows(answer["prices"]))
    else:
        stale = sum(row["is_stale"] for row in answer["prices"])
        title = f"{answer['total']} prices, {stale} stale; catalogue {answer['version']}"
        title += " (built in, no controller)" if client is None else f", revision {answer['revision']}"
        output.console.print(prices_table(answer["prices"], width=output.console.width, title=title))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A price id, or provider/model.")],
    as_of: AsOf = None,
    is_offline: Offline = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show everything about a price: basis, rounding, tiers, window, source, who verified it; and its history."""
    from voicegateway_controller.cli.prices_source import controller_or_none, given, utc_text
    from voicegateway_controller.cli.prices_tables import price_facts, records_table

    now = datetime.now(UTC)
    client = None if is_offline else controller_or_none(url, token, home)
    known = given(as_of=None if as_of is None else utc_text(instant(as_of, now=now, name="as-of")))
    answer = _shown_offline(name) if client is None else _shown(client, name, known)
    if is_json:
        output.as_json(answer)
        return
    for row in answer["prices"]:
        output.console.print(price_facts(row))
    if answer["content"] is not None and not answer["prices"]:
        output.line(f"{name} is in no catalogue any more; what was rated by it says:")
        output.as_json(answer["content"])
    if answer["records"]:
        output.console.print(records_table(answer["records"]))


@app.command()
def rate(
    provider: Annotated[str, typer.Option("--provider", help="The provider, such as deepgram.")],
    model: Annotated[str, typer.Option("--model", help="The vendor's own model id, such as nova-3.")],
    usage: Annotated[
        list[str], typer.Option("--usage", help="What was used, such as audio_sent_s=12.34; give it once per meter.")
    ],
    context: Annotated[
        list[str] | None,
        typer.Option("--context", help="How: `streaming`, `batch`, `priority`, plan=scale, channels=2, …"),
    ] = None,
    modality: Modality = None,
    project: Annotated[str, typer.Option(help="Whose contract prices count.")] = "",
    account: Annotated[str, typer.Option(help="By which key, as its fingerprint.")] = "",
    at: Annotated[str | None, typer.Option(help="At this instant or day (UTC); default: now.")] = None,
    as_of: AsOf = None,
    files: Annotated[
        list[Path] | None, typer.Option("--file", help="A further price file; implies --offline.", exists=True)
    ] = None,
    is_offline: Offline = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Say what a usage costs, to twelve decimals. Exit code 1: a part has no price; 2: the question is wrong."""
    from voicegateway_controller.cli.prices_rate import Question, complaint, offline_catalog, rate_here
    from voicegateway_controller.cli.prices_rate_there import is_unpriced, rate_there, refuse_online_only
    from voicegateway_controller.cli.prices_source import controller_or_none
    from voicegateway_controller.cli.prices_tables import rating_table

    now = datetime.now(UTC)
    question = Question(
        provider=provider,
        model=model,
        modality=modality,
        usage=tuple(usage),
        context=tuple(context or ()),
        at=now if at is None else instant(at, now=now, name="at"),
        project=project,
        account=account,
    )
    known_at = None if as_of is None else instant(as_of, now=now, name="as-of")
    client = None if is_offline or files else controller_or_none(url, token, home)
    if client is None:
        refuse_online_only(question, known_at)
        answer = rate_here(question, offline_catalog(files or ()))
    else:
        try:
            answer = rate_there(question, client, as_of=known_at)
        except VoiceGatewayError as error:
            if not is_unpriced(str(error)):
                raise
            output.error(str(error))
            raise typer.Exit(1) from error
    wrong = complaint(answer)
    if is_json:
        output.as_json(answer)
    else:
        output.console.print(rating_table(answer))
        for note in answer["notes"]:
            output.line(f"note: {note}", style="yellow")
    if wrong is not None:
        output.error(wrong)
        raise typer.Exit(1)


def _builtin(provider: str, model: str, modality: str, meter: str, *, at: datetime | None) -> dict[str, Any]:
    """The built-in list in the shape of the API's."""
    from voicegateway_controller.cli.prices_rate import offline_catalog
    from voicegateway_controller.cli.prices_source import rows_of, utc_text

    catalog = offline_catalog()
    wanted = {"provider": provider, "model": model, "modality": modality, "meter": meter}
    rows = rows_of(catalog.prices, today=datetime.now(UTC).date(), at=at, **wanted)
    return {
        "revision": 0,
        "version": catalog.version,
        "at": utc_text(at),
        "as_of": None,
        "prices": sorted(rows, key=lambda row: (row["provider"], row["model"], row["modality"], row["meter"])),
        "next": None,
    }


def _shown(client: Any, name: str, known: dict[str, str]) -> dict[str, Any]:
    from voicegateway_controller.cli.prices_source import detail, listed, records, split_name

    if "@" in name:
        found = detail(client, name, **known)
        history = records(client, price_id=name)
        return {"prices": [found["price"]] if found["price"] else [], "content": found["content"], "records": history}
    provider, model = split_name(name)
    rows = listed(client, provider=provider, model=model, history="true", **known)["prices"]
    if not rows:
        raise VoiceGatewayError(f"no prices of {name}; `voicegw prices list {provider}` lists what there is")
    ids = {row["price_id"] for row in rows}
    history = _about(records(client, provider=provider), model, ids)
    return {"prices": rows, "content": None, "records": history}


def _about(history: list[dict[str, Any]], model: str, ids: set[str]) -> list[dict[str, Any]]:
    """The records of a model's prices, and those that withdraw one or stand in for one."""
    found: list[dict[str, Any]] = []
    numbers: set[int] = set()
    for record in reversed(history):
        content = record["content"]
        if content.get("model") == model or content.get("price_id") in ids or record["supersedes"] in numbers:
            numbers.add(record["record_id"])
            found.append(record)
    return found[::-1]


def _shown_offline(name: str) -> dict[str, Any]:
    from voicegateway_controller.cli.prices_rate import offline_catalog
    from voicegateway_controller.cli.prices_source import row_of, rows_of, split_name
    from voicegateway_controller.cli.prices_usage import nearest

    catalog = offline_catalog()
    if "@" in name:
        price = catalog.price(name)
        rows = [] if price is None else [row_of(price, today=datetime.now(UTC).date(), layer="builtin")]
    else:
        provider, model = split_name(name)
        rows = list(rows_of(catalog.prices, today=datetime.now(UTC).date(), at=None, provider=provider, model=model))
    if not rows:
        names = {price.price_id if "@" in name else f"{price.provider}/{price.model}" for price in catalog.prices}
        raise VoiceGatewayError(f"no price {name!r} is built in; nearest: {nearest(name, names)}")
    return {"prices": rows, "content": None, "records": []}
