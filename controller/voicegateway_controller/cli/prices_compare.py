"""`voicegw prices diff|drift`: two lists of prices held against each other, and ours against other people's."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url
from voicegateway_controller.cli.costs import instant
from voicegateway_shared.errors import ConfigurationError

LIBRARY: Final = "genai-prices"
LITELLM: Final = "litellm-json"
DIFF_COLUMNS: Final = (
    "change",
    "provider",
    "model",
    "modality",
    "meter",
    "context",
    "layer",
    "scope",
    "a",
    "b",
    "ratio",
)
DRIFT_COLUMNS: Final = (
    "status", "provider", "model", "their_model", "meter", "context", "what", "ours", "theirs", "ratio", "reason",
    "price_id",
)  # fmt: skip
_DECIDES: Final = (
    "amount",
    "currency",
    "per",
    "credit_price",
    "multiplier",
    "discount",
    "basis",
    "tiers",
    "list_amount",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Row = dict[str, Any]


def diff(
    one: Annotated[str, typer.Argument(help="An instant or day, `now`, `builtin`, `genai-prices`, or a price file.")],
    other: Annotated[str, typer.Argument(help="The same, to compare it with.")] = "now",
    provider: Annotated[str, typer.Option(help="Only this provider.")] = "",
    is_known: Annotated[
        bool, typer.Option("--as-of", help="Instants say what was known then, not what was in force then.")
    ] = False,
    is_json: Json = False,
    is_csv: Csv = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Say which prices two lists have differently. Exit code 1 when any."""
    from voicegateway_controller.cli.prices_source import controller_or_none
    from voicegateway_controller.cli.prices_tables import context_text, difference_table

    client = controller_or_none(url, token, home)
    sides = [_side(text, client=client, provider=provider, is_known=is_known) for text in (one, other)]
    changes = differences(*sides)
    if is_json:
        output.as_json({"a": one, "b": other, "changes": changes})
    elif is_csv:
        output.as_csv(DIFF_COLUMNS, [{**each, "context": context_text(each["when"])} for each in changes])
    elif changes:
        output.console.print(difference_table(changes, one=one, other=other))
    else:
        output.line(f"{one} and {other} have the same {len(sides[0])} prices.")
    if changes:
        raise typer.Exit(1)


def drift(
    file: Annotated[Path | None, typer.Argument(help="LiteLLM's price map, where it is compared with that.")] = None,
    against: Annotated[str, typer.Option(help="genai-prices, or litellm-json with a FILE.")] = LIBRARY,
    provider: Annotated[str, typer.Option(help="Only this provider.")] = "",
    at: Annotated[str | None, typer.Option(help="At this instant or day (UTC); default: now.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Show what agrees, too.")] = False,
    is_json: Json = False,
    is_csv: Csv = False,
) -> None:
    """Hold our list prices against another public price map. Exit code 1 when a difference is new."""
    from voicegateway_controller.catalog.importing.drift import compare
    from voicegateway_controller.cli.prices_rate import offline_catalog
    from voicegateway_controller.cli.prices_source import utc_text
    from voicegateway_controller.cli.prices_tables import drift_table

    now = datetime.now(UTC)
    moment = now if at is None else instant(at, now=now, name="at")
    catalog = offline_catalog()
    models = [model for model in _other_map(against, file, catalog) if provider in ("", model.provider)]
    found = compare(catalog, models, at=moment, against=against, is_rounded=against == LITELLM)
    shown = [_compared(each) for each in found.compared if is_all or each.status != "agrees"]
    shown.sort(key=lambda each: (each["status"] != "new", each["provider"], each["model"], each["meter"]))
    counts = {status: len(found.of(status)) for status in ("agrees", "known", "new")}
    if is_json:
        one_sided = {"only_ours": found.only_ours, "only_theirs": found.only_theirs}
        output.as_json({"against": against, "at": utc_text(moment), **counts, "differences": shown, **one_sided})
    elif is_csv:
        output.as_csv(DRIFT_COLUMNS, shown)
    else:
        if shown:
            output.console.print(drift_table(shown, against=against))
            for reason in dict.fromkeys(each["reason"] for each in shown if each["reason"]):
                output.line(f"known: {reason}", style="dim")
        output.line(
            f"{len(found.compared)} prices compared: {counts['agrees']} agree, {counts['known']} differ as known, "
            f"{counts['new']} are new. Models only we price: {len(found.only_ours)}, "
            f"only they: {len(found.only_theirs)}."
        )
    if counts["new"]:
        raise typer.Exit(1)


def differences(one: Mapping[tuple[object, ...], Row], other: Mapping[tuple[object, ...], Row]) -> list[Row]:
    """Return what two lists of rows by place say differently, in the order of places."""
    found = []
    for place in sorted({*one, *other}, key=repr):
        before, after = one.get(place), other.get(place)
        if before is not None and after is not None and _same(before, after):
            continue
        row = after or before or {}
        found.append(
            {
                "change": "added" if before is None else "removed" if after is None else "changed",
                **{key: row[key] for key in ("provider", "model", "modality", "meter", "when", "layer", "scope")},
                "a": None if before is None else _said(before),
                "b": None if after is None else _said(after),
                "ratio": _ratio(before, after),
                "a_price_id": None if before is None else before["price_id"],
                "b_price_id": None if after is None else after["price_id"],
            }
        )
    return found


def _side(text: str, *, client: Any, provider: str, is_known: bool) -> dict[tuple[object, ...], Row]:
    """The rows of one side of a comparison, by what they are the price of."""
    from voicegateway_controller.cli.prices_source import given, listed, place_of, rows_of, utc_text
    from voicegateway_shared.pricing.catalog import Catalog

    now = datetime.now(UTC)
    at_hand: Callable[[Iterable[Any]], Iterable[Row]] = lambda prices: rows_of(  # noqa: E731
        prices, today=now.date(), at=now, provider=provider
    )
    if text == "builtin":
        rows: Iterable[Row] = at_hand(Catalog.builtin().prices)
    elif text == LIBRARY:
        rows = at_hand(_library_prices(provider))
    elif Path(text).suffix in (".yaml", ".yml") or Path(text).is_file():
        rows = at_hand(_file_prices(Path(text)))
    else:
        moment = now if text == "now" else instant(text, now=now, name="at")
        if client is None:
            prices = Catalog.builtin().prices
            rows = rows_of(prices, today=now.date(), at=moment, provider=provider)
        else:
            stated = utc_text(moment)
            rows = listed(
                client, **given(provider=provider, at=None if is_known else stated, as_of=stated if is_known else None)
            )["prices"]
    found: dict[tuple[object, ...], Row] = {}
    for row in rows:
        # A managed list price stands in for the built-in one of its place.
        if place_of(row) not in found or row["layer"] != "builtin":
            found[place_of(row)] = row
    return found


def _file_prices(path: Path) -> list[Any]:
    from voicegateway_shared.pricing.document import read_document
    from voicegateway_shared.pricing.errors import CatalogError

    try:
        document = read_document(path.read_text("utf-8"), name=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if document.problems:
        raise CatalogError(document.problems)
    return document.prices


def _library_prices(provider: str) -> list[Any]:
    from voicegateway_controller.catalog.importing.price_file import import_library
    from voicegateway_shared.pricing.catalog import Catalog

    imported = import_library(
        read_on=datetime.now(UTC).date(), providers=[provider] if provider else [], known=Catalog.builtin()
    )
    return [price for file in imported.files for price in file.document.prices]


def _other_map(against: str, file: Path | None, catalog: Any) -> Iterable[Any]:
    from voicegateway_controller.catalog.importing.genai import read_library
    from voicegateway_controller.catalog.importing.litellm import read_litellm
    from voicegateway_controller.catalog.importing.price_file import declared_conditions
    from voicegateway_controller.catalog.importing.published import PublishedModel

    if against == LITELLM:
        if file is None:
            raise ConfigurationError(
                f"--against {LITELLM} needs the FILE: LiteLLM's map as you have it; none is fetched"
            )
        return read_litellm(file)
    if against != LIBRARY:
        raise ConfigurationError(f"--against {against!r} must be {LIBRARY} or {LITELLM}")
    if file is not None:
        raise ConfigurationError(f"{LIBRARY} is read as it is installed, not from a file")
    return [each for each in read_library(declared_conditions(catalog)) if isinstance(each, PublishedModel)]


def _compared(each: Any) -> Row:
    from voicegateway_controller.cli.prices_tables import context_text, ratio_text, short_per

    return {
        "status": each.status,
        "provider": each.provider,
        "model": each.model,
        "their_model": each.their_model,
        "meter": each.meter,
        "when": each.when,
        "context": context_text(each.when),
        "what": each.what,
        "ours": f"${each.ours.amount}{short_per(str(each.ours.per))}",
        "theirs": f"${each.theirs.amount:f}{short_per(each.theirs.per)}",
        "ratio": ratio_text(each.ratio),
        "reason": each.reason,
        "price_id": each.ours.price_id,
    }


def _same(one: Row, other: Row) -> bool:
    if any(one[key] != other[key] for key in _DECIDES if key not in ("amount", "per")):
        return False
    return _rate(one) == _rate(other)


def _rate(row: Row) -> Fraction:
    """Dollars or credits for one base unit: `4.00` per minute is `0.0667` a second written otherwise."""
    from voicegateway_shared.pricing.quantity import parse_quantity

    return Fraction(row["amount"]) / parse_quantity(row["per"]).in_base


def _ratio(one: Row | None, other: Row | None) -> str | None:
    from voicegateway_controller.cli.prices_tables import ratio_text

    if one is None or other is None or one["currency"] != other["currency"] or not _rate(one):
        return None
    return ratio_text(_rate(other) / _rate(one))


def _said(row: Row) -> str:
    from voicegateway_controller.cli.prices_tables import short_price

    return short_price(row)
