"""The night's work: which months, once a night whoever looks how often, and one vendor that fails holds up no other."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.reconciling import bill, rows, statement

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.reconcile.asking import Asking
from voicegateway_controller.reconcile.errors import VendorRefused
from voicegateway_controller.reconcile.nightly import Nightly, months_due
from voicegateway_controller.reconcile.service import Fetch, Reconciliations
from voicegateway_controller.reconcile.statement import VendorStatement
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing import Catalog

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (date(2026, 11, 1), [OCTOBER]),
        (date(2026, 11, 2), [NOVEMBER]),
        (date(2026, 11, 3), [NOVEMBER, OCTOBER]),
        (date(2026, 11, 5), [NOVEMBER, OCTOBER]),
        (date(2026, 11, 6), [NOVEMBER]),
        (date(2027, 1, 4), [date(2027, 1, 1), date(2026, 12, 1)]),
    ],
)
def test_a_night_compares_yesterdays_month_and_the_one_before_while_it_settles(today: date, months: list[date]) -> None:
    assert months_due(today) == months


@pytest.mark.parametrize(
    ("text", "drift", "base", "is_within"),
    [("0.5%", 5, 1_000, True), ("0.5%", 6, 1_000, False), ("0%", 0, 0, True), ("0%", 1, 0, False),
     ("$1.00", 10**12, 0, True), ("1.00", 10**12 + 1, 0, False), ("100%", 7, 7, True)],
)  # fmt: skip
def test_a_threshold_is_a_share_or_an_amount(text: str, drift: int, base: int, is_within: bool) -> None:
    assert Threshold.parse(text).admits(drift, base_pico_usd=base) is is_within


@pytest.mark.parametrize("text", ["", "5", "-1%", "$-1", "half", "1e3%", "0.1234567%"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    if text == "5":
        assert Threshold.parse(text).pico_usd == 5 * 10**12
        return
    with pytest.raises(ConfigurationError, match=r"0\.5%"):
        Threshold.parse(text)


class _Asked:
    """Vendors that answer a month each, but for one that refuses."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, date]] = []

    def api(self, provider: str, month: date) -> Fetch:
        async def fetch(now: datetime) -> VendorStatement:
            self.asked.append((provider, month))
            if provider == "anthropic":
                raise VendorRefused("not with this key", provider=provider, status=403)
            ours = rows(2, {"input_tokens": 10})
            return statement(bill(ours, provider=provider), provider=provider, month=month)

        return fetch


@pytest.fixture
def nightly(engine: AsyncEngine) -> Callable[..., Nightly]:
    def make(asked: _Asked, now: datetime, hour: int = 0) -> Nightly:
        return Nightly(
            engine, Reconciliations(engine, Catalog.builtin, Alerts(engine)), cast("Asking", asked),
            providers=["anthropic", "openai"], hour=hour, threshold=Threshold.parse("0.5%"), now=lambda: now,
        )  # fmt: skip

    return make


async def test_each_month_is_compared_once_a_night_and_a_refusal_holds_up_nobody(
    db: Any, nightly: Callable[..., Nightly]
) -> None:
    asked = _Asked()
    now = datetime.now(UTC)
    night = [(provider, month) for provider in ("anthropic", "openai") for month in months_due(now.date())]

    assert await nightly(asked, now.replace(hour=3, minute=59), 4).work() == 0
    assert asked.asked == []
    done = await nightly(asked, now).work()
    again = await nightly(asked, now).work()

    assert (done, again) == (len(night) // 2, 0)
    assert asked.asked == night
    states = await db.fetch("SELECT provider, state, is_nightly FROM reconciliation_run ORDER BY number")
    assert {tuple(row) for row in states} == {("anthropic", "failed", True), ("openai", "done", True)}


async def test_old_nightly_runs_go_and_accepted_ones_stay(db: Any, nightly: Callable[..., Nightly]) -> None:
    insert = """
    INSERT INTO reconciliation (number, provider, month, vendor_usd, ours_usd, drift_usd, unexplained_usd, parts,
        threshold, is_within, is_derived, settled_until, catalog_version, notes, cells, inputs, created_at)
    SELECT number, 'openai', month, 0, 0, 0, 0, '[]', '1%', true, false, month, '', '[]', 0, '', now() - age
    FROM reconciliation_run, (SELECT $2::interval AS age) AS a WHERE number = $1
    """
    for number, (is_nightly, age) in enumerate([(True, "100 days"), (False, "100 days"), (True, "100 days")], 1):
        await db.execute(
            "INSERT INTO reconciliation_run (provider, month, source, is_nightly, actor, state) "
            "VALUES ('openai', '2026-10-01', 'api', $1, 't', 'done')", is_nightly,
        )  # fmt: skip
        await db.execute(insert.replace("$2", f"'{age}'"), number)

    await nightly(_Asked(), datetime.now(UTC).replace(hour=23)).work()

    kept = await db.fetch("SELECT number FROM reconciliation WHERE number <= 3 ORDER BY number")
    assert [row["number"] for row in kept] == [2, 3]
