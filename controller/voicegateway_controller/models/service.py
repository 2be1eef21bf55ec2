"""Put together what prices, chains, workers and the books know of models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.health import HealthBoard
from voicegateway_controller.health.records import Record
from voicegateway_controller.health.view import state_of
from voicegateway_controller.models import schemas
from voicegateway_controller.routing import Routings
from voicegateway_controller.routing.naming import split_model
from voicegateway_shared.money import format_nano_usd
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.pricing.price import CONTRACT_RANK, Price
from voicegateway_shared.pricing.rating import RatingRequest, rate_by
from voicegateway_shared.pricing.written import write_row
from voicegateway_shared.routing.typical import TYPICAL_USAGE
from voicegateway_shared.wire import HealthTarget

USED_WITHIN: Final = timedelta(hours=24)
USED_MAX: Final = 5_000
PRICES_MAX: Final = 12
"""Prices shown of one model; vendors with tiers, batches and regions have dozens."""
TIMEOUT_S: Final = 15.0
_WORST: Final[Sequence[schemas.Health]] = ("unknown", "ok", "degraded", "half_open", "open", "disabled")

Key = tuple[str, str, str]
"""Provider, name, modality."""
Only = Literal["all", "used", "priced", "unpriced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which models are asked for; what is empty may be anything."""

    provider: str = ""
    modality: str = ""
    project: str | None = None
    only: Only = "all"


class Models:
    """Shows models, for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(
        self, engine: AsyncEngine, find_catalog: Callable[[], Catalog], health: HealthBoard, routings: Routings
    ) -> None:
        self._engine, self._find_catalog, self._health, self._routings = engine, find_catalog, health, routings

    async def page(
        self, access: Access, wanted: Wanted, *, after: Key | None, limit: int, now: datetime
    ) -> list[schemas.ModelRow]:
        """Return up to `limit` models behind a key. Raises Forbidden, DatabaseUnavailable."""
        used = await self._used(reachable(access, wanted.project), now)
        catalog = self._find_catalog()
        chains = self._chains(access)
        priced = _listed(catalog, now)
        asked = {(each.provider, each.model, each.modality) for each in self._health.known.records if each.model}
        keys = {*priced, *used, *chains, *asked} if wanted.only != "used" else set(used)
        rows: list[schemas.ModelRow] = []
        for key in sorted(keys):
            provider, _, modality = key
            if provider != (wanted.provider or provider) or modality != (wanted.modality or modality):
                continue
            if after is not None and key <= after:
                continue
            row = self._row(key, catalog, priced, used.get(key), chains.get(key, ()), now)
            if wanted.only in ("all", "used") or row.is_priced == (wanted.only == "priced"):
                rows.append(row)
            if len(rows) == limit:
                break
        return rows

    def _row(
        self, key: Key, catalog: Catalog, priced: Mapping[Key, Sequence[Price]], used: asyncpg.Record | None,
        chains: Sequence[str], now: datetime,
    ) -> schemas.ModelRow:  # fmt: skip
        provider, name, modality = key
        known_as = catalog.name(provider, name)
        prices = priced.get((provider, known_as, modality), ())
        typical = TYPICAL_USAGE.get(modality, {})
        amount, reason = _typical(catalog, key, typical, now)
        health, cause, timed = self._fares(key, now)
        return schemas.ModelRow(
            model=f"{provider}/{name}",
            provider=provider,
            name=name,
            modality=modality,
            is_priced=bool(prices),
            priced_as=known_as if prices and known_as != name else "",
            unpriced_reason="" if prices else reason or "no_price_at_time",
            typical_usd=amount,
            typical=dict(typical),
            prices=[_price(each) for each in prices[:PRICES_MAX]],
            more_prices=max(0, len(prices) - PRICES_MAX),
            chains=list(chains),
            health=health,
            cause=cause,
            ttfb_p50_ms=(timed.p50 or None) if timed else None,
            ttfb_p95_ms=(timed.p95 or None) if timed else None,
            requests=used["requests"] if used else 0,
            unrated_requests=used["unrated_requests"] if used else 0,
            amount_usd=used["amount_usd"] if used else "0",
        )

    def _fares(self, key: Key, now: datetime) -> tuple[schemas.Health, str, Record | None]:
        """Return the worst state that is known of a model, why, and the record with most requests behind it."""
        provider, name, modality = key
        now_ms = round(now.timestamp() * 1_000)
        for switch in self._health.switches.off:
            is_over = switch.until_ms is not None and switch.until_ms <= now_ms
            if switch.provider == provider and switch.model in ("", name) and not is_over:
                return "disabled", switch.reason, None
        worst: schemas.Health = "unknown"
        cause, timed = "", None
        for target, record in self._health.known.records.items():
            if not _concerns(target, key):
                continue
            state = _health(record, self._health.server_ms)
            if _WORST.index(state) > _WORST.index(worst):
                worst, cause = state, record.why if state in ("open", "half_open") else ""
            if target.model == name and target.modality == modality and (not timed or record.samples > timed.samples):
                timed = record
        return worst, cause, timed

    def _chains(self, access: Access) -> dict[Key, list[str]]:
        found: dict[Key, list[str]] = {}
        definitions = self._routings.known
        if definitions is None:
            return found
        _, routing = definitions.part_for(access.allows)
        for chain in routing.chains:
            for model in chain.models:
                name = split_model(model.model, chain.modality)
                where = f"{chain.project}:{chain.name}" if chain.project else chain.name
                held = found.setdefault((name.provider, name.model, chain.modality), [])
                if where not in held:
                    held.append(where)
        return found

    async def _used(self, projects: list[str] | None, now: datetime) -> dict[Key, asyncpg.Record]:
        since = (now - USED_WITHIN).replace(minute=0, second=0, microsecond=0)
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(
                load_sql(__package__ or "", "used"), since, projects, USED_MAX, timeout=TIMEOUT_S
            )
        return {(row["provider"], row["model"], row["modality"]): row for row in rows}


def key_of(row: schemas.ModelRow) -> Key:
    """Return where a model stands in the list."""
    return row.provider, row.name, row.modality


def _listed(catalog: Catalog, now: datetime) -> dict[Key, list[Price]]:
    """Return the list prices that hold now, by model."""
    found: dict[Key, list[Price]] = {}
    for price in catalog.prices:
        has_begun = price.effective_from is None or price.effective_from <= now
        if price.rank < CONTRACT_RANK and has_begun and (price.effective_to is None or now < price.effective_to):
            found.setdefault((price.provider, price.model, price.modality), []).append(price)
    return found


def _typical(catalog: Catalog, key: Key, typical: Mapping[str, int], now: datetime) -> tuple[str | None, str]:
    provider, name, modality = key
    prices = catalog.model(provider=provider, model=name, modality=modality)
    if isinstance(prices, str):
        return None, prices
    request = RatingRequest(provider=provider, model=name, modality=modality, at=now, usage=typical)
    amount = rate_by(prices, request).amount_nano_usd if typical else None
    return (None if amount is None else format_nano_usd(amount)), ""


def _price(price: Price) -> schemas.PriceNow:
    return schemas.PriceNow(
        price_id=price.price_id,
        meter=price.meter,
        amount=price.amount,
        per=str(write_row(price)["per"]),
        currency="USD" if price.credit_rate is None else "credits",
        when=dict(price.when),
    )


def _concerns(target: HealthTarget, key: Key) -> bool:
    provider, name, modality = key
    return target.provider == provider and target.model in ("", name) and target.modality in ("", modality)


def _health(record: Record, now_ms: int) -> schemas.Health:
    state = state_of(record, now_ms=now_ms)
    if state == "open":
        return "open"
    if state == "half_open":
        return "half_open"
    return "degraded" if record.degraded else "ok"
