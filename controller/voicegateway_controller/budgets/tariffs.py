"""Tariffs: what models cost, as the ledger rates by it, and how long their answers usually are; for workers."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.background import Background
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.declared import Allows
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.pricing.price import Price, Source
from voicegateway_shared.pricing.tariff import Tariff
from voicegateway_shared.wire.money import ModelName

INTERVAL_S: Final = 600.0
WINDOW: Final = timedelta(days=1)
SPANS_MAX: Final = 100_000
"""Requests looked at, the newest first: some hundred milliseconds of Postgres every ten minutes."""
REQUESTS_MIN: Final = 20
"""With fewer, the largest one seen would pass for what is usual."""
TIMEOUT_S: Final = 10.0
REMEMBERED_MAX: Final = 4_096
"""Models whose tariffs are kept ready: names come from workers, so a wrong one's are endless."""
AGREED_MAX: Final = 1_000
"""Prices in one tariff; beyond this its holder counts by the list, which is seldom too little."""

_NO_SOURCE: Final = Source(url="", read_on=date.min)
_Key = tuple[str, str, str]


class Tariffs:
    """Tells tariffs; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, catalog: Callable[[], Catalog]) -> None:
        """Take the prices from `catalog`, which returns those that hold now."""
        self._engine = engine
        self._catalog = catalog
        self._version = ""
        self._p99: Mapping[_Key, int] = {}
        self._made: dict[_Key, Tariff] = {}
        self._measuring = Background("tariffs", self.measure, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Begin to measure how long answers are."""
        self._measuring.start()

    async def close(self) -> None:
        """Stop measuring."""
        await self._measuring.close()

    def tariffs(self, models: Iterable[ModelName], *, allows: Allows) -> tuple[Tariff, ...]:
        """Return one tariff for each model, in their order; one without prices says why it has none.

        It holds what was agreed for keys, and for those projects that the holder reaches.
        """
        catalog = self._catalog()
        if catalog.version != self._version:
            self._made.clear()
            self._version = catalog.version
        told = (self._tariff((each.provider, each.model, each.modality), catalog) for each in models)
        return tuple(_reached(tariff, allows) for tariff in told)

    async def measure(self) -> None:
        """Measure the fleet's recent answers anew; what is known stays when it fails. Raises DatabaseUnavailable."""
        since = datetime.now(UTC) - WINDOW
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(
                load_sql(__package__, "output_tokens"), since, SPANS_MAX, REQUESTS_MIN, timeout=TIMEOUT_S
            )
        self._p99 = {(row["provider"], row["model"], row["modality"]): row["p99"] for row in rows}
        self._made.clear()

    def _tariff(self, key: _Key, catalog: Catalog) -> Tariff:
        if (made := self._made.get(key)) is None:
            provider, model, modality = key
            found = catalog.model_for_all(provider=provider, model=model, modality=modality)
            tariff = Tariff.of(found, provider=provider, model=model, modality=modality, p99=self._p99.get(key, 0))
            if len(self._made) >= REMEMBERED_MAX:
                self._made.clear()
            made = self._made[key] = _without_origins(tariff)
        return made


def _reached(tariff: Tariff, allows: Allows) -> Tariff:
    """Leave out the contracts of other projects; of all projects where they are more than a message should carry."""
    if not tariff.is_agreed:
        return tariff
    prices = tuple(price for price in tariff.prices if price.layer != "project" or allows(price.scope))
    if len(prices) > AGREED_MAX:
        prices = tuple(price for price in prices if price.layer != "project")
    plans = tuple(plan for plan in tariff.plans if plan.layer != "project" or allows(plan.scope))
    return msgspec.structs.replace(tariff, prices=prices, plans=plans)


def _without_origins(tariff: Tariff) -> Tariff:
    """Leave out where prices were read: it decides no amount and would travel to every worker."""
    return Tariff(
        provider=tariff.provider,
        model=tariff.model,
        modality=tariff.modality,
        prices=tuple(_bare(price) for price in tariff.prices),
        conditions=tariff.conditions,
        default_plan=tariff.default_plan,
        plans=tariff.plans,
        reason=tariff.reason,
        output_tokens_p99=tariff.output_tokens_p99,
    )


def _bare(price: Price) -> Price:
    return dataclasses.replace(price, source=_NO_SOURCE, note="", origin="")
