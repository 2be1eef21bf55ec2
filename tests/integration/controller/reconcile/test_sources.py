"""What vendors say of a month, asked of the billing simulators with all their traps."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.fixtures.month import MonthPlan, make_month

from voicegateway.testing.vendors.billing import (
    ADMIN_KEYS,
    NORMAL_KEY,
    BillingFaults,
    BillingSimulators,
    BillingTraps,
    ExtraLine,
)
from voicegateway_controller.reconcile.errors import VendorRefused, VendorUnavailable
from voicegateway_controller.reconcile.sources import PROVIDERS, billing_source, vendor_api
from voicegateway_controller.reconcile.statement import VendorStatement
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import ConfigurationError

MONTH = date(2026, 10, 1)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STORES: dict[str, Any] = {
    "database_url": SecretStr("postgresql://localhost/x"),
    "redis_url": SecretStr("redis://localhost"),
}
MONEY = ("openai", "anthropic", "deepgram", "elevenlabs")
TRAPS = BillingTraps(
    page_size=3,
    omits_empty_buckets=True,
    float_noise=True,
    rate_limited=1,
    server_errors=1,
    invalid_json=1,
    truncated_first_bucket=True,
    dated_models=True,
    is_end_inclusive=True,
    shuffles_columns=True,
)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    make_month(MonthPlan(requests=240, seed=7, first=MONTH)).write_truth(folder)
    return folder


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "WAIT_S_FIRST", 0.001)


@pytest.fixture
async def sims(truth: Path) -> AsyncIterator[BillingSimulators]:
    async with BillingSimulators(truth_dir=truth, now=NOW) as found:
        yield found


def settings_of(sims: BillingSimulators, keys: dict[str, str] | None = None) -> Settings:
    given: dict[str, Any] = {}
    for provider, url in sims.urls().items():
        given[f"billing_{provider}_url"] = url
        given[f"billing_{provider}_key"] = SecretStr((keys or ADMIN_KEYS)[provider])
    return Settings(**STORES, **given)


async def fetch(provider: str, sims: BillingSimulators, now: datetime = NOW) -> VendorStatement:
    return await billing_source(provider, settings_of(sims)).fetch(MONTH, now=now)


def bill_of(statement: VendorStatement) -> int:
    return sum(line.amount_pico_usd or 0 for line in statement.lines if line.sku)


@pytest.mark.parametrize("provider", MONEY)
async def test_a_plain_month_sums_to_what_the_vendor_charges(provider: str, sims: BillingSimulators) -> None:
    statement = await fetch(provider, sims)

    assert bill_of(statement) == sims.total_pico_usd(provider, MONTH) != 0
    assert statement.has_amounts
    assert {line.day.month for line in statement.lines if line.day} == {10}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_with_every_trap_the_lines_are_those_of_the_plain_month(provider: str, sims: BillingSimulators) -> None:
    plain = await fetch(provider, sims)
    sims.set_traps(TRAPS)

    trapped = await fetch(provider, sims)

    assert bill_of(trapped) == bill_of(plain)
    assert counts_of(trapped) == counts_of(plain)
    assert credits_of(trapped) == credits_of(plain)


@pytest.mark.parametrize("provider", MONEY)
async def test_use_without_a_key_is_of_the_bill(provider: str, sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(null_every=3))

    statement = await fetch(provider, sims)

    assert bill_of(statement) == sims.total_pico_usd(provider, MONTH)
    assert {bool(line.credential) for line in statement.lines if provider != "anthropic" or not line.sku} == {
        True,
        False,
    }


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_first_bucket_that_was_cut_off_is_not_of_the_month(provider: str, sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(truncated_first_bucket=True))

    statement = await fetch(provider, sims)

    assert bill_of(statement) == sims.total_pico_usd(provider, MONTH)
    assert statement.notes == ()


async def test_fetching_again_gives_what_was_restated(sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(restated_days=25))
    just_after = datetime(2026, 11, 1, 6, tzinfo=UTC)
    source = billing_source("openai", settings_of(sims))

    first = await source.fetch(MONTH, now=just_after)
    again = await source.fetch(MONTH, now=just_after)

    assert bill_of(again) == sims.total_pico_usd("openai", MONTH)
    assert {each.sha256 for each in first.documents} != {each.sha256 for each in again.documents}
    assert first.settled_until == date(2026, 10, 29)


async def test_deepgram_without_dollars_has_unknown_amounts_and_says_so(sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(missing_dollars=True))

    statement = await fetch("deepgram", sims)

    assert {line.amount_pico_usd for line in statement.lines} == {None}
    assert not statement.has_amounts
    assert any("no dollars" in note for note in statement.notes)


async def test_elevenlabs_credits_are_found_where_cost_is_refused(truth: Path) -> None:
    async with BillingSimulators(truth_dir=truth, now=NOW, elevenlabs_regime="credits") as sims:
        statement = await fetch("elevenlabs", sims)

    assert not statement.has_amounts
    assert {line.context.get("regime") for line in statement.lines} == {"credits"}
    assert all(line.amount_pico_usd is None and line.credits for line in statement.lines)


async def test_cartesia_tells_the_same_credits_by_model_and_by_key(sims: BillingSimulators) -> None:
    statement = await fetch("cartesia", sims)

    by_model, by_key = credits_of(statement)
    assert by_model == by_key > 0
    assert {line.model for line in statement.lines if line.sku} >= {"sonic-3"}
    assert all(line.credential for line in statement.lines if not line.sku)


async def test_what_no_use_explains_is_told_apart(truth: Path) -> None:
    faults = BillingFaults(credit_usd="0.01", tax_percent="19", extra_lines=())
    async with BillingSimulators(truth_dir=truth, now=NOW, faults=faults) as sims:
        for provider in ("openai", "anthropic", "deepgram"):
            statement = await fetch(provider, sims)

            assert bill_of(statement) == sims.total_pico_usd(provider, MONTH)
            categories = {line.category: line.amount_pico_usd for line in statement.lines if line.category != "usage"}
            assert categories.keys() == {"credit", "tax"}, provider
            assert categories["credit"] == -(10**10)


async def test_a_line_of_a_service_is_no_model(sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(has_web_search=True, has_console_use=True))

    for provider in ("openai", "anthropic"):
        statement = await fetch(provider, sims)

        assert bill_of(statement) == sims.total_pico_usd(provider, MONTH)
        assert any(line.sku and not line.meter for line in statement.lines), provider
        assert any(not line.credential and not line.sku for line in statement.lines), provider


async def test_an_unknown_model_keeps_its_name(truth: Path) -> None:
    extra = ExtraLine(
        vendor="openai",
        at=datetime(2026, 10, 5, 10, tzinfo=UTC),
        amount_usd="1.25",
        model="gpt-9-mystery",
        meter="input_tokens",
        quantity=1000,
    )
    async with BillingSimulators(truth_dir=truth, now=NOW, faults=BillingFaults(extra_lines=(extra,))) as sims:
        statement = await fetch("openai", sims)

    [line] = [line for line in statement.lines if line.sku and line.model == "gpt-9-mystery"]
    assert (line.meter, line.quantity, line.amount_pico_usd) == ("input_tokens", 1000, 1_250_000_000_000)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("key", [NORMAL_KEY, "sk-nobody-knows-this-one"])
async def test_a_key_that_may_not_read_billing_is_told_what_is_needed(
    provider: str, key: str, sims: BillingSimulators, caplog: pytest.LogCaptureFixture
) -> None:
    source = billing_source(provider, settings_of(sims, dict.fromkeys(PROVIDERS, key)))

    with pytest.raises(VendorRefused) as refused:
        await source.fetch(MONTH, now=NOW)

    message = str(refused.value)
    assert refused.value.status in (401, 403)
    assert f"VOICEGATEWAY_BILLING_{provider.upper()}_KEY" in message
    assert "https://" in message
    assert key not in message + caplog.text + repr(refused.value.__context__)


async def test_a_vendor_that_stays_away_is_given_up(sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(server_errors=100))

    with pytest.raises(VendorUnavailable, match=f"openai answered 500, {vendor_api.TRIES_MAX} times"):
        await fetch("openai", sims)


async def test_patience_has_an_end(sims: BillingSimulators) -> None:
    sims.set_traps(BillingTraps(rate_limited=1, retry_after_s=3600))

    with pytest.raises(VendorUnavailable, match="it asks for 3600 s of patience"):
        await fetch("openai", sims)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_no_document_holds_a_key(provider: str, sims: BillingSimulators) -> None:
    statement = await fetch(provider, sims)

    told = b"".join(each.name.encode() + each.body for each in statement.documents)
    assert ADMIN_KEYS[provider].encode() not in told
    assert all(line.document < len(statement.documents) for line in statement.lines)


async def test_edge_days_are_kept_when_asked_for(sims: BillingSimulators) -> None:
    source = billing_source("openai", settings_of(sims), edge_days=1)

    statement = await source.fetch(date(2026, 10, 15), now=NOW)

    days = {line.day for line in statement.lines if line.day}
    assert statement.month == MONTH
    assert days <= {date(2026, 9, 30) + timedelta(days=each) for each in range(33)}


def test_a_missing_key_and_an_unknown_vendor_are_named() -> None:
    settings = Settings(**STORES)
    with pytest.raises(ConfigurationError, match="VOICEGATEWAY_BILLING_OPENAI_KEY is not set"):
        billing_source("openai", settings)
    with pytest.raises(ConfigurationError, match=r"'groq' has no billing API.*Import its invoice as a file"):
        billing_source("groq", settings)


def counts_of(statement: VendorStatement) -> Counter[tuple[date | None, str, str]]:
    """Quantities by day, meter and whether they are of the bill."""
    found: Counter[tuple[date | None, str, str]] = Counter()
    for line in statement.lines:
        found[line.day, line.meter, "bill" if line.sku else "count"] += line.quantity or 0
    return found


def credits_of(statement: VendorStatement) -> tuple[Decimal, Decimal]:
    """Credits of the bill and of counts."""
    bill = sum((Decimal(line.credits or 0) for line in statement.lines if line.sku), Decimal(0))
    return bill, sum((Decimal(line.credits or 0) for line in statement.lines if not line.sku), Decimal(0))
