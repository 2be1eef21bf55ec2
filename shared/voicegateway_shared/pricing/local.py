"""Prices of local models: nobody bills them, so the operator's node price is spread over its busy slots."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from voicegateway_shared.pricing.document import Document
from voicegateway_shared.pricing.errors import CatalogError
from voicegateway_shared.pricing.names import ANY
from voicegateway_shared.pricing.price import Price, Source
from voicegateway_shared.pricing.quantity import Quantity, parse_decimal

LOCAL_PROVIDER = "local"
ANY_MODEL = "any"
"""In the place of a model's name: every model of the provider that has no price of its own."""


def local_document(
    *,
    models: Sequence[str],
    node_usd_per_hour: str,
    slots: int,
    stated_on: date,
    modalities: Sequence[str] = ("stt", "llm", "tts"),
    effective_from: datetime | None = None,
    provider: str = LOCAL_PROVIDER,
) -> Document:
    """Prices for models on one class of node: dollars per hour × busy time ÷ slots, for `Catalog.extended`.

    Args:
        node_usd_per_hour: what an hour of the whole node costs, a decimal text such as "0.70".
        slots: how many requests the node serves at once when full.
        stated_on: the day the operator stated the price.
        provider: as in their model strings: `whisper`, `kokoro`, `piper`, `ollama`.

    Raises:
        CatalogError: the amount is not a decimal text, or there is not at least one slot.
    """
    try:
        parse_decimal(node_usd_per_hour)
    except ValueError as error:
        raise CatalogError([f"local node: node_usd_per_hour: {error}"]) from error
    if slots < 1:
        raise CatalogError([f"local node: slots: {slots} must be at least 1"])
    document = Document("local node", provider=provider)
    document.names = [(model, (ANY,) if model == ANY_MODEL else ()) for model in models]
    document.prices = [
        Price(
            provider=provider,
            model=model,
            modality=modality,
            meter="node_busy_ms",
            amount=node_usd_per_hour,
            per=Quantity(slots, "hour"),
            effective_from=effective_from,
            recorded_at=datetime(stated_on.year, stated_on.month, stated_on.day, tzinfo=UTC),
            source=Source(url="the operator's configuration", read_on=stated_on),
            confidence="assumption",
            origin="local node",
        )
        for model in models
        for modality in modalities
    ]
    return document
