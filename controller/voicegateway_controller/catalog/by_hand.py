"""Usage rated by hand: what it costs, or why nothing can be said. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voicegateway_controller.catalog import schemas
from voicegateway_controller.catalog.view import layer_of
from voicegateway_controller.errors import Unrated
from voicegateway_shared.pricing import Catalog, Rating, RatingRequest, rate
from voicegateway_shared.pricing.price import MODALITIES
from voicegateway_shared.usage import METERS

NAMES_MAX: Final = 12
"""Names offered in an error."""
_USD_DECIMALS: Final = 12
_WHY: Final[Mapping[str, str]] = {
    "unknown_provider": "no price names this provider",
    "unknown_model": "the provider has no such model, nor an alias, in this modality",
    "no_price_for_context": "the model has prices, none for this context",
    "no_price_for_meter": "another context of this model bills this meter, this one does not say",
    "no_price_at_time": "there are prices, none in force at this instant",
    "no_billable_usage": "none of the meters that the model bills is there",
    "inconsistent_usage": "a part is larger than its whole, or a quantity is negative",
    "unusable_context": "a count such as channels is not a number from 1 to 64",
    "amount_out_of_range": "more than a ledger can hold",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to rate."""

    provider: str
    model: str
    modality: str | None
    context: Mapping[str, str]
    usage: Mapping[str, int]
    project: str
    account: str
    at: datetime


def rate_by_hand(question: Question, catalog: Catalog) -> tuple[str, Rating]:
    """Return the modality and the rating.

    Raises:
        Unrated: a name is unknown, or some of the usage has no price; the message names it, the reason, and what is
            known.
    """
    unknown = sorted(question.usage.keys() - METERS.keys())
    if unknown:
        raise Unrated(f"{unknown[0]!r} is no meter; known are {', '.join(METERS)}")
    if question.modality is not None and question.modality not in MODALITIES:
        raise Unrated(f"{question.modality!r} is no modality; known are {', '.join(MODALITIES)}")
    wanted = (question.modality,) if question.modality is not None else _modalities(question, catalog)
    rated = [(modality, rate(_request(question, modality), catalog)) for modality in wanted]
    sound = [(modality, rating) for modality, rating in rated if not rating.is_unrated]
    if len({(rating.amount_pico_usd, rating.list_amount_pico_usd) for _, rating in sound}) > 1:
        raise Unrated(f"{question.model!r} is priced in {', '.join(modality for modality, _ in sound)}: say modality")
    if sound:
        return sound[0]
    raise Unrated(_reasons(question, rated[0][1], catalog))


def answer(question: Question, modality: str, rating: Rating, catalog: Catalog, *, revision: int) -> schemas.Rated:
    """Return the rating as JSON has it."""
    return schemas.Rated(
        provider=question.provider,
        model=catalog.name(question.provider, question.model),
        modality=modality,
        at=question.at,
        as_of=None,
        project=question.project,
        account=question.account,
        amount_usd=twelve_decimals(rating.amount_pico_usd),
        list_amount_usd=twelve_decimals(rating.list_amount_pico_usd),
        lines=[
            schemas.RatedLineOf(
                meter=line.meter,
                quantity=line.quantity,
                billed_quantity=line.billed_quantity,
                amount_usd=twelve_decimals(line.amount_pico_usd),
                list_amount_usd=twelve_decimals(line.list_amount_pico_usd),
                price_id=line.price_id,
                layer=layer_of(price) if (price := catalog.price(line.price_id or "")) is not None else None,
            )
            for line in rating.lines
        ],
        version=catalog.version,
        revision=revision,
    )


def twelve_decimals(pico_usd: int) -> str:
    """Return an amount with all its decimals."""
    whole, part = divmod(abs(pico_usd), 10**_USD_DECIMALS)
    return f"{'-' if pico_usd < 0 else ''}{whole}.{part:0{_USD_DECIMALS}d}"


def _request(question: Question, modality: str) -> RatingRequest:
    return RatingRequest(
        provider=question.provider,
        model=question.model,
        modality=modality,
        at=question.at,
        usage=question.usage,
        context=question.context,
        project=question.project,
        account=question.account,
    )


def _modalities(question: Question, catalog: Catalog) -> list[str]:
    found = [
        modality
        for modality in MODALITIES
        if not isinstance(
            catalog.model(
                provider=question.provider,
                model=question.model,
                modality=modality,
                project=question.project,
                account=question.account,
            ),
            str,
        )
    ]
    if found:
        return found
    providers = sorted({price.provider for price in catalog.prices})
    if question.provider not in providers:
        raise Unrated(f"provider {question.provider!r}: {_WHY['unknown_provider']}; known are {', '.join(providers)}")
    models = {price.model for price in catalog.prices if price.provider == question.provider}
    raise Unrated(f"model {question.model!r}: {_WHY['unknown_model']}; {_known(models, question.model)}")


def _reasons(question: Question, rating: Rating, catalog: Catalog) -> str:
    reasons = [
        f"{line.meter}: {line.unrated_reason} ({_WHY.get(str(line.unrated_reason), '')})"
        for line in rating.lines
        if line.unrated_reason is not None
    ]
    first = next(line.unrated_reason for line in rating.lines if line.unrated_reason is not None)
    billed = sorted(
        {
            price.meter
            for price in catalog.prices
            if (price.provider, price.model) == (question.provider, catalog.name(question.provider, question.model))
        }
    )
    more = f"; it bills {', '.join(billed)}" if first == "no_billable_usage" and billed else ""
    if first == "unknown_model":
        models = {price.model for price in catalog.prices if price.provider == question.provider}
        more = f"; {_known(models, question.model)}"
    return f"{question.provider}/{question.model}: {'; '.join(reasons)}{more}"


def _known(models: Iterable[str], asked: str) -> str:
    from difflib import get_close_matches

    names = sorted(models)
    near = get_close_matches(asked, names, n=NAMES_MAX, cutoff=0.5) or names[:NAMES_MAX]
    return f"did you mean {', '.join(near)}?"
