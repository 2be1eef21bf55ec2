"""A published model said as we say it already: so that what is priced alike is seen to be alike, and left alone."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from voicegateway_controller.catalog.importing.published import Published, PublishedModel
from voicegateway_shared.pricing.catalog import Catalog
from voicegateway_shared.pricing.selection import ModelPrices

_LIFETIMES: Final = frozenset({"cache_write_5m_tokens", "cache_write_1h_tokens"})


def familiar(model: PublishedModel, known: Catalog) -> PublishedModel:
    """Return the model as a catalogue writes it, where it has the model: `5.00` for 5, and no meter or word of no use.

    Nothing that is charged changes: numbers are equal, cache writes of a stated lifetime are left out only where no
    price of ours knows them, context keys only where no price of the model depends on them, there or here.
    """
    found = known.model(provider=model.provider, model=model.model, modality=model.modalities[0])
    if isinstance(found, str):
        return model
    texts = dict(_texts(found))
    idle = _idle_keys(model, found)
    strangers = _LIFETIMES - set(found.meters)
    prices = tuple(
        replace(_written(price, found, texts), when={key: word for key, word in price.when.items() if key not in idle})
        for price in model.prices
        if price.meter not in strangers
    )
    return replace(model, prices=prices)


def _written(price: Published, found: ModelPrices, texts: Mapping[tuple[str, Fraction], Decimal]) -> Published:
    """The price in our unit where we have the same rate, else with our digits."""
    for ours in found.prices:
        is_alike = ours.meter == price.meter and not ours.tiers and not price.tiers and ours.credit_rate is None
        if is_alike and ours.pico_usd_per_base(ours.amount) == price.pico_usd_per_base:
            return replace(price, amount=Decimal(ours.amount), per=str(ours.per))
    return replace(
        price,
        amount=texts.get((price.meter, Fraction(price.amount)), price.amount),
        tiers=tuple((above, texts.get((price.meter, Fraction(each)), each)) for above, each in price.tiers),
    )


def _texts(found: ModelPrices) -> Iterable[tuple[tuple[str, Fraction], Decimal]]:
    for price in found.prices:
        steps = price.tiers.steps if price.tiers is not None else ()
        for text in (price.amount, *(step.amount for step in steps)):
            yield (price.meter, Fraction(text)), Decimal(text)


def _idle_keys(model: PublishedModel, found: ModelPrices) -> set[str]:
    """Context keys that nothing depends on: theirs has one word for each, ours none."""
    used = {key for price in found.prices for key, _ in price.when}
    return {key for key in _keys(model.prices) if key not in used and len({p.when[key] for p in model.prices}) == 1}


def _keys(prices: Iterable[Published]) -> set[str]:
    return {key for price in prices for key in price.when}
