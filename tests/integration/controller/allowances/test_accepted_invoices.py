"""Allowances beside accepted invoices: what an invoice settled stays settled, however often credits are posted."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import book_calls

from voicegateway_controller.access import Role
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.allowances import AllowancePosting
from voicegateway_controller.errors import Conflict
from voicegateway_controller.ledger import verify_rollups
from voicegateway_controller.ledger.accounts import trial_balance
from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile.accepting import Accepting
from voicegateway_controller.reconcile.result import Result
from voicegateway_controller.reconcile.service import Reconciliations, Wanted
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement
from voicegateway_controller.reconcile.threshold import Threshold
from voicegateway_shared.pricing import Catalog

MONTH = datetime.now(UTC).date().replace(day=1)


async def test_an_accepted_invoice_moves_no_credit(
    api: httpx.AsyncClient, worker: dict[str, str], db: Any, engine: AsyncEngine, make_token: Any
) -> None:
    tokens = {"meters": ["output_tokens"], "quantity": "1_000 tokens"}
    both = [
        {"name": name, "provider": "openai", "models": ["gpt-*"], "from": f"{MONTH:%Y-%m}", **given}
        for name, given in (("free-tokens", tokens), ("free-input", {"meters": ["input_tokens"], "usd": "10"}))
    ]
    await api.put("/api/v1/allowances", json={"allowances": both}, headers=await make_token(Role.ADMIN))
    await book_calls(api, worker, engine, Catalog.builtin(), count=4, PROVIDER="openai", REQUEST_MODEL="gpt-4.1-mini")
    posting = AllowancePosting(engine)
    await posting.step()
    await _accept(db, engine)
    booked = await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry")

    await posting.step()

    assert await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry") == booked == 0
    assert {a.name: a.balance_usd for a in (await trial_balance(engine)).accounts}["accrued:openai"] == 0
    await Accepting(engine).reverse(1, actor="tester", reason="wrong file")
    assert await posting.post(first=MONTH, last=MONTH, now=datetime.now(UTC), actor="tester") == []
    assert await verify_rollups(engine, since=datetime(2000, 1, 1, tzinfo=UTC)) == []


async def test_a_fee_that_no_api_lists_raises_no_alarm_and_is_not_accepted_away(
    api: httpx.AsyncClient, worker: dict[str, str], db: Any, engine: AsyncEngine, make_token: Any
) -> None:
    plan = {"name": "plan", "provider": "openai", "fee": "50", "from": f"{MONTH:%Y-%m}"}
    await api.put("/api/v1/allowances", json={"allowances": [plan]}, headers=await make_token(Role.ADMIN))
    await book_calls(api, worker, engine, Catalog.builtin(), count=4, PROVIDER="openai", REQUEST_MODEL="gpt-4.1-mini")
    await AllowancePosting(engine).step()
    used = await db.fetch(
        "SELECT day, model, meter, sum(billed_quantity) AS n, trunc(sum(amount_usd) * 1000000000000)::text AS pico_usd "
        "FROM ledger_entry WHERE kind = 'usage' GROUP BY 1, 2, 3"
    )
    lines = [_line(row["day"], row["model"], row["meter"], int(row["n"]), int(row["pico_usd"])) for row in used]

    told = await _reconciled(engine, lines)
    paper = await _reconciled(engine, lines, is_invoice=True)

    assert {part.category: part.amount_pico_usd for part in told.parts} == {"plan_fees": -50 * 10**12}
    assert {part.category: part.amount_pico_usd for part in paper.parts} == {"ours_only": -50 * 10**12}
    assert (told.drift_pico_usd, paper.drift_pico_usd) == (0, 50 * 10**12)
    assert await db.fetchval("SELECT count(*) FROM alert") == 1
    with pytest.raises(Conflict, match=r"told of no fees, and \$50 of plans' fees are in the books"):
        await Accepting(engine).accept(1, actor="tester")
    assert (await Accepting(engine).accept(1, actor="tester", is_forced=True)).booked_pico_usd == -50 * 10**12
    assert (await _reconciled(engine, lines)).parts == ()


async def _accept(db: Any, engine: AsyncEngine) -> None:
    """Accept a bill that has more of everything than we, all of it given for nothing."""
    used = await db.fetch(
        "SELECT day, model, meter, sum(billed_quantity) AS n FROM ledger_entry WHERE kind = 'usage' GROUP BY 1, 2, 3"
    )
    lines = [_line(row["day"], row["model"], row["meter"], int(row["n"]) + 100) for row in used]
    given = -sum(line.amount_pico_usd or 0 for line in lines)
    lines.append(VendorLine(provider="openai", day=None, sku="free tier", category="credit", amount_pico_usd=given))
    await _reconciled(engine, lines)
    await Accepting(engine).accept(1, actor="tester")


async def _reconciled(engine: AsyncEngine, lines: list[VendorLine], **changes: Any) -> Result:
    said = VendorStatement(
        provider="openai", month=MONTH, lines=tuple(lines), documents=(), settled_until=next_month(MONTH),
        grains=("day", "sku", "model", "meter"), has_amounts=True, **changes,
    )  # fmt: skip

    async def fetch(now: datetime) -> VendorStatement:
        return said

    wanted = Wanted(provider="openai", month=MONTH, source="api", threshold=Threshold.parse("1%"), actor="tester")
    return await Reconciliations(engine, Catalog.builtin, Alerts(engine)).run(wanted, fetch)


def _line(day: date, model: str, meter: str, units: int, pico_usd: int | None = None) -> VendorLine:
    return VendorLine(
        provider="openai", day=day, sku=f"{model}, {meter}", model=model, meter=meter, quantity=units,
        amount_pico_usd=units * 10**7 if pico_usd is None else pico_usd,
    )  # fmt: skip
