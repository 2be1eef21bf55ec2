"""Allowances in the books: entries of their own, exact, as often as asked, whatever comes late."""

import random
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import CHEAP, DEAR, LONG_AGO, book_calls, rerate

from voicegateway_controller.access import Role
from voicegateway_controller.allowances import AllowancePosting, store
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict
from voicegateway_controller.ledger import verify_rollups

PATH = "/api/v1/allowances"
Db = asyncpg.Connection
MONTH = datetime.now(UTC).date().replace(day=1)
BEFORE = (MONTH - timedelta(days=1)).replace(day=1)
OPENAI = {"PROVIDER": "openai", "REQUEST_MODEL": "gpt-4.1-mini"}
REQUEST = Decimal("0.0002688")
"""What one of the requests costs, 60 output tokens for 0.000096 of it."""


async def _declare(api: httpx.AsyncClient, make_token: Any, *allowances: dict[str, Any]) -> dict[str, str]:
    admin: dict[str, str] = await make_token(Role.ADMIN)
    answer = await api.put(PATH, json={"allowances": list(allowances)}, headers=admin)
    assert answer.status_code == 200, answer.json()
    return admin


async def _post(
    api: httpx.AsyncClient, admin: dict[str, str], engine: AsyncEngine, month: date = MONTH
) -> dict[str, str]:
    """Post a month and return what that changed, by allowance and kind; the sums stay sums of the entries."""
    answer = await api.post(f"{PATH}/post", json={"month": f"{month:%Y-%m}"}, headers=admin)
    assert answer.status_code == 200, answer.json()
    assert await verify_rollups(engine, since=LONG_AGO) == []
    return {f"{each['name']} {each['kind']}": each["amount_usd"] for each in answer.json()["posted"]}


async def _book(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any, count: int, **options: Any) -> None:
    from tests.fixtures.traces import a_request, a_span

    ended_ns = options.pop("ended_ns", time.time_ns())
    spans = [a_span(ended_ns=ended_ns - n * 1_000_000, **{**OPENAI, **options}) for n in range(count)]
    assert (await api.post("/v1/traces", content=a_request(*spans), headers=worker)).status_code == 200
    await make_ledger().drain(limit_s=10)


async def test_a_free_quantity_is_an_entry_of_its_own_and_the_price_stays(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    tokens = {"name": "free-tokens", "provider": "openai", "models": ["gpt-4.1-*"], "meters": ["output_tokens"]}
    admin = await _declare(api, make_token, {**tokens, "quantity": "150 tokens", "fee": "5", "from": f"{MONTH:%Y-%m}"})
    await _book(api, worker, make_ledger, 2)
    before = await db.fetch("SELECT * FROM ledger_entry ORDER BY request_id, meter")

    first = await _post(api, admin, engine)
    again = await _post(api, admin, engine)
    await _book(api, worker, make_ledger, 5)
    later = await _post(api, admin, engine)

    assert first == {"free-tokens credit": "-0.000192", "free-tokens purchase": "5"}
    assert again == {}
    # 150 of 420 tokens at 1.60 dollars a million are free.
    assert later == {"free-tokens credit": "-0.000048"}
    rows = await db.fetch("SELECT * FROM ledger_entry WHERE kind <> 'usage' ORDER BY kind, revision")
    assert [(row["kind"], row["meter"], row["revision"], row["project"], row["model"]) for row in rows] == [
        ("credit", "allowance", 0, "_shared", "free-tokens"),
        ("credit", "allowance", 1, "_shared", "free-tokens"),
        ("purchase", "subscription", 0, "_shared", "free-tokens"),
    ]
    assert rows[0]["request_id"] == rows[1]["request_id"]
    assert [row["charged_at"].date() for row in rows] == [datetime.now(UTC).date()] * 2 + [MONTH]
    kept = await db.fetch(
        "SELECT * FROM ledger_entry WHERE request_id = ANY($1)", [row["request_id"] for row in before]
    )
    assert len(kept) == len(before)
    reasons = await db.fetch("SELECT kind, reason, actor FROM ledger_correction ORDER BY kind")
    assert [row["kind"] for row in reasons] == ["allowance", "subscription"]
    assert reasons[0]["reason"] == f"usage covered by allowance free-tokens, {MONTH:%Y-%m}"
    shown = (await api.get(f"{PATH}/status", headers=admin)).json()
    [standing] = shown["allowances"]
    assert {name: standing[name] for name in ("unit", "given", "used", "left", "over", "credit_usd", "booked_usd")} == {
        "unit": "token", "given": "150", "used": "420", "left": "0", "over": "270", "credit_usd": "0.00024",
        "booked_usd": "4.99976",
    }  # fmt: skip
    assert int(standing["projected"]) >= 420


async def test_dollars_are_given_up_to_the_sum_and_to_the_project_that_is_named(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    admin = await _declare(
        api,
        make_token,
        {"name": "trial", "provider": "openai", "usd": "0.001", "project": "p1", "from": f"{MONTH:%Y-%m}"},
    )
    await _book(api, worker, make_ledger, 3, PROJECT="p1")
    await _book(api, worker, make_ledger, 3, PROJECT="p2")

    assert await _post(api, admin, engine) == {"trial credit": f"-{3 * REQUEST}"}
    await _book(api, worker, make_ledger, 3, PROJECT="p1")
    assert await _post(api, admin, engine) == {"trial credit": f"-{Decimal('0.001') - 3 * REQUEST}"}
    assert await db.fetchval("SELECT sum(amount_usd) FROM rollup_hour WHERE project = 'p1'") == 6 * REQUEST - Decimal(
        "0.001"
    )


async def test_packs_are_drawn_oldest_first_after_what_is_free(
    api: httpx.AsyncClient, worker: dict[str, str], engine: AsyncEngine, make_token: Any, make_ledger: Any
) -> None:
    today = datetime.now(UTC).date()
    old = {"name": "old", "provider": "openai", "prepaid": "0.0005", "bought_on": str(BEFORE), "price": "0.0004"}
    young = {"name": "young", "provider": "openai", "prepaid": "100", "bought_on": str(today)}
    unborn = {"name": "unborn", "provider": "openai", "prepaid": "7", "bought_on": "2999-01-01"}
    dead = {**old, "name": "dead", "prepaid": "50", "expires_on": str(BEFORE + timedelta(days=1))}
    free = {"name": "free", "provider": "openai", "usd": "0.0003", "from": f"{MONTH:%Y-%m}"}
    admin = await _declare(api, make_token, young, unborn, old, dead, free)
    await _book(api, worker, make_ledger, 10)

    posted = await _post(api, admin, engine)

    assert posted == {
        "dead purchase": "0.0004", "free credit": "-0.0003", "old credit": "-0.0005", "old purchase": "0.0004",
        "young credit": "-0.001888", "young purchase": "100",
    }  # fmt: skip
    assert await _post(api, admin, engine) == {}
    shown = (await api.get(f"{PATH}/status", headers=admin)).json()["allowances"]
    assert {each["name"]: each["left"] for each in shown if each["kind"] == "prepaid"} == {
        "young": "99.998112", "old": "0",
    }  # fmt: skip


async def test_late_usage_and_re_rated_usage_move_the_credit(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine, make_token: Any
) -> None:
    # No vendor of the catalogue: declared as if it had been one.
    document = (
        '[{"name": "in", "provider": "acme", "meters": ["input_tokens"], "quantity": "3000 tokens", "from": "%s"}]'
    )
    await db.execute(
        "INSERT INTO allowance_set (document, created_by) VALUES ($1::jsonb, 't')", document % f"{BEFORE:%Y-%m}"
    )
    admin = await make_token(Role.ADMIN)
    now = time.time_ns()
    await book_calls(api, worker, engine, CHEAP, count=2, ended_ns=now)
    assert await _post(api, admin, engine) == {"in credit": "-0.0024"}

    await rerate(engine, DEAR)
    assert await _post(api, admin, engine) == {"in credit": "-0.0048"}
    # Earlier than all others, by a minute, and dearer than they are: half of the last one is paid now.
    await book_calls(api, worker, engine, DEAR, count=1, ended_ns=now - 60 * 10**9)
    assert await _post(api, admin, engine) == {"in credit": "-0.0018"}

    assert await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry WHERE kind = 'credit'") == Decimal("-0.009")


async def test_the_order_of_arrival_changes_nothing(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    tokens = {"name": "t", "provider": "openai", "meters": ["output_tokens"], "quantity": "500 tokens"}
    admin = await _declare(api, make_token, {**tokens, "from": f"{BEFORE:%Y-%m}"})
    shuffled = list(range(12))
    random.Random(7).shuffle(shuffled)
    now = time.time_ns()

    for part in (shuffled[:5], shuffled[5:9], shuffled[9:]):
        for n in part:
            await _book(
                api, worker, make_ledger, 1, ended_ns=now - n * 20 * 60 * 10**9, usage={"output_tokens": 10 * n + 7}
            )
        await _post(api, admin, engine, BEFORE)
        await _post(api, admin, engine)

    spent: dict[date, int] = {}
    for n in sorted(shuffled, reverse=True):
        month = datetime.fromtimestamp((now - n * 20 * 60 * 10**9) / 10**9, UTC).date().replace(day=1)
        spent[month] = min(500, spent.get(month, 0) + 10 * n + 7)
    credit = await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry WHERE kind = 'credit'")
    assert credit == -sum(spent.values()) * Decimal("0.0000016")


async def test_a_closed_month_takes_its_late_credit_in_the_open_one(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    admin = await _declare(api, make_token, {"name": "f", "provider": "openai", "usd": "1", "from": f"{BEFORE:%Y-%m}"})
    await _book(api, worker, make_ledger, 1)
    await db.execute(
        "INSERT INTO ledger_close (month, entries, amount_usd, late_entries, closed_by, reason) "
        "VALUES ($1, 3, 0, 0, 'test', 'paid')",
        MONTH,
    )

    await _post(api, admin, engine)

    [row] = await db.fetch("SELECT day, booked_in FROM ledger_entry WHERE kind = 'credit'")
    assert row["booked_in"] == (MONTH + timedelta(days=32)).replace(day=1)


async def test_one_posts_at_a_time_and_the_runner_posts_by_itself(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    await _declare(
        api, make_token, {"name": "f", "provider": "openai", "usd": "1", "from": f"{BEFORE:%Y-%m}", "fee": "2"}
    )
    await _book(api, worker, make_ledger, 1)
    posting = AllowancePosting(engine)
    async with raw_connection(engine) as other, other.transaction():
        assert await other.fetchval(store.TRY_LOCK, store.POST_LOCK)
        with pytest.raises(Conflict, match="being posted already"):
            await posting.post(first=MONTH, last=MONTH, now=datetime.now(UTC), actor="test")
        await posting.step()
    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE kind <> 'usage'") == 0

    await posting.step()

    kinds = await db.fetch(
        "SELECT kind, sum(amount_usd) AS usd FROM ledger_entry WHERE kind <> 'usage' GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in kinds] == [("credit", -REQUEST), ("purchase", Decimal(4))]


async def test_what_does_not_hold_any_more_is_taken_back(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    free = {"name": "f", "provider": "openai", "usd": "1", "from": f"{BEFORE:%Y-%m}", "fee": "2"}
    admin = await _declare(api, make_token, free)
    await _book(api, worker, make_ledger, 1)
    assert await _post(api, admin, engine) == {"f credit": f"-{REQUEST}", "f purchase": "2"}

    await _declare(api, make_token, {**free, "until": f"{BEFORE:%Y-%m}"})

    assert await _post(api, admin, engine) == {"f credit": str(REQUEST), "f purchase": "-2"}
    assert await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry WHERE kind <> 'usage'") == 0


async def test_a_pack_is_bought_once_and_taken_back_whole(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    pack = {"name": "p", "provider": "openai", "prepaid": "100", "price": "80", "bought_on": f"{MONTH}"}
    admin = await _declare(api, make_token, pack)
    await _book(api, worker, make_ledger, 1)
    assert await _post(api, admin, engine) == {"p credit": f"-{REQUEST}", "p purchase": "80"}

    for changed in ({"bought_on": f"{BEFORE}"}, {"provider": "groq"}, {"project": "p1"}):
        await _declare(api, make_token)
        refused = await api.put(PATH, json={"allowances": [{**pack, **changed}]}, headers=admin)
        assert refused.status_code == 400
        assert "declare what is new under another name" in refused.json()["detail"]
    free = {"name": "p", "provider": "openai", "usd": "1", "from": f"{MONTH:%Y-%m}"}
    assert (await api.put(PATH, json={"allowances": [free]}, headers=admin)).status_code == 400
    await _declare(api, make_token, {**pack, "prepaid": "0", "price": "0"})

    assert await _post(api, admin, engine) == {"p credit": str(REQUEST), "p purchase": "-80"}
    assert await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry WHERE kind <> 'usage'") == 0


async def test_who_may_and_what_is_refused(api: httpx.AsyncClient, make_token: Any) -> None:
    month = f"{MONTH:%Y-%m}"
    shared = {"name": "a", "provider": "openai", "usd": "1", "from": month, "meters": ["input_tokens"]}
    admin = await _declare(
        api, make_token, shared, {**shared, "name": "b", "meters": ["output_tokens"], "project": "p1"}
    )
    viewer, of_p1 = await make_token(Role.VIEWER), await make_token(Role.ADMIN, projects=["p1"])

    assert (await api.put(PATH, json={"allowances": []}, headers=viewer)).status_code == 403
    assert (await api.put(PATH, json={"allowances": []}, headers=of_p1)).status_code == 403
    assert (await api.post(f"{PATH}/post", json={"month": month}, headers=of_p1)).status_code == 403
    assert (await api.post(f"{PATH}/post", json={"month": "2999-01"}, headers=admin)).status_code == 400
    assert (await api.post(f"{PATH}/post", json={"month": "soon"}, headers=admin)).status_code == 400
    assert (await api.get(f"{PATH}/status", params={"month": "2026-99"}, headers=viewer)).status_code == 400
    refused = await api.put(PATH, json={"allowances": [{**shared, "usd": 1}]}, headers=admin)
    assert (refused.status_code, "allowances[0].usd" in refused.json()["detail"]) == (400, True)
    conflict = await api.put(PATH, json={"allowances": []}, headers={**admin, "If-Match": "7"})
    assert conflict.status_code == 409
    names = [each["name"] for each in (await api.get(f"{PATH}/status", headers=of_p1)).json()["allowances"]]
    assert names == ["b"]
    declared = (await api.get(PATH, headers=of_p1)).json()
    assert [each["name"] for each in declared["allowances"]] == ["a", "b"]


async def test_what_a_declaration_gave_that_was_taken_away_is_not_given_again(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    make_token: Any,
    make_ledger: Any,
) -> None:
    trial = {"name": "trial", "provider": "openai", "usd": "10", "from": f"{MONTH:%Y-%m}"}
    pack = {"name": "pack", "provider": "openai", "prepaid": "100", "bought_on": f"{MONTH:%Y-%m-%d}"}
    tokens = {"name": "tokens", "provider": "openai", "meters": ["output_tokens"], "quantity": "100 tokens",
              "from": f"{MONTH:%Y-%m}"}  # fmt: skip
    admin = await _declare(api, make_token, trial, pack)
    await _book(api, worker, make_ledger, 4)
    assert await _post(api, admin, engine) == {"pack purchase": "100", "trial credit": f"-{4 * REQUEST}"}

    await _declare(api, make_token, pack)
    after = await _post(api, admin, engine)
    await _book(api, worker, make_ledger, 3)
    later = await _post(api, admin, engine)
    await _declare(api, make_token, tokens)
    last = await _post(api, admin, engine)

    assert (after, later, last) == ({}, {"pack credit": f"-{3 * REQUEST}"}, {})
