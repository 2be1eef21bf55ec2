"""The contract of every provider class: it stays what it is, and its record says what its vendor bills."""

from dataclasses import replace
from pathlib import Path

import pytest
from livekit.agents import APIError
from tests.contract.http_vendors import HTTP_VENDORS
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS, TALK_MS
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY
from tests.integration.voicegateway.metering import metering, settled, total

from voicegateway.testing.vendors import FaultKind, FaultRule
from voicegateway.testing.vendors.bill import amount_pico_usd
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.telemetry import attributes as names

PROVIDER_CLASSES = (*SOCKET_VENDORS, *HTTP_VENDORS)
CATALOG = Catalog.builtin()
CLOCKS_APART_MS_MAX = 1_000
"""Two processes' clocks of one socket: a handshake and a close frame lie between them, on a busy machine."""

every_class = pytest.mark.parametrize("row", PROVIDER_CLASSES, ids=lambda row: row.name)
refusals = pytest.mark.parametrize(
    ("row", "kind"),
    [pytest.param(row, kind, id=f"{row.name}-{kind}") for row in PROVIDER_CLASSES for kind in row.refusals],
)
breaks = pytest.mark.parametrize(
    ("row", "kind"),
    [pytest.param(row, kind, id=f"{row.name}-{kind}") for row in PROVIDER_CLASSES for kind in row.breaks],
)


@every_class
async def test_settled_usage_is_what_the_vendor_bills(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        plugin = row.make(meter.sims)
        assert isinstance(plugin, row.native)
        assert type(plugin).__qualname__ == row.native.__qualname__
        await row.use(plugin, NO_RETRY)
        record, bills = await settled(meter, plugin)

    assert any(total(bills, *row.meters, *row.clocks).values())
    assert record.billed(*row.meters) == total(bills, *row.meters)
    if row in SOCKET_VENDORS and row.is_priced and not row.clocks:
        cost = amount_pico_usd(replace(bills[0], usage=record.usage), CATALOG)
        assert cost == sum(amount_pico_usd(bill, CATALOG) for bill in bills) > 0
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    assert record[names.PROVIDER] == row.vendor == bills[0].vendor
    assert record[names.REQUEST_MODEL] == bills[0].model
    if row.clocks:
        ours, theirs = row.clocks
        assert abs(record.usage[ours] - total(bills, theirs)[theirs]) <= CLOCKS_APART_MS_MAX


@refusals
async def test_refusal_costs_nothing_and_keeps_its_status(tmp_path: Path, row: ProviderClass, kind: FaultKind) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.refused_at, kind=kind, every=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        plugin = row.make(meter.sims)
        with pytest.raises(APIError if row.has_plain_errors else Exception):
            await row.use(plugin, NO_RETRY)
        record, bills = await settled(meter, plugin)

    assert bills == []
    assert not any(record.billed(*row.meters).values())
    assert (record.outcome, record.is_estimated, record.attempts) == ("error", False, 1)
    assert record[names.STATUS_CODE] == row.statuses[kind]
    assert record[names.ERROR_TYPE] == (str(row.statuses[kind]) if row.errors_tell_status else "APIConnectionError")


@pytest.mark.parametrize("row", [row for row in PROVIDER_CLASSES if row.has_plain_errors], ids=lambda row: row.name)
async def test_retry_after_a_refusal_is_one_record_of_two_attempts(tmp_path: Path, row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.refused_at, kind="server_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        plugin = row.make(meter.sims)
        await row.use(plugin, RETRY)
        record, bills = await settled(meter, plugin)

    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)


@breaks
async def test_request_that_breaks_is_billed_as_the_vendor_does(
    tmp_path: Path, row: ProviderClass, kind: FaultKind
) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind=kind, every=1, after_audio_ms=TALK_MS)
    use = row.use_until_broken or row.use
    async with metering(tmp_path, faults=(rule,)) as meter:
        plugin = row.make(meter.sims)
        with pytest.raises(APIError):
            await use(plugin, NO_RETRY)
        record, bills = await settled(meter, plugin)

    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert record.outcome == "error"
    assert record[names.ERROR_TYPE]
