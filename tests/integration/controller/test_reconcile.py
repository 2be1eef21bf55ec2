"""Reconciling over a real ledger: run, stored, accepted, reversed; the books stay true throughout."""

import asyncio
import hashlib
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from tests.fixtures.ledger_rows import charge, leave_pending
from tests.fixtures.reconciling import MONTH, bill, on, rows, statement

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.errors import Conflict, NotFound
from voicegateway_controller.ledger import verify_rollups
from voicegateway_controller.ledger.accounts import trial_balance
from voicegateway_controller.ledger.audit import audit
from voicegateway_controller.ledger.periods import Periods
from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile import ours as our_side
from voicegateway_controller.reconcile.accepting import Accepting
from voicegateway_controller.reconcile.cells import OurRow
from voicegateway_controller.reconcile.errors import VendorRefused
from voicegateway_controller.reconcile.result import Result
from voicegateway_controller.reconcile.service import Reconciliations, Wanted
from voicegateway_controller.reconcile.statement import VendorDocument, VendorLine, VendorStatement
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_shared.pricing import Catalog

CHAT = {"input_tokens": 1_200, "cache_read_tokens": 200, "output_tokens": 80}
CENT = 10**10

_ENTRY = """
INSERT INTO ledger_entry (
    day, request_id, meter, kind, revision, project, session_id, agent, provider, model, modality, quantity,
    billed_quantity, amount_usd, list_amount_usd, price_id, estimated, charged_at, recorded_at, key_id, response_id,
    incarnation
)
SELECT $1::date, md5($1::text || $2::text || n || $10)::uuid, $3, 'usage', 0, $4, '', 'a', 'openai', $5, $6, $7, $8,
       $9::text::numeric, $9::text::numeric, $11, false, $1::date + interval '9 hours', now(), '', '', ''
FROM generate_series(1, $2::int) AS n
"""
_HOUR = """
INSERT INTO rollup_hour AS r (
    hour, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount_usd,
    estimated_requests, unrated_requests
)
SELECT date_trunc('hour', charged_at, 'UTC'), project, agent, provider, model, modality, meter, requests, quantity,
       billed, amount, 0, 0
FROM (
    SELECT charged_at, project, agent, provider, model, modality, meter, count(*) AS requests,
           sum(quantity) AS quantity, sum(billed_quantity) AS billed, sum(amount_usd) AS amount
    FROM ledger_entry GROUP BY 1, 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT charged_at, project, agent, provider, model, modality, 'requests', count(DISTINCT request_id), 0, 0, 0
    FROM ledger_entry GROUP BY 1, 2, 3, 4, 5, 6
) AS each
"""


async def keep(db: Any, ours: list[OurRow], *, project: str = "acme") -> None:
    """Write entries of which these are the sums."""
    for row in ours:
        await db.execute(
            _ENTRY, row.day, row.requests, row.meter, project, row.model, row.modality,
            row.quantity // row.requests, row.billed_quantity // row.requests,
            f"{row.amount_pico_usd // row.requests}e-12", project, row.price_id,
        )  # fmt: skip


_DAY = """
INSERT INTO rollup_day (
    day, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount_usd,
    estimated_requests, unrated_requests
)
SELECT (hour AT TIME ZONE 'UTC')::date, project, agent, provider, model, modality, meter, sum(requests), sum(quantity),
       sum(billed_quantity), sum(amount_usd), sum(estimated_requests), sum(unrated_requests)
FROM rollup_hour GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


async def roll_up(db: Any) -> None:
    await db.execute(_HOUR)
    await db.execute(_DAY)


def wanted(**changes: Any) -> Wanted:
    facts: dict[str, Any] = {
        "provider": "openai", "month": MONTH, "source": "api", "threshold": Threshold.parse("0.5%"), "actor": "tester",
    }  # fmt: skip
    return Wanted(**{**facts, **changes})


def document(body: bytes = b'{"data": []}') -> VendorDocument:
    return VendorDocument(
        name="GET /v1/organization/costs", sha256=hashlib.sha256(body).hexdigest(), body=body,
        fetched_at=datetime(2026, 11, 5, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def service(engine: Any) -> Reconciliations:
    return Reconciliations(engine, Catalog.builtin, Alerts(engine))


async def run(service: Reconciliations, said: VendorStatement, **changes: Any) -> Result:
    async def fetch(now: datetime) -> VendorStatement:
        return said

    return await service.run(wanted(**changes), fetch)


def month() -> list[OurRow]:
    return [row for day in (1, 2, 3) for row in rows(day, CHAT, requests=20)]


def change(line: VendorLine, **changes: Any) -> VendorLine:
    return msgspec.structs.replace(line, **changes)


def parts(result: Result) -> dict[str, int]:
    return {part.category: part.amount_pico_usd for part in result.parts}


async def books(db: Any) -> tuple[Any, ...]:
    """Everything that reports read."""
    entries = await db.fetch(
        "SELECT day, project, model, meter, kind, sum(quantity), sum(billed_quantity), sum(amount_usd) "
        "FROM ledger_entry GROUP BY 1, 2, 3, 4, 5 "
        "HAVING sum(amount_usd) <> 0 OR sum(quantity) <> 0 ORDER BY 1, 2, 3, 4, 5"
    )
    hours = await db.fetch(
        "SELECT * FROM rollup_hour WHERE (requests, quantity, billed_quantity, amount_usd) <> (0, 0, 0, 0) "
        "ORDER BY hour, project, agent, provider, model, modality, meter"
    )
    invoices = await db.fetch("SELECT provider, month, sum(net_usd), sum(tax_usd) FROM ledger_invoice GROUP BY 1, 2 "
                              "HAVING sum(net_usd) <> 0 OR sum(tax_usd) <> 0")  # fmt: skip
    return (entries, hours, invoices)


async def is_true(engine: Any) -> bool:
    return await verify_rollups(engine, since=datetime(2026, 9, 1, tzinfo=UTC)) == []


async def test_our_side_is_the_sum_of_the_months_entries(db: Any, engine: Any) -> None:
    await keep(db, month())
    await keep(db, rows(3, CHAT, requests=2), project="other")

    found = await our_side.sum_month(db, "openai", MONTH)

    third = [row for row in found if row.day == on(3) and row.meter == "input_tokens"]
    assert [(r.requests, r.quantity, r.billed_quantity, r.project_first, r.project_last) for r in third] == [
        (22, 26_400, 22_000, "acme", "other")
    ]
    assert sum(r.amount_pico_usd for r in found) == sum(r.amount_pico_usd for r in month()) * 62 // 60
    assert await our_side.sum_month(db, "openai", date(2026, 9, 1)) == []
    assert await our_side.sum_month(db, "deepgram", MONTH) == []


async def test_an_untouched_month_is_zero_in_every_part(db: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)

    result = await run(service, statement(bill(ours)))

    assert (result.difference_pico_usd, result.parts) == (0, ())
    row = await db.fetchrow("SELECT * FROM reconciliation")
    assert (row["vendor_usd"], row["drift_usd"], row["is_within"]) == (row["ours_usd"], 0, True)


async def test_what_it_was_made_of_is_kept_and_cannot_be_changed(db: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)
    lost = rows(2, CHAT, requests=3)
    said = statement(bill(ours + lost), documents=(document(), document(b"[2]")))

    result = await run(service, said)
    await run(service, said)

    assert parts(result) == {"missing_spans": sum(row.amount_pico_usd for row in lost)}
    assert await db.fetchval("SELECT count(*) FROM reconciliation_document") == 2
    assert await db.fetchval("SELECT count(*) FROM reconciliation_evidence") == 4
    assert await db.fetchval("SELECT sum(amount_usd) FROM reconciliation_part WHERE number = 1") * 10**12 == sum(
        row.amount_pico_usd for row in lost
    )
    for table in ("reconciliation", "reconciliation_cell", "reconciliation_part", "reconciliation_document"):
        with pytest.raises(Exception, match="append-only"):
            await db.execute(f"DELETE FROM {table}")


async def test_a_failure_is_written_down_and_does_not_block_the_next_one(db: Any, service: Reconciliations) -> None:
    async def refuse(now: datetime) -> VendorStatement:
        raise VendorRefused("this key may not read billing", provider="openai", status=403)

    with pytest.raises(VendorRefused):
        await service.run(wanted(), refuse)
    result = await run(service, statement([]))

    assert result.parts == ()
    assert await db.fetch("SELECT state, error, error_code FROM reconciliation_run ORDER BY number") == [
        ("failed", "this key may not read billing", "vendor_refused"),
        ("done", "", ""),
    ]


async def test_one_month_is_reconciled_once_at_a_time(service: Reconciliations) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(now: datetime) -> VendorStatement:
        asked.set()
        await go_on.wait()
        return statement([])

    await service.start(wanted(), slow)
    await asked.wait()
    with pytest.raises(Conflict):
        await service.start(wanted(), slow)
    await service.start(wanted(month=date(2026, 9, 1)), slow)
    go_on.set()
    await service.close()


async def test_drift_above_the_threshold_is_told_once_per_size(db: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)
    search = VendorLine(provider="openai", day=on(2), sku="web_search", amount_pico_usd=CENT)

    await run(service, statement([*bill(ours), search]), threshold=Threshold.parse("$0.009"))
    await run(service, statement([*bill(ours), search]), threshold=Threshold.parse("$0.009"))
    await run(service, statement([*bill(ours), search]), threshold=Threshold.parse("$0.01"))

    told = await db.fetch("SELECT kind, details->>'drift_usd' AS drift FROM alert")
    assert [(row["kind"], row["drift"]) for row in told] == [("reconciliation_drift", "0.01")]


async def test_spans_that_wait_are_noted(db: Any, service: Reconciliations) -> None:
    await leave_pending(db, "h-1")

    result = await run(service, statement([]))

    assert result.notes == ("1 spans were not rated yet: what they cost is not in our side",)


def faulty(ours: list[OurRow]) -> VendorStatement:
    """Lost spans, a price change, a line only the vendor has, tax and a credit."""
    lines = [
        change(line, amount_pico_usd=(line.amount_pico_usd or 0) * 2) if line.day == on(3) else line
        for line in bill(ours + rows(2, CHAT, requests=3))
    ]
    return statement(
        [
            *lines,
            VendorLine(provider="openai", day=on(2), sku="web_search", amount_pico_usd=3 * CENT),
            VendorLine(provider="openai", day=None, sku="Sales tax", amount_pico_usd=19 * CENT, category="tax"),
            VendorLine(provider="openai", day=None, sku="Credit", amount_pico_usd=-5 * CENT, category="credit"),
        ],
        documents=(document(),),
    )


async def test_after_accepting_the_books_are_the_invoice_and_the_next_run_finds_nothing(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await keep(db, rows(1, CHAT, requests=1, model="gpt-4.1"), project="other")
    await roll_up(db)
    said = faulty(ours + rows(1, CHAT, requests=1, model="gpt-4.1"))
    first = await run(service, said)

    accepted = await Accepting(engine).accept(1, actor="tester", reference="INV-10")
    again = await Accepting(engine).accept(1, actor="tester")
    second = await run(service, said)

    assert (accepted.is_new, again.is_new) == (True, False)
    assert accepted.correction_id == again.correction_id
    assert accepted.booked_pico_usd == first.difference_pico_usd
    assert (second.difference_pico_usd, second.parts) == (0, ())
    balance = {each.name: each.balance_usd for each in (await trial_balance(engine)).accounts}
    assert balance["accrued:openai"] == 0
    assert balance["payable:openai"] * 10**12 == -first.vendor_pico_usd
    assert await is_true(engine)
    kinds = dict(
        await db.fetch("SELECT kind, sum(amount_usd)::text FROM ledger_entry WHERE kind <> 'usage' GROUP BY 1")
    )
    assert (kinds["tax"], kinds["credit"]) == ("0.190000000000", "-0.050000000000")
    projects = {
        row[0]
        for row in await db.fetch(
            "SELECT DISTINCT project FROM ledger_entry WHERE meter LIKE '%tokens' AND kind = 'adjustment'"
        )
    }
    assert projects == {"acme"}
    assert await db.fetchval("SELECT project FROM ledger_entry WHERE kind = 'tax'") == "_shared"
    assert await db.fetchrow("SELECT net_usd, tax_usd, reference FROM ledger_invoice") == (
        (await db.fetchval("SELECT vendor_usd FROM reconciliation WHERE number = 1"))
        - await db.fetchval("SELECT 0.19"),
        await db.fetchval("SELECT 0.19"),
        "INV-10",
    )


async def test_a_newer_run_books_only_what_is_new(db: Any, engine: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    said = faulty(ours)
    await run(service, said)
    await Accepting(engine).accept(1, actor="tester")
    more = VendorLine(provider="openai", day=on(3), sku="code_execution", amount_pico_usd=7 * CENT)
    await run(service, statement([*said.lines, more]))

    accepted = await Accepting(engine).accept(2, actor="tester")

    assert (accepted.entries, accepted.booked_pico_usd) == (1, 7 * CENT)
    assert {a.name: a.balance_usd for a in (await trial_balance(engine)).accounts}["accrued:openai"] == 0
    assert await is_true(engine)
    with pytest.raises(Conflict, match="reverse 2 first"):
        await Accepting(engine).reverse(1, actor="tester", reason="wrong file")


async def test_what_was_accepted_of_another_tier_is_no_drift_of_the_next_run(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    priority = {"service_tier": "priority"}
    ours = [*rows(1, CHAT, requests=20), *rows(2, CHAT, requests=20, context=priority)]
    await keep(db, ours)
    await roll_up(db)
    # On the first day the vendor served at a tier that we knew nothing of.
    said = statement(bill(ours, context=priority))
    assert (await run(service, said)).drift_pico_usd > 0
    await Accepting(engine).accept(1, actor="tester")

    again = await run(service, said)

    assert (parts(again), again.difference_pico_usd, again.drift_pico_usd) == ({}, 0, 0)


async def test_reversing_leaves_the_books_as_they_were(db: Any, engine: Any, service: Reconciliations) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    before = await books(db)
    first = await run(service, faulty(ours))
    accepting = Accepting(engine)
    accepted = await accepting.accept(1, actor="tester")

    reversed_ = await accepting.reverse(1, actor="tester", reason="wrong file")

    assert reversed_.booked_pico_usd == -accepted.booked_pico_usd
    assert await books(db) == before
    assert await is_true(engine)
    with pytest.raises(Conflict, match="not accepted"):
        await accepting.reverse(1, actor="tester", reason="again")
    once_more = await accepting.accept(1, actor="tester")
    assert (once_more.is_new, once_more.booked_pico_usd) == (True, first.difference_pico_usd)
    assert {a.name: a.balance_usd for a in (await trial_balance(engine)).accounts}["accrued:openai"] == 0
    assert await is_true(engine)


async def test_an_invoice_or_a_closed_month_that_was_meddled_with_is_found(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    await run(service, faulty(ours))
    accepting = Accepting(engine)
    await accepting.accept(1, actor="tester")
    await Periods(engine).close(MONTH, by="tester", reason="done", now=datetime(2026, 11, 5, tzinfo=UTC))
    await accepting.reverse(1, actor="tester", reason="wrong file")
    await accepting.accept(1, actor="tester")
    assert await _wrong_totals(engine) == []

    await db.execute("SET session_replication_role = replica")
    await db.execute("UPDATE ledger_close SET amount_usd = amount_usd + 0.000000000001")
    await db.execute("UPDATE ledger_invoice SET tax_usd = tax_usd + 0.000000000001 WHERE reverses IS NOT NULL")
    await db.execute("SET session_replication_role = DEFAULT")

    assert {each.split(":")[0] for each in await _wrong_totals(engine)} == {"2026-10", "2026-10 openai"}


async def _wrong_totals(engine: Any) -> list[str]:
    found = await audit(engine, since=MONTH, until=next_month(MONTH))
    return [text for check in found.checks if check.name == "totals" for text in check.findings]


async def test_books_that_changed_since_are_not_corrected_by_an_old_comparison(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await run(service, faulty(ours))
    await keep(db, rows(3, CHAT, requests=1), project="late")

    with pytest.raises(Conflict, match="changed since"):
        await Accepting(engine).accept(1, actor="tester")

    assert await db.fetchval("SELECT count(*) FROM ledger_correction") == 0


async def test_corrections_that_come_to_nothing_in_all_are_booked_once(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    lines = bill(ours)
    # A cent less on one day and more on the next: the month's sum is what it was.
    first, other = lines[0], next(line for line in lines if line.day == on(2) and line.meter == lines[0].meter)
    moved = [
        change(line, amount_pico_usd=(line.amount_pico_usd or 0) + (CENT if line is first else -CENT))
        for line in (first, other)
    ]
    said = statement([*moved, *(line for line in lines if line not in (first, other))])
    for _ in range(2):
        await run(service, said)
    await Accepting(engine).accept(1, actor="tester")

    with pytest.raises(Conflict, match="changed since"):
        await Accepting(engine).accept(2, actor="tester")

    assert parts(await run(service, said)) == {}


async def test_invoices_that_are_accepted_at_the_same_time_do_not_wait_for_each_other_for_ever(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    """The first holds its project's chain and wants the shared one; the second, if it were let, the other way round."""
    ours = month()
    await keep(db, ours)
    await charge(db, "0.01", at=datetime(2026, 10, 3, 9, tzinfo=UTC), project="acme", provider="groq")
    tax = VendorLine(provider="openai", day=None, sku="tax", category="tax", amount_pico_usd=CENT)
    await run(service, statement([*bill(ours)[:-1], tax]))
    shared = VendorLine(provider="groq", day=on(31), sku="more", amount_pico_usd=CENT)
    await run(service, statement([shared], provider="groq"), provider="groq")
    await db.execute(
        "INSERT INTO ledger_chain (project, day, blocks, digest, hash) VALUES ('acme', $1, 1, '', '')", on(3)
    )
    accepting = Accepting(engine)

    async with db.transaction():
        await db.execute("SELECT FROM ledger_chain WHERE project = 'acme' FOR UPDATE")
        accepted = []
        for number in (1, 2):
            accepted.append(asyncio.create_task(accepting.accept(number, actor="tester")))
            await _until_waiting(db, number)

    assert [each.is_new for each in await asyncio.gather(*accepted)] == [True, True]


async def _until_waiting(db: Any, transactions: int) -> None:
    """Return when so many transactions of this database wait for a lock."""
    for _ in range(500):
        # Within a transaction the first answer would be repeated.
        await db.execute("SELECT pg_stat_clear_snapshot()")
        if await db.fetchval(_WAITING) >= transactions:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_a_month_that_is_not_settled_is_accepted_only_by_force(
    db: Any, engine: Any, service: Reconciliations
) -> None:
    ours = month()
    await keep(db, ours)
    await roll_up(db)
    await run(service, statement(bill(ours)[:6], settled_until=on(3)))

    with pytest.raises(Conflict, match="may still add"):
        await Accepting(engine).accept(1, actor="tester")
    accepted = await Accepting(engine).accept(1, actor="tester", is_forced=True)

    assert accepted.entries == 3
    assert await is_true(engine)


async def test_there_is_nothing_to_accept_of_a_run_that_is_not_there(engine: Any) -> None:
    with pytest.raises(NotFound):
        await Accepting(engine).accept(1, actor="tester")


async def test_cancelled_requests_and_minimums_are_found_in_their_requests(db: Any, service: Reconciliations) -> None:
    ours = rows(2, {"input_tokens": 1_000}, requests=4)
    await keep(db, ours)
    ids = await db.fetch("SELECT request_id FROM ledger_entry ORDER BY 1 LIMIT 1")
    await _span(db, on(2), ids[0]["request_id"], outcome="cancelled")

    result = await run(service, statement(bill(rows(2, {"input_tokens": 1_000}, requests=3))))

    found = [part for cell in result.cells for part in cell.parts]
    assert [(part.category, part.confidence) for part in found] == [("cancelled", "certain")]


async def _span(db: Any, day: date, request_id: Any, *, outcome: str) -> None:
    await leave_pending(db, "h-1")
    await db.execute("DELETE FROM usage_pending")
    await db.execute(
        "UPDATE usage_span SET day = $1, request_id = $2, outcome = $3, ended_at = $4", day, request_id, outcome,
        datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
    )  # fmt: skip
