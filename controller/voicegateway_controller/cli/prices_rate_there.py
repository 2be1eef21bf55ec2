"""What a usage costs by a controller's prices: contracts, and what was known earlier, included."""

import re
from datetime import datetime
from typing import Any, Final

from voicegateway_controller.cli.prices_rate import Question
from voicegateway_controller.cli.prices_source import PATH, detail
from voicegateway_controller.cli.prices_usage import read_context, read_usage
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing.catalog import Catalog
from voicegateway_shared.usage import METERS

_UNPRICED: Final = re.compile(
    r"\b(no_price_for_context|no_price_for_meter|no_price_at_time|no_billable_usage|inconsistent_usage"
    r"|unusable_context|amount_out_of_range)\b"
)


def rate_there(question: Question, client: ApiClient, *, as_of: datetime | None) -> dict[str, Any]:
    """Have a controller rate a question; return the answer as it is printed.

    Raises:
        ConfigurationError: the question is wrong.
        VoiceGatewayError: the controller does not answer, or has no price for a part.
    """
    catalog = Catalog.builtin()
    known = [price for price in catalog.prices if price.provider == question.provider]
    context, notes = read_context(
        question.context,
        provider=question.provider,
        conditions=catalog.conditions(question.provider),
        prices=known,
        is_open=True,
    )
    usage = read_usage(question.usage)
    asked = {
        "provider": question.provider,
        "model": question.model,
        "modality": question.modality,
        "context": context,
        "usage": usage,
        "project": question.project,
        "account": question.account,
        "at": question.at.isoformat(),
        "as_of": None if as_of is None else as_of.isoformat(),
    }
    rated = client.post(f"{PATH}/rate", asked)
    lines = []
    for line in rated["lines"]:
        price = None if line["price_id"] is None else _price(client, line["price_id"])
        lines.append(
            {
                **line,
                "unit": METERS[line["meter"]].unit,
                "price": None if price is None else price["amount"],
                "currency": None if price is None else price["currency"],
                "per": None if price is None else price["per"],
                "unrated_reason": None,
            }
        )
    billed = {line["meter"] for line in lines}
    return {
        **rated,
        "model": question.model,
        "priced_as": rated["model"],
        "context": context,
        "catalogue": rated["version"],
        "is_offline": False,
        "currency": "USD",
        "is_unrated": False,
        "lines": lines,
        "price_ids": [line["price_id"] for line in lines if line["price_id"] is not None],
        "bills": sorted(billed),
        "not_billed": {meter: quantity for meter, quantity in usage.items() if meter not in billed},
        "notes": notes,
    }


def _price(client: ApiClient, price_id: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = detail(client, price_id)["price"]
    return found


def is_unpriced(message: str) -> bool:
    """Whether a controller's refusal says that a part has no price, rather than that the question is wrong."""
    return _UNPRICED.search(message) is not None


def refuse_online_only(question: Question, as_of: datetime | None) -> None:
    """Refuse what only a controller knows: contract prices, and what was known earlier.

    Raises:
        ConfigurationError: the question needs a controller.
    """
    for name, value in (("--project", question.project), ("--account", question.account), ("--as-of", as_of)):
        if value:
            raise ConfigurationError(
                f"{name} needs a controller: the built-in list has no contract prices and no history; "
                "set VOICEGATEWAY_URL and VOICEGATEWAY_TOKEN, or run `voicegw up`"
            )
