"""What a usage costs, rated by hand by the prices at hand, and why."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from voicegateway_controller.cli.prices_usage import nearest, read_context, read_usage
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing.catalog import Catalog
from voicegateway_shared.pricing.document import read_document
from voicegateway_shared.pricing.nodes import read_nodes
from voicegateway_shared.pricing.price import MODALITIES
from voicegateway_shared.pricing.rating import Rating, RatingRequest, rate_by
from voicegateway_shared.pricing.selection import ModelPrices
from voicegateway_shared.usage import METERS

LOCAL_NODES: Final = "VOICEGATEWAY_LOCAL_NODES"
_EXPLAINED: Final[Mapping[str, str]] = {
    "no_price_for_context": "it has prices, none for these circumstances",
    "no_price_for_meter": "another context of this model bills this meter, this one does not say",
    "no_price_at_time": "it has prices, none in force at that instant",
    "no_billable_usage": "none of what was used is billed",
    "inconsistent_usage": "a part is larger than its whole",
    "unusable_context": "a count in the context is not a number from 1 to 64",
    "amount_out_of_range": "the quantity or the amount is larger than the ledger can hold",
}


class UnknownModel(ConfigurationError):
    """The catalogue has no such provider, or the provider no such model; the message names those like it."""

    code = "unknown_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be rated, as it was typed."""

    provider: str
    model: str
    modality: str | None
    usage: tuple[str, ...]
    context: tuple[str, ...]
    at: datetime
    project: str = ""
    account: str = ""


def offline_catalog(files: Iterable[Path] = ()) -> Catalog:
    """Return the built-in prices, what local nodes are said to cost here, and further price files.

    Raises:
        ConfigurationError: a file cannot be read, or its prices are wrong.
    """
    documents = list(read_nodes(os.environ.get(LOCAL_NODES, ""), stated_on=datetime.now(UTC).date()))
    for file in files:
        try:
            documents.append(read_document(file.read_text("utf-8"), name=str(file)))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from error
    return Catalog.builtin().extended(documents) if documents else Catalog.builtin()


def rate_here(question: Question, catalog: Catalog) -> dict[str, Any]:
    """Rate a question by a catalogue at hand, without a controller; return the answer as it is printed.

    Raises:
        ConfigurationError: the question is wrong: a provider, model, meter or word that nobody knows.
    """
    usage = read_usage(question.usage)
    asked = _asked(question, catalog)
    rated = []
    for modality, prices in asked:
        context, notes = read_context(
            question.context, provider=question.provider, conditions=prices.conditions, prices=prices.prices
        )
        request = RatingRequest(
            provider=question.provider,
            model=question.model,
            modality=modality,
            at=question.at,
            usage=usage,
            context=context,
            project=question.project,
            account=question.account,
        )
        rated.append((modality, prices, request, notes, rate_by(prices, request)))
    modality, prices, request, notes, rating = _the_one(question, rated)
    return _answer(request, rating, prices, catalog=catalog, notes=notes)


def complaint(answer: Mapping[str, Any]) -> str | None:
    """Return why an answer's amount is not the whole price, or None when it is."""
    unrated = [line for line in answer["lines"] if line["unrated_reason"] is not None]
    if not unrated:
        return None
    name = f"{answer['provider']}/{answer['model']}"
    parts = []
    for line in unrated:
        reason = line["unrated_reason"]
        said = _EXPLAINED.get(reason, reason)
        parts.append(f"{line['meter']}: {said} ({reason})")
    billed = ", ".join(answer["bills"]) or "nothing"
    return f"{name} is not fully priced: {'; '.join(dict.fromkeys(parts))}. It bills: {billed}"


def twelve(amount_pico_usd: int) -> str:
    """Return an amount with all its twelve decimals."""
    sign = "-" if amount_pico_usd < 0 else ""
    whole, part = divmod(abs(amount_pico_usd), PICO_PER_USD)
    return f"{sign}{whole}.{part:012d}"


def _asked(question: Question, catalog: Catalog) -> list[tuple[str, ModelPrices]]:
    """The model's prices in the modality that was asked for, or in each it has."""
    wanted = MODALITIES if question.modality is None else (question.modality,)
    if question.modality is not None and question.modality not in MODALITIES:
        raise ConfigurationError(f"--modality {question.modality!r} must be one of {', '.join(MODALITIES)}")
    found = [
        (modality, prices)
        for modality in wanted
        if not isinstance(
            prices := catalog.model(provider=question.provider, model=question.model, modality=modality), str
        )
    ]
    if found:
        return found
    raise UnknownModel(_unknown(question, catalog))


def _unknown(question: Question, catalog: Catalog) -> str:
    providers = {price.provider for price in catalog.prices}
    if question.provider not in providers:
        return (
            f"no prices of a provider {question.provider!r}; nearest: {nearest(question.provider, providers)}. "
            "`voicegw prices import` and `voicegw prices set` add some"
        )
    others = [
        modality
        for modality in MODALITIES
        if not isinstance(catalog.model(provider=question.provider, model=question.model, modality=modality), str)
    ]
    name = f"{question.provider}/{question.model}"
    if others:
        return f"{name} has no {question.modality} prices; it has prices for {', '.join(others)}"
    models = {price.model for price in catalog.prices if price.provider == question.provider}
    return (
        f"{name} has no price: {question.provider} has no model or alias of that name; "
        f"nearest: {nearest(question.model, models)}"
    )


_Rated = tuple[str, ModelPrices, RatingRequest, list[str], Rating]


def _the_one(question: Question, rated: list[_Rated]) -> _Rated:
    """The rating that was meant: the only one, the only one that rates, or any of several that agree."""
    complete = [each for each in rated if not each[-1].is_unrated]
    choices = complete or rated
    # A price's id names its modality too; what is charged may well be the same.
    charged = {tuple((line.meter, line.amount_pico_usd) for line in each[-1].lines) for each in choices}
    if len(charged) == 1 or not complete:
        return choices[0]
    amounts = ", ".join(f"{each[0]} {twelve(each[-1].amount_pico_usd)}" for each in choices)
    raise ConfigurationError(
        f"{question.provider}/{question.model} costs differently by modality ({amounts} USD); say which with --modality"
    )


def _answer(
    request: RatingRequest, rating: Rating, prices: ModelPrices, *, catalog: Catalog, notes: list[str]
) -> dict[str, Any]:
    lines = []
    for line in rating.lines:
        price = None if line.price_id is None else catalog.price(line.price_id)
        lines.append(
            {
                "meter": line.meter,
                "unit": METERS[line.meter].unit,
                "quantity": line.quantity,
                "billed_quantity": line.billed_quantity,
                "price": None if price is None else price.amount,
                "currency": None if price is None else "USD" if price.credit_rate is None else "credits",
                "per": None if price is None else str(price.per),
                "amount_usd": twelve(line.amount_pico_usd),
                "list_amount_usd": twelve(line.list_amount_pico_usd),
                "price_id": line.price_id,
                "layer": None if price is None else "builtin",
                "unrated_reason": line.unrated_reason,
            }
        )
    billed = {line.meter for line in rating.lines}
    return {
        "provider": request.provider,
        "model": request.model,
        "priced_as": prices.prices[0].model,
        "modality": request.modality,
        "context": dict(request.context),
        "at": _utc(request.at),
        "as_of": None,
        "project": request.project,
        "account": request.account,
        "catalogue": catalog.version,
        "is_offline": True,
        "currency": "USD",
        "amount_usd": twelve(rating.amount_pico_usd),
        "list_amount_usd": twelve(rating.list_amount_pico_usd),
        "is_unrated": rating.is_unrated,
        "lines": lines,
        "price_ids": [line.price_id for line in rating.lines if line.price_id is not None],
        "bills": list(prices.meters),
        "not_billed": {meter: quantity for meter, quantity in request.usage.items() if meter not in billed},
        "notes": notes,
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
