"""Prices that entries name and the catalogue has no more, from what was kept of them before they rated anything."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.errors import LedgerBroken
from voicegateway_shared.pricing.price import CreditRate, Price, Source
from voicegateway_shared.pricing.quantity import Quantity, parse_quantity
from voicegateway_shared.usage import METERS

KEPT: Final = "SELECT provider, model, modality, meter, content::text FROM price_row WHERE price_id = $1"
TIMEOUT_S: Final = 10.0
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def kept_price(connection: Connection, price_id: str) -> Price | None:
    """Return what a bill shows of a price; None for one that rated before prices were kept.

    Raises LedgerBroken when what was kept cannot be read: nobody may guess a price.
    """
    row = await connection.fetchrow(KEPT, price_id, timeout=TIMEOUT_S)
    if row is None:
        return None
    try:
        return _price(_decode(row["content"]), provider=row["provider"], model=row["model"], meter=row["meter"])
    except (KeyError, ValueError, TypeError, msgspec.DecodeError) as error:
        raise LedgerBroken(f"the price {price_id!r} was kept in a form that cannot be read: {error!r}") from error


def _price(content: Mapping[str, Any], *, provider: str, model: str, meter: str) -> Price:
    credit = content.get("credit_price")
    unit = METERS[meter].unit
    when = {**content.get("when", {}), **({} if credit is None else {"plan": credit["plan"]})}
    return Price(
        provider=provider,
        model=model,
        modality=content["modality"],
        meter=meter,
        amount=content["amount"] if credit is None else content["credits"],
        per=parse_quantity(content["per"]),
        list_amount=content.get("list_amount"),
        multiplier=content.get("multiplier", "1"),
        discount=content.get("discount"),
        credit_rate=None if credit is None else _credit_rate(credit),
        minimum=_in_base(content.get("minimum")),
        increment=_in_base(content.get("increment")) or Quantity(1, unit).in_base,
        when=tuple(sorted(when.items())),
        source=Source(url="", read_on=date.min),
        confidence=content["confidence"],
    )


def _credit_rate(credit: Mapping[str, str]) -> CreditRate:
    return CreditRate(plan=credit["plan"], amount=credit["amount"], credits=parse_quantity(credit["per"]).count)


def _in_base(text: str | None) -> int:
    return 0 if text is None else parse_quantity(text).in_base
