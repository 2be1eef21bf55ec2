"""The books as a whole: sealed, summed, traced, closed by the month."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.catalog import record_catalog
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict
from voicegateway_controller.ledger.accounts import trial_balance
from voicegateway_controller.ledger.audit import Audit, audit
from voicegateway_controller.ledger.books import SHARED_PROJECT, Correction, book, record_correction
from voicegateway_controller.ledger.periods import Periods
from voicegateway_controller.ledger.rules import HourSums, Posting, SessionSums
from voicegateway_controller.ledger.watching import BooksWatch
from voicegateway_controller.months import next_month
from voicegateway_shared.pricing import Catalog

if TYPE_CHECKING:
    from asyncpg import Connection

TODAY = datetime.now(UTC)
THIS_MONTH = TODAY.date().replace(day=1)
NEXT_MONTH = next_month(THIS_MONTH)
OCTOBER = date(2026, 10, 1)


MEDDLING: Final = (
    ("UPDATE ledger_entry SET amount_usd = amount_usd * 2 WHERE meter = 'output_tokens'",
     {"chain", "rollups", "dashboard", "balance"}),
    ("UPDATE ledger_entry SET project = 'project-1' WHERE project = 'project-0'",
     {"chain", "rollups", "dashboard"}),
    ("UPDATE ledger_entry SET response_id = 'another' WHERE project = 'project-2'", {"chain"}),
    ("UPDATE ledger_entry SET charged_at = charged_at + interval '1 microsecond'", {"chain", "rollups"}),
    ("UPDATE ledger_entry SET list_amount_usd = 0", {"chain"}),
    ("UPDATE ledger_entry SET batch = NULL WHERE project = 'project-1'", {"chain"}),
    ("DELETE FROM ledger_entry WHERE project = 'project-0' AND meter = 'output_tokens'",
     {"chain", "rollups", "dashboard", "balance"}),
    ("DELETE FROM ledger_entry WHERE project = 'project-0'", {"chain", "rollups", "dashboard", "balance"}),
    ("DELETE FROM ledger_block WHERE project = 'project-0' AND block = 1", {"chain", "links"}),
    ("DELETE FROM ledger_block WHERE project = 'project-0' AND block = 2", {"chain", "links"}),
    ("UPDATE ledger_block SET hash = sha256(digest) WHERE block = 2", {"links"}),
    ("DELETE FROM ledger_chain WHERE project = 'project-0'", {"links"}),
    ("UPDATE rollup_hour SET amount_usd = amount_usd + 1 WHERE meter = 'output_tokens' AND project = 'project-1'",
     {"rollups", "balance"}),
    ("UPDATE rollup_day SET amount_usd = amount_usd + 1 WHERE meter = 'output_tokens' AND project = 'project-1'",
     {"rollups", "dashboard"}),
    ("UPDATE rollup_session SET amount_usd = 0 WHERE project = 'project-1'", {"rollups"}),
    ("UPDATE rollup_session SET last_ended_at = last_ended_at + interval '1 day' WHERE project = 'project-1'",
     {"rollups"}),
    ("UPDATE rollup_session SET first_started_at = first_started_at - interval '1 second' WHERE project = 'project-1'",
     {"rollups"}),
    ("UPDATE rollup_session SET errors = 1 WHERE project = 'project-1'", {"rollups"}),
    ("INSERT INTO rollup_session SELECT 'AJ_invented', project, '', '', first_started_at, last_ended_at, 0, 0, 0, 0, 0 "
     "FROM rollup_session", {"rollups"}),
    ("DELETE FROM usage_span WHERE project = 'project-1'", {"traces"}),
    ("UPDATE ledger_entry SET price_id = 'openai/none@00000000'", {"chain", "traces"}),
    ("UPDATE ledger_entry SET price_id = NULL", {"chain", "traces"}),
    ("UPDATE ledger_entry SET kind = 'rerate', correction_id = gen_random_uuid() WHERE meter = 'output_tokens'",
     {"chain", "rollups", "traces"}),
)  # fmt: skip
"""What somebody who owns the tables could do, and the checks that see it."""


@pytest.fixture
async def booked(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any, engine: AsyncEngine) -> None:
    """Thirty calls of three projects, rated in two batches."""
    await record_catalog(engine, Catalog.builtin())
    for start in (0, 15):
        spans = [a_span(PROJECT=f"project-{n % 3}", SESSION_ID=f"AJ_{n % 3}") for n in range(start, start + 15)]
        await api.post("/v1/traces", content=a_request(*spans), headers=worker)
        await make_ledger().drain(limit_s=10)


@pytest.mark.usefixtures("booked")
async def test_untouched_books_are_sound(engine: AsyncEngine) -> None:
    found = await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)

    assert _findings(found) == {}
    looked_at = {check.name: check.looked_at for check in found.checks}
    assert looked_at["chain"] == looked_at["traces"] == 90
    assert looked_at["links"] == 6
    assert len(found.heads) == 3
    assert found.is_sound


@pytest.mark.usefixtures("booked")
async def test_whatever_is_meddled_with_is_found(engine: AsyncEngine, db: "Connection[Any]") -> None:
    tables = (
        "ledger_entry",
        "ledger_block",
        "ledger_chain",
        "rollup_hour",
        "rollup_day",
        "rollup_session",
        "usage_span",
    )
    found = {}
    async with _without_triggers(db):
        for table in tables:
            await db.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        for meddling, _ in MEDDLING:
            await db.execute(meddling)
            found[meddling] = set(_findings(await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)))
            for table in tables:
                await db.execute(f"DELETE FROM {table}")
                await db.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")

    assert found == dict(MEDDLING)
    assert _findings(await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)) == {}


@pytest.mark.usefixtures("booked")
async def test_the_runner_tells_when_the_newest_books_are_broken(engine: AsyncEngine, db: "Connection[Any]") -> None:
    watch = BooksWatch(engine, Alerts(engine).raise_)
    await watch.look(today=TODAY.date())
    sound = await db.fetchval("SELECT count(*) FROM alert")
    async with _without_triggers(db):
        await db.execute("UPDATE ledger_entry SET amount_usd = 0 WHERE meter = 'output_tokens'")

    for _ in range(2):
        await watch.look(today=TODAY.date())

    assert sound == 0
    assert [tuple(row) for row in await db.fetch("SELECT kind, severity, key FROM alert")] == [
        ("books_broken", "critical", f"books_broken:{TODAY:%Y-%m-%d}:chain")
    ]


@pytest.mark.usefixtures("booked")
async def test_books_rewritten_as_a_whole_have_other_heads(engine: AsyncEngine, db: "Connection[Any]") -> None:
    """Whoever owns the tables can seal anew; the heads that somebody kept elsewhere tell."""
    before = await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)
    async with _without_triggers(db):
        await db.execute("UPDATE ledger_entry SET key_id = 'k' WHERE project = 'project-0'")
        await db.execute(_SEAL_ANEW)
    half_done = await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)
    async with _without_triggers(db):
        await db.execute("UPDATE ledger_block SET hash = sha256(digest) WHERE block = 1")
        await db.execute(
            "UPDATE ledger_block AS b SET hash = sha256(f.hash || b.digest) FROM ledger_block AS f"
            " WHERE b.block = 2 AND f.block = 1 AND (f.project, f.day) = (b.project, b.day)"
        )
        await db.execute(
            "UPDATE ledger_chain AS c SET hash = b.hash FROM ledger_block AS b"
            " WHERE b.block = c.blocks AND (b.project, b.day) = (c.project, c.day)"
        )

    after = await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)

    assert set(_findings(half_done)) == {"links"}
    assert _findings(after) == {}
    assert len(set(before.heads) - set(after.heads)) == 1


@pytest.mark.usefixtures("booked")
async def test_a_correction_is_sealed_summed_and_balanced(engine: AsyncEngine, db: "Connection[Any]") -> None:
    await _correct(engine, "-0.25", month=THIS_MONTH)

    found = await audit(engine, since=THIS_MONTH, until=NEXT_MONTH)

    assert _findings(found) == {}
    assert await db.fetchval("SELECT amount_usd FROM rollup_hour WHERE meter = 'allowance'") == Decimal("-0.25")


@pytest.mark.usefixtures("booked")
async def test_a_correction_without_a_reason_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(Exception, match="ledger_entry_correction_says_why"):
        async with raw_connection(engine) as connection, connection.transaction():
            await book(connection, _posting("-1", THIS_MONTH), kind="credit")


async def test_a_month_closes_and_what_is_late_is_booked_in_the_first_open_one(
    engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    await _correct(engine, "5", month=OCTOBER)
    periods = Periods(engine)

    closed = await periods.close(OCTOBER, by="t-1", reason="invoiced", now=TODAY)
    await _correct(engine, "0.5", month=OCTOBER)

    assert (closed.entries, closed.amount_usd, closed.closed_by) == (1, Decimal(5), "t-1")
    assert await db.fetchval("SELECT booked_in FROM ledger_entry WHERE amount_usd = 0.5") == date(2026, 11, 1)
    listed = {each.month: (each.amount_usd, each.late_entries) for each in await periods.list()}
    assert listed == {OCTOBER: (Decimal(5), 0), date(2026, 11, 1): (Decimal("0.5"), 1)}
    assert _findings(await audit(engine, since=OCTOBER, until=NEXT_MONTH)) == {}
    october = await trial_balance(engine, since=OCTOBER, until=date(2026, 11, 1))
    assert {each.name: each.balance_usd for each in october.accounts} == {
        f"cost:{SHARED_PROJECT}": Decimal("5.5"), "accrued:openai": Decimal("-5.5"),
    }  # fmt: skip


async def test_what_cannot_be_closed(engine: AsyncEngine, db: "Connection[Any]") -> None:
    periods = Periods(engine)
    await _correct(engine, "1", month=date(2026, 8, 1))
    await _correct(engine, "1", month=OCTOBER)

    async def refusal(month: date) -> str:
        with pytest.raises(Conflict) as caught:
            await periods.close(month, by="t-1", reason="", now=TODAY)
        return str(caught.value)

    assert "not over yet" in await refusal(THIS_MONTH)
    assert await refusal(OCTOBER) == "2026-08 is still open: close it before 2026-10"
    await periods.close(date(2026, 8, 1), by="t-1", reason="", now=TODAY)
    assert "closed already" in await refusal(date(2026, 7, 1))
    await db.execute("INSERT INTO usage_pending VALUES ('2026-10-31', gen_random_uuid(), now())")
    assert "1 spans of 2026-10 or before wait to be rated" in await refusal(OCTOBER)
    with pytest.raises(Exception, match="append-only"):
        await db.execute("DELETE FROM ledger_close")


async def test_a_month_of_nothing_but_what_is_late_is_closed_before_the_next(engine: AsyncEngine) -> None:
    july, august = date(2026, 7, 1), date(2026, 8, 1)
    periods = Periods(engine)
    await _correct(engine, "1", month=july)
    await periods.close(july, by="t-1", reason="", now=TODAY)
    await _correct(engine, "0.5", month=july)

    with pytest.raises(Conflict, match="2026-08 is still open: close it before 2026-10"):
        await periods.close(OCTOBER, by="t-1", reason="", now=TODAY)
    closed = await periods.close(august, by="t-1", reason="", now=TODAY)
    await periods.close(OCTOBER, by="t-1", reason="", now=TODAY)

    assert (closed.entries, closed.amount_usd, closed.late_entries) == (1, Decimal("0.5"), 1)


async def test_closing_and_writing_take_turns(engine: AsyncEngine, db: "Connection[Any]") -> None:
    """Whoever is first: an entry is either in the closed month's sum or booked in the next month."""
    await _correct(engine, "1", month=OCTOBER)
    periods = Periods(engine)

    await asyncio.gather(
        *(_correct(engine, "1", month=OCTOBER) for _ in range(20)),
        periods.close(OCTOBER, by="t-1", reason="", now=TODAY),
        *(_correct(engine, "1", month=OCTOBER) for _ in range(20)),
    )

    listed = {each.month: each.entries for each in await periods.list()}
    in_october = await db.fetchval("SELECT count(*) FROM ledger_entry WHERE booked_in IS NULL")
    assert listed[OCTOBER] == in_october
    assert listed[OCTOBER] + listed.get(date(2026, 11, 1), 0) == 41


@pytest.mark.usefixtures("booked")
async def test_an_accepted_invoice_clears_what_was_accrued(engine: AsyncEngine, db: "Connection[Any]") -> None:
    total = await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry")
    await _correct(engine, "0", month=THIS_MONTH)
    await db.execute(
        "INSERT INTO ledger_invoice (id, provider, month, net_usd, reference, correction_id, posted_by)"
        " SELECT gen_random_uuid(), 'openai', $1, $2, 'INV-1', id, 't-1' FROM ledger_correction",
        THIS_MONTH,
        total,
    )

    found = await trial_balance(engine, since=THIS_MONTH, until=NEXT_MONTH)

    balances = {each.name: each.balance_usd for each in found.accounts}
    assert found.difference_usd == 0
    assert balances["accrued:openai"] == 0
    assert balances["payable:openai"] == -total


@pytest.mark.usefixtures("booked")
async def test_the_books_over_http(api: httpx.AsyncClient, make_token: Any, engine: AsyncEngine) -> None:
    admin, viewer = await make_token(Role.ADMIN), await make_token(Role.VIEWER)
    await _correct(engine, "2.50", month=OCTOBER)

    closed = await api.post("/api/v1/ledger/periods", json={"month": "2026-10", "reason": "done"}, headers=admin)
    listed = (await api.get("/api/v1/ledger/periods", headers=viewer)).json()["periods"]
    balance = (await api.get("/api/v1/ledger/balance", headers=viewer)).json()
    corrections = (await api.get("/api/v1/ledger/corrections", headers=viewer)).json()["corrections"]

    assert closed.json()["amount_usd"] == "2.5"
    assert [(each["month"], each["is_closed"]) for each in listed] == [
        (f"{THIS_MONTH:%Y-%m}", False),
        ("2026-10", True),
    ]
    assert balance["difference_usd"] == "0"
    assert balance["debit_usd"] == balance["credit_usd"] != "0"
    assert [(each["kind"], each["amount_usd"], each["entries"]) for each in corrections] == [("allowance", "2.5", 1)]
    again = await api.post("/api/v1/ledger/periods", json={"month": "2026-10"}, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await api.post("/api/v1/ledger/periods", json={"month": "2026-10"}, headers=viewer)).status_code == 403
    for month in ("2026-13", "x", "2026-10-02"):
        refused = await api.post("/api/v1/ledger/periods", json={"month": month}, headers=admin)
        assert 400 <= refused.status_code < 500
    assert (await api.get("/api/v1/ledger/balance?since=2026-13", headers=viewer)).status_code == 400
    scoped = await make_token(Role.VIEWER, projects=["project-1"])
    assert (await api.get("/api/v1/ledger/balance", headers=scoped)).status_code == 403


_SEAL_ANEW = """
UPDATE ledger_block AS b SET digest = s.digest
FROM (
    SELECT project, day, batch, sha256(convert_to(string_agg(ledger_entry_line(ledger_entry), E'\\n'
        ORDER BY request_id, meter COLLATE "C", kind COLLATE "C", revision), 'UTF8')) AS digest
    FROM ledger_entry GROUP BY 1, 2, 3
) AS s
WHERE (b.project, b.day, b.batch) = (s.project, s.day, s.batch)
"""


def _findings(found: Audit) -> dict[str, list[str]]:
    return {check.name: check.findings for check in found.checks if check.findings}


@asynccontextmanager
async def _without_triggers(db: "Connection[Any]") -> AsyncIterator[None]:
    """As whoever owns the tables can."""
    await db.execute("SET session_replication_role = replica")
    yield
    await db.execute("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize("place", [9, 10, 11, 12, 13])
async def test_a_text_that_would_break_a_batch_is_refused_and_never_a_wrong_row(
    engine: AsyncEngine, db: "Connection[Any]", place: int
) -> None:
    """Project, session, agent, provider or model with the unit separator in it, beside an entry without."""
    odd, plain = _posting("-1", THIS_MONTH), _posting("-2", THIS_MONTH)
    entry = list(odd.entries[0])
    entry[place] = "one\x1ftwo"
    both = Posting(entries=[tuple(entry), *plain.entries], hours=plain.hours, sessions=plain.sessions)
    correction = Correction(id=uuid.uuid4(), kind="allowance", reason="as agreed", actor="t-1")

    async with raw_connection(engine) as connection:
        await record_correction(connection, correction)
        with pytest.raises((asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)):
            await book(connection, both, kind="credit", correction_id=correction.id)

    assert await db.fetchval("SELECT count(*) FROM ledger_entry") == 0


async def _correct(engine: AsyncEngine, amount: str, *, month: date) -> None:
    correction = Correction(id=uuid.uuid4(), kind="allowance", reason="as agreed", actor="t-1")
    async with raw_connection(engine) as connection, connection.transaction():
        await record_correction(connection, correction)
        await book(connection, _posting(amount, month), kind="credit", correction_id=correction.id)


def _posting(amount: str, month: date) -> Posting:
    """One credit of a vendor's, at noon of the month's second day."""
    at = datetime(month.year, month.month, 2, 12, tzinfo=UTC)
    charged_us, pico_usd = int(at.timestamp()) * 1_000_000, int(Decimal(amount) * 10**12)
    group = (charged_us, SHARED_PROJECT, "", "openai", "", "")
    return Posting(
        entries=[
            (
                "allowance", "0", "0", f"{pico_usd}e-12", f"{pico_usd}e-12", "", "", f"{at:%Y-%m-%d}",
                str(uuid.uuid4()), SHARED_PROJECT, "", "", "openai", "", "", "f", str(charged_us), "", "", "",
            )
        ],
        hours={group: HourSums(meters={"allowance": [0, 0, 0, pico_usd, 0, 0]})},
        sessions=dict[tuple[str, str], SessionSums](),
    )  # fmt: skip
