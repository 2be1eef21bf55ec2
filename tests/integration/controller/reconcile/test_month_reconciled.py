"""A month against simulated vendors: nothing where nothing is wrong, and each fault by its name and size."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.month import Inserted, Month, MonthPlan, make_month

from voicegateway.testing.vendors.billing import (
    ADMIN_KEYS,
    BillingFaults,
    BillingSimulators,
    BillingTraps,
    ExtraLine,
    PriceChange,
    invoice_csv,
)
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.ledger import Ledger
from voicegateway_controller.reconcile import store
from voicegateway_controller.reconcile.asking import Asking
from voicegateway_controller.reconcile.result import Result
from voicegateway_controller.reconcile.service import Reconciliations, Wanted
from voicegateway_controller.reconcile.sources import billing_source, vendor_api
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_controller.settings import Settings
from voicegateway_shared.pricing import Catalog

MONTH = date(2026, 10, 1)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VENDORS = ("openai", "anthropic", "deepgram", "elevenlabs", "cartesia")
TRAPS = BillingTraps(
    page_size=5,
    omits_empty_buckets=True,
    float_noise=True,
    rate_limited=1,
    server_errors=1,
    invalid_json=1,
    dated_models=True,
    is_end_inclusive=True,
    shuffles_columns=True,
)
KEYLESS = BillingTraps(null_every=3, missing_dollars=True)


@dataclass(frozen=True, slots=True)
class World:
    """A ledger that holds a month, and its vendors."""

    engine: AsyncEngine
    ledger: Ledger
    folder: Path

    async def hold(self, month: Month, **damage: Any) -> Inserted:
        """Put the month into both sides, ours perhaps damaged."""
        month.write_truth(self.folder)
        done = await month.insert(self.engine, **damage)
        await self.ledger.drain(limit_s=60.0)
        return done

    async def link(self, month: Month) -> None:
        """Say which of the vendors' keys are ours."""
        async with raw_connection(self.engine) as connection:
            for link in month.links():
                await connection.execute(store.DECLARE_LINK, *link, "test")

    def reconcile(self, sims: BillingSimulators, vendor: str, *, now: datetime = NOW) -> Any:
        """Ask the vendor's simulator and explain what differs."""
        keys: dict[str, Any] = {}
        for name, url in sims.urls().items():
            keys |= {f"billing_{name}_key": SecretStr(ADMIN_KEYS[name]), f"billing_{name}_url": url}
        settings = Settings(
            database_url=SecretStr("postgresql://localhost/x"), redis_url=SecretStr("redis://localhost"), **keys
        )
        return self._run(
            vendor, Asking(self.engine, lambda name: billing_source(name, settings)).api(vendor, MONTH), now
        )

    async def reconcile_file(self, vendor: str, body: bytes, **told: Any) -> Result:
        """Read an invoice's file instead."""
        asking = Asking(self.engine, lambda name: pytest.fail(name))
        facts: dict[str, Any] = {"name": "invoice.csv", "mapping": "", "total": None, "tax": None, **told}
        found: Result = await self._run(vendor, await asking.file(vendor, MONTH, body=body, **facts), NOW)
        return found

    async def _run(self, vendor: str, fetch: Any, now: datetime) -> Result:
        runs = Reconciliations(self.engine, Catalog.builtin, Alerts(self.engine))
        wanted = Wanted(provider=vendor, month=MONTH, source="api", threshold=Threshold.parse("0.5%"), actor="test")
        return await runs.run(wanted, lambda _: fetch(now))


@pytest_asyncio.fixture
async def world(engine: AsyncEngine, make_ledger: Callable[..., Ledger], tmp_path: Path) -> AsyncIterator[World]:
    yield World(engine, make_ledger(), tmp_path)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "WAIT_S_FIRST", 0.001)


def parts(result: Result) -> dict[str, int]:
    return {part.category: part.amount_pico_usd for part in result.parts}


def seen(result: Result) -> list[str]:
    return [f"{c.key.day} {c.key.model} {c.key.meter} {c.key.context} {c.vendor_quantity}/{c.our_quantity} "
            f"{c.vendor_pico_usd}/{c.our_pico_usd} {[(p.category, p.amount_pico_usd, p.reason) for p in c.parts]}"
            for c in result.cells if c.parts]  # fmt: skip


def simulators(world: World, month: Month, **switches: Any) -> BillingSimulators:
    return BillingSimulators(truth_dir=world.folder, accounts=month.accounts, now=NOW, **switches)


async def each_is(world: World, sims: BillingSimulators, month: Month, category: str, vendors: tuple[str, ...]) -> None:
    """Each of the vendors differs by what its bill has too much, and all of that is of one category."""
    for vendor in vendors:
        result = await world.reconcile(sims, vendor)

        more = sims.total_pico_usd(vendor, MONTH) - month.amounts_pico_usd()[vendor]
        assert (vendor, parts(result)) == (vendor, {category: more}), seen(result)
        assert more > 0


async def test_an_untouched_month_is_zero_in_every_part_with_all_traps(world: World) -> None:
    month = make_month(MonthPlan(requests=300, seed=11))
    await world.hold(month)

    for traps, is_linked in ((TRAPS, False), (KEYLESS, False), (BillingTraps(), True)):
        if is_linked:
            await world.link(month)
        async with simulators(world, month, traps=traps) as sims:
            for vendor in VENDORS:
                result = await world.reconcile(sims, vendor)

                assert (vendor, seen(result), parts(result)) == (vendor, [], {})
                assert result.vendor_pico_usd == sims.total_pico_usd(vendor, MONTH) > 0


async def test_lost_spans_are_missing_spans_to_the_last_digit(world: World) -> None:
    month = make_month(MonthPlan(requests=400, seed=13))
    done = await world.hold(month, lose=50)
    lost = dict.fromkeys(month.plan.vendors, 0)
    for request in done.lost:
        lost[request.record.vendor] += month.amounts_by_request[request.request_id]

    async with simulators(world, month, traps=TRAPS) as sims:
        for vendor in VENDORS:
            result = await world.reconcile(sims, vendor)

            assert (vendor, parts(result)) == (vendor, {"missing_spans": lost[vendor]}), seen(result)
            assert lost[vendor] > 0


async def test_ten_lost_spans_of_one_vendor_are_counted(world: World) -> None:
    month = make_month(MonthPlan(requests=300, seed=14, weights={"gpt-4.1-mini": 30}))
    done = await world.hold(month, lose=10, vendor="openai")

    async with simulators(world, month) as sims:
        result = await world.reconcile(sims, "openai")

    assert len(done.lost) == 10
    assert parts(result) == {"missing_spans": sum(month.amounts_by_request[r.request_id] for r in done.lost)}


async def test_spans_counted_twice_are_ours_only(world: World) -> None:
    month = make_month(MonthPlan(requests=300, seed=14, weights={"gpt-4.1-mini": 30}))
    done = await world.hold(month, duplicate=5, vendor="openai")

    async with simulators(world, month) as sims:
        result = await world.reconcile(sims, "openai")

    assert parts(result) == {"ours_only": -sum(month.amounts_by_request[r.request_id] for r in done.duplicated)}


async def test_each_fault_of_a_bill_is_named_and_sized(world: World) -> None:
    dense = {"gpt-4.1-mini": 30, "claude-haiku-4-5": 20, "nova-3": 20}
    month = make_month(MonthPlan(requests=600, seed=15, weights=dense, has_neighbours=False))
    await world.hold(month)
    rises = tuple(PriceChange(model=m, factor="1.1", starts_at=datetime(2026, 10, 16, tzinfo=UTC)) for m in dense)
    stranger = ExtraLine(vendor="openai", at=datetime(2026, 10, 9, 9, tzinfo=UTC), amount_usd="1.25",
                         model="gpt-99-nova", meter="input_tokens", quantity=1_000)  # fmt: skip

    async with simulators(world, month, faults=BillingFaults(price_changes=rises), traps=TRAPS) as sims:
        await each_is(world, sims, month, "price_change", ("openai", "anthropic", "deepgram"))
    async with simulators(world, month, faults=BillingFaults(doubled_lines=3)) as sims:
        await each_is(world, sims, month, "duplicate", ("openai", "anthropic", "deepgram", "elevenlabs"))
    async with simulators(world, month, faults=BillingFaults(minimum_ms={"nova-3": 60_000})) as sims:
        await each_is(world, sims, month, "minimums", ("deepgram",))
    async with simulators(world, month, faults=BillingFaults(round_up_ms={"nova-3": 15_000})) as sims:
        await each_is(world, sims, month, "minimums", ("deepgram",))
    async with simulators(world, month, faults=BillingFaults(extra_lines=(stranger,))) as sims:
        await each_is(world, sims, month, "unknown_model", ("openai",))
    async with simulators(world, month, traps=BillingTraps(has_web_search=True)) as sims:
        await each_is(world, sims, month, "vendor_only", ("openai", "anthropic"))
    async with simulators(world, month, faults=BillingFaults(tax_percent="19")) as sims:
        await each_is(world, sims, month, "tax", ("openai",))
    async with simulators(world, month, faults=BillingFaults(credit_usd="0.01")) as sims:
        assert parts(await world.reconcile(sims, "openai")) == {"credits": -(10**10)}


async def test_days_that_are_late_or_begin_elsewhere_are_no_drift(world: World) -> None:
    month = make_month(MonthPlan(requests=400, seed=21, near_midnight=0.3))
    await world.hold(month)
    early, told = datetime(2026, 11, 1, 0, 30, tzinfo=UTC), 0

    async with simulators(world, month, traps=BillingTraps(lag=timedelta(days=1))) as sims:
        sims.set_now(early)
        for vendor in VENDORS:
            result = await world.reconcile(sims, vendor, now=early)
            assert parts(result).keys() <= {"pending"}, seen(result)
            assert result.drift_pico_usd == 0
            told += result.difference_pico_usd
        assert told < 0
    for hours in (1, -8):
        async with simulators(world, month, faults=BillingFaults(zone_hours=hours)) as sims:
            for vendor in VENDORS:
                result = await world.reconcile(sims, vendor)
                assert parts(result).keys() <= {"day_shift"}, seen(result)
                assert result.drift_pico_usd == 0


async def test_use_without_a_key_of_ours_is_told_from_lost_spans(world: World) -> None:
    month = make_month(MonthPlan(requests=200, seed=17))
    await world.hold(month)
    await world.link(month)

    async with simulators(world, month, traps=BillingTraps(has_console_use=True)) as sims:
        result = await world.reconcile(sims, "openai")

        more = sims.total_pico_usd("openai", MONTH) - month.amounts_pico_usd()["openai"]
        assert parts(result) == {"unattributed_credential": more}, seen(result)


async def test_an_invoices_file_differs_by_no_more_than_its_cents(world: World) -> None:
    month = make_month(MonthPlan(requests=400, seed=22))
    await world.hold(month)

    async with simulators(world, month) as sims:
        for vendor in ("groq", "assemblyai"):
            body = invoice_csv(sims.invoice(vendor, MONTH), layout="a")
            result = await world.reconcile_file(vendor, body)

            assert parts(result).keys() <= {"rounding"}, seen(result)
            assert result.our_pico_usd == month.amounts_pico_usd()[vendor] > 0
