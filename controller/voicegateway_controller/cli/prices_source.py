"""Where a command's prices come from: a controller, or the built-in list; as the same rows either way."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from voicegateway_controller.cli.access import api_client
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError
from voicegateway_shared.pricing.price import Price

PATH: Final = "/api/v1/prices"
RECORDS_PATH: Final = "/api/v1/prices-records"
PAGE: Final = 1_000
"""As many as the API gives at once."""
PAGES_MAX: Final = 200
STALE_DAYS: Final = 60
"""A price that nobody has read at its source for longer is stale; the controller counts alike."""


def controller_or_none(url: str | None, token: str | None, home: Path) -> ApiClient | None:
    """Return the controller to ask, or None when this machine knows of none.

    Raises:
        ConfigurationError: one is named, without a token.
    """
    try:
        return api_client(url, token, home.expanduser())
    except ConfigurationError:
        if url is not None:
            raise
        return None


def listed(client: ApiClient, **query: str) -> dict[str, Any]:
    """Return all prices that a question finds, with every page of them."""
    answer = client.get(PATH, **{"limit": str(PAGE), **query})
    pages = 1
    cursor = answer["next"]
    while cursor is not None:
        if pages == PAGES_MAX:
            raise VoiceGatewayError(f"more than {PAGE * PAGES_MAX} prices: ask for one --provider")
        page = client.get(PATH, **{"limit": str(PAGE), **query, "cursor": cursor})
        answer["prices"] += page["prices"]
        cursor, pages = page["next"], pages + 1
    return {**answer, "next": None}


def detail(client: ApiClient, price_id: str, **query: str) -> dict[str, Any]:
    """Return one price by its id."""
    found: dict[str, Any] = client.get(f"{PATH}/{quote(price_id, safe='/')}", **query)
    return found


def records(client: ApiClient, **query: str) -> list[dict[str, Any]]:
    """Return the history of managed prices that a question finds, the newest first."""
    found: list[dict[str, Any]] = client.get(RECORDS_PATH, **{"limit": str(PAGE), **query})["records"]
    return found


def split_name(name: str) -> tuple[str, str]:
    """Return provider and model of `deepgram/nova-3` or `livekit/deepgram/nova-3`; no model after a bare provider."""
    provider, _, model = name.partition("/")
    if not provider:
        raise ConfigurationError(f"{name!r} is no price: write a price id, provider/model, or a provider")
    return provider, model


def rows_of(
    prices: Iterable[Price], *, today: date, at: datetime | None, layer: str = "builtin", **wanted: str
) -> Iterator[dict[str, Any]]:
    """Return prices at hand as rows of the API; those of an instant only, and of what is wanted.

    Args:
        wanted: `provider`, `model`, `modality`, `meter`; an empty one wants all.
    """
    for price in prices:
        if any(value and getattr(price, key) != value for key, value in wanted.items()):
            continue
        if at is not None and not _holds(price, at):
            continue
        yield row_of(price, today=today, layer=layer)


def row_of(price: Price, *, today: date, layer: str) -> dict[str, Any]:
    """Return one price at hand as a row of the API."""
    rate = price.credit_rate
    days = (today - price.source.read_on).days
    return {
        "price_id": price.price_id,
        "provider": price.provider,
        "model": price.model,
        "modality": price.modality,
        "meter": price.meter,
        "layer": layer,
        "scope": "",
        "amount": price.amount,
        "currency": "USD" if rate is None else "credits",
        "per": str(price.per),
        "list_amount": price.list_amount,
        "credit_price": None if rate is None else {"plan": rate.plan, "amount": rate.amount, "credits": rate.credits},
        "multiplier": price.multiplier,
        "discount": None,
        "basis": {
            **{key: list(getattr(price, key)) for key in ("fallback", "minus", "plus", "not_billed", "instead_of")},
            **{key: getattr(price, key) for key in ("times", "minimum", "increment", "rounding", "rounding_scope")},
        },
        "tiers": None
        if price.tiers is None
        else {
            "kind": price.tiers.kind,
            "basis": price.tiers.basis,
            "steps": [{"above": step.above, "amount": step.amount} for step in price.tiers.steps],
        },
        "when": dict(price.when),
        "effective_from": utc_text(price.effective_from),
        "effective_to": utc_text(price.effective_to),
        "recorded_at": utc_text(price.recorded_at),
        "record_id": None,
        "recorded_by": "",
        "reason": "",
        "source": {"url": price.source.url, "read_on": str(price.source.read_on), "via": price.source.via},
        "confidence": price.confidence,
        "note": price.note,
        "verified_on": str(price.source.read_on),
        "verified_by": "",
        "verified_days": days,
        "is_stale": days > STALE_DAYS,
        "overridden_by": [],
    }


def utc_text(at: datetime | None) -> str | None:
    """Return an instant as JSON has it."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def given(**values: str | None) -> dict[str, str]:
    """Return the query of what was said."""
    return {key: value for key, value in values.items() if value}


def place_of(row: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a row prices, for whom: two rows of one place are the same price at two times."""
    return (
        row["provider"],
        row["model"],
        row["modality"],
        row["meter"],
        tuple(sorted(row["when"].items())),
        row["layer"] if row["layer"] in ("account", "project") else "list",
        row["scope"],
    )


def _holds(price: Price, at: datetime) -> bool:
    return (price.effective_from is None or price.effective_from <= at) and (
        price.effective_to is None or at < price.effective_to
    )
