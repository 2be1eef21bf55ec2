"""Reconciling against the grain: old runs after newer ones, months half over, books that are closed or go on."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.fixtures.reconciling import bill, on, rows, statement
from tests.integration.controller.test_reconcile import (
    CENT,
    CHAT,
    faulty,
    is_true,
    keep,
    month,
    roll_up,
    run,
)

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.errors import Conflict
from voicegateway_controller.ledger.accounts import trial_balance
from voicegateway_controller.ledger.periods import Periods
from voicegateway_controller.reconcile import store
from voicegateway_controller.reconcile.accepting import Accepting
from voicegateway_controller.reconcile.service import Reconciliations
from voicegateway_controller.reconcile.statement import VendorLine
from voicegateway_controller.reconcile.view import ReconciliationsView
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog


@pytest.fixture
def service(engine: Any) -> Reconciliations:
    return Reconciliations(engine, Catalog.builtin, Alerts(engine))


async def accrued(engine: Any) -> Any:
    found = await trial_balance(engine, since=date(2026, 10, 1), until=date(2026, 11, 1))
    return {each.name: each.balance_usd for each in found.accounts}["accrued:openai"]


async def test_an_old_comparison_is_not_accepted_after_a_newer_one_that_agreed(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    await run(service, faulty(ours))
    await run(service, statement(bill(ours)))
    accepted = await Accepting(engine).accept(2, actor="tester")
    assert accepted.booked_pico_usd == 0

    with pytest.raises(Conflict, match="2"):
        await Accepting(engine).accept(1, actor="tester")

    assert await accrued(engine) == 0


async def test_a_month_half_over_is_not_settled_though_nothing_differs(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await run(service, statement(bill(ours), settled_until=on(10)))

    with pytest.raises(Conflict, match="may still add"):
        await Accepting(engine).accept(1, actor="tester")


async def test_what_did_not_change_is_no_change_where_lines_have_no_day(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await run(service, faulty(ours))
    await run(service, faulty(ours))

    found = await ReconciliationsView(engine).compare(2, None)

    assert found.cells == []


async def test_a_closed_month_is_accepted_into_the_open_one_and_taken_back(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    await run(service, faulty(ours))
    await Periods(engine).close(date(2026, 10, 1), by="tester", reason="", now=datetime(2026, 11, 20, tzinfo=UTC))

    accepted = await Accepting(engine).accept(1, actor="tester")

    assert await accrued(engine) == 0
    assert await is_true(engine)
    booked_in = await db.fetch("SELECT DISTINCT booked_in FROM ledger_entry WHERE kind <> 'usage'")
    assert [row["booked_in"] for row in booked_in] == [date(2026, 11, 1)]
    assert (await run(service, faulty(ours))).difference_pico_usd == 0
    await Accepting(engine).reverse(1, actor="tester", reason="the draft")
    assert await is_true(engine)
    again = await Accepting(engine).accept(1, actor="tester")
    assert again.booked_pico_usd == accepted.booked_pico_usd
    assert await accrued(engine) == 0


async def test_a_file_whose_own_total_is_another_is_accepted_only_by_force(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    sums = sum(row.amount_pico_usd for row in ours)
    await run(service, statement(bill(ours), invoice_pico_usd=sums + CENT))
    await run(service, statement(bill(ours), invoice_pico_usd=sums))

    with pytest.raises(Conflict, match=rf"own total is \${format_usd(sums + CENT)}, .* \${format_usd(sums)}, which"):
        await Accepting(engine).accept(1, actor="tester")

    assert (await Accepting(engine).accept(2, actor="tester")).is_new
    await Accepting(engine).reverse(2, actor="tester", reason="the other one")
    assert (await Accepting(engine).accept(1, actor="tester", is_forced=True)).is_new


async def test_use_that_comes_after_accepting_is_booked_away_by_the_next_acceptance(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    said = faulty(ours)
    await run(service, said)
    await Accepting(engine).accept(1, actor="tester")
    await keep(db, rows(2, CHAT, requests=5), project="late")

    second = await run(service, said)
    await Accepting(engine).accept(2, actor="tester")

    assert sum(part.amount_pico_usd for part in second.parts) == second.difference_pico_usd != 0
    assert await accrued(engine) == 0
    assert (await run(service, said)).difference_pico_usd == 0
    with pytest.raises(Conflict, match="reverse 2 first"):
        await Accepting(engine).reverse(1, actor="tester", reason="the draft")
    for number in (2, 1):
        await Accepting(engine).reverse(number, actor="tester", reason="the draft")
    await run(service, said)
    await Accepting(engine).accept(4, actor="tester")
    assert await accrued(engine) == 0


async def test_lines_of_other_months_are_told_and_in_no_total(db: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)
    stray = msgspec.structs.replace(bill(ours)[0], day=date(2026, 9, 30), amount_pico_usd=CENT)

    result = await run(service, statement([*bill(ours), stray]))

    assert result.difference_pico_usd == 0
    assert result.notes == ("1 lines, $0.01, are of other months and were left out",)


async def test_differences_of_opposite_signs_do_not_hide_each_other(db: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)
    lines = bill(ours)
    outputs = [n for n, line in enumerate(lines) if line.meter == "output_tokens"]
    for n, more in zip(outputs, (CENT, -CENT), strict=False):
        lines[n] = msgspec.structs.replace(lines[n], amount_pico_usd=(lines[n].amount_pico_usd or 0) + more)

    result = await run(service, statement(lines))

    assert result.difference_pico_usd == 0
    assert result.drift_pico_usd == 2 * CENT
    assert await db.fetchval("SELECT is_within FROM reconciliation") is False


@pytest.mark.parametrize("odd", ["\0", "\x1f"])
async def test_a_vendors_words_may_hold_what_the_books_do_not(
    db: Any, engine: Any, service: Reconciliations, odd: str
) -> None:
    """What is booked by the words without it is found again by the next run."""
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    line = VendorLine(
        provider="openai", day=on(2), sku=f"web{odd}search", model=f"gpt-99{odd}x", meter="input_tokens", quantity=5,
        amount_pico_usd=CENT, context={"service_tier": f"fl{odd}ex"},
    )  # fmt: skip
    said = statement([*bill(ours), line])

    await run(service, said)
    accepted = await Accepting(engine).accept(1, actor="tester")
    again = await run(service, said)

    assert await db.fetchrow("SELECT model, skus FROM reconciliation_cell WHERE vendor_usd <> ours_usd") == (
        "gpt-99x",
        ["websearch"],
    )
    assert accepted.booked_pico_usd == CENT
    assert await db.fetch("SELECT model, meter, amount_usd FROM ledger_entry WHERE correction_id IS NOT NULL") == [
        ("gpt-99x", "input_tokens", Decimal("0.01"))
    ]
    assert again.parts == ()
    assert await is_true(engine)


def test_a_line_whose_words_are_none_is_of_the_bill_still() -> None:
    line = VendorLine(provider="openai", day=on(2), sku="\0\x1f", amount_pico_usd=CENT)

    assert line.bookable() == msgspec.structs.replace(line, sku="unnamed")


async def test_requests_of_one_size_that_are_lost_are_no_copies(db: Any, service: Reconciliations) -> None:
    ours = rows(2, {"output_tokens": 1_000}, requests=2)
    await keep(db, ours)
    each = bill(rows(2, {"output_tokens": 1_000}, requests=1))

    result = await run(service, statement(each * 4))

    assert [(part.category, part.amount_pico_usd) for part in result.parts] == [
        ("missing_spans", sum(row.amount_pico_usd for row in ours))
    ]


async def test_money_beside_credits_is_counted(db: Any, service: Reconciliations) -> None:
    credited = VendorLine(provider="openai", day=on(2), sku="tts", model="tts-1", credits="5")
    paid = VendorLine(provider="openai", day=on(2), sku="tts", model="tts-1", amount_pico_usd=CENT)

    result = await run(service, statement([credited, paid]))

    assert result.vendor_pico_usd >= CENT


async def test_a_night_whose_process_died_is_done_again(db: Any) -> None:
    await db.execute(
        "INSERT INTO reconciliation_run (provider, month, source, is_nightly, actor, started_at, worked_at) "
        "VALUES ('openai', '2026-10-01', 'api', true, 'nightly', now() - interval '2 hours', now() - interval '1 hour')"
    )
    tonight = datetime.now(UTC) - timedelta(hours=3)

    has_run = await db.fetchval(store.RAN_SINCE, "openai", date(2026, 10, 1), tonight)
    await db.execute("UPDATE reconciliation_run SET worked_at = clock_timestamp()")
    is_running = await db.fetchval(store.RAN_SINCE, "openai", date(2026, 10, 1), tonight)

    assert (has_run, is_running) == (False, True)
