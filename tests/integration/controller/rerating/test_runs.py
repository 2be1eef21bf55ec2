"""Runs of re-rating over HTTP and on the command line, worked on by the runner; a price that arrives."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import CHEAP, DEAR, UNKNOWN, a_rerater, book_calls

from voicegateway_controller.access import Role
from voicegateway_controller.ledger.audit import audit
from voicegateway_controller.ledger.rerating import PriceArrival, Reratings
from voicegateway_controller.runner import Runner
from voicegateway_controller.settings import Settings
from voicegateway_shared.pricing import Catalog

PATH = "/api/v1/ledger/reratings"
Db = asyncpg.Connection


async def test_a_run_is_asked_for_watched_and_listed(
    api: httpx.AsyncClient, worker: dict[str, str], make_token: Any, engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    admin = await make_token(Role.ADMIN)
    before = datetime.now(UTC)

    asked = await api.post(
        PATH, json={"reason": "a correction", "is_dry_run": False, "provider": "acme"}, headers=admin
    )
    await a_rerater(engine, DEAR).step()
    found = (await api.get(f"{PATH}/{asked.json()['number']}", headers=admin)).json()

    run, [change] = found["rerating"], found["changes"]
    assert (asked.status_code, asked.json()["state"], asked.json()["seen"]) == (200, "running", 0)
    assert before <= datetime.fromisoformat(run["as_of"]) <= datetime.now(UTC)
    expected = {
        "number": 1, "state": "done", "is_dry_run": False, "is_automatic": False, "reason": "a correction",
        "provider": "acme", "model": "", "project": "", "since": None, "only_unrated": False, "allow_unrated": False,
        "expected": 5, "seen": 5, "changed": 5, "entries": 5, "without_span": 0, "kept": 0, "failed": 0,
        "still_unrated": 0, "before_usd": "0.006", "after_usd": "0.018", "difference_usd": "0.012",
    }  # fmt: skip
    assert {name: run[name] for name in expected} == expected
    assert change == {
        "day": change["day"], "provider": "acme", "model": "m", "meter": "input_tokens", "requests": 5,
        "before_usd": "0.006", "after_usd": "0.018", "difference_usd": "0.012",
    }  # fmt: skip
    assert [each["number"] for each in (await api.get(PATH, headers=admin)).json()["reratings"]] == [1]


async def test_who_may_and_what_is_refused(api: httpx.AsyncClient, make_token: Any) -> None:
    admin, viewer = await make_token(Role.ADMIN), await make_token(Role.VIEWER)
    of_acme = await make_token(Role.ADMIN, projects=["acme"])
    asked = {"reason": "x"}

    assert (await api.post(PATH, json=asked, headers=viewer)).status_code == 403
    assert (await api.post(PATH, json=asked, headers=of_acme)).status_code == 403
    assert (await api.get(PATH, headers=of_acme)).status_code == 403
    assert (await api.get(PATH, headers=viewer)).json() == {"reratings": []}
    assert (await api.get(f"{PATH}/7", headers=viewer)).status_code == 404
    assert (await api.delete(f"{PATH}/7", headers=admin)).status_code == 404
    assert (await api.post(PATH, json={}, headers=admin)).json()["detail"] == "reason: Field required"
    assert (await api.post(PATH, json={**asked, "dry": 1}, headers=admin)).status_code == 400
    assert (await api.post(PATH, json={**asked, "model": "m"}, headers=admin)).status_code == 400
    assert (await api.post(PATH, json=asked, headers=admin)).json()["is_dry_run"] is True
    assert (await api.delete(f"{PATH}/1", headers=admin)).json()["state"] == "cancelled"
    assert (await api.delete(f"{PATH}/1", headers=admin)).status_code == 409


async def test_the_runner_works_on_runs_by_itself_and_the_books_stand_an_audit(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    make_token: Any,
    engine: AsyncEngine,
    make_settings: Callable[..., Settings],
) -> None:
    await book_calls(api, worker, engine, UNKNOWN, PROVIDER="openai", REQUEST_MODEL="gpt-4.1-mini")
    runner = Runner(make_settings(), engine)
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    admin = await make_token(Role.ADMIN)
    asked = await api.post(PATH, json={"reason": "unrated", "is_dry_run": False}, headers=admin)

    run = await Reratings(engine).get(asked.json()["number"])
    async with asyncio.timeout(20):
        while run.state != "done":
            await asyncio.sleep(0.05)
            run = await Reratings(engine).get(run.number)
    stop.set()
    await running

    assert (run.seen, run.changed, run.still_unrated) == (5, 5, 0)
    month = datetime.now(UTC).date().replace(day=1)
    found = await audit(engine, since=month, until=(month + timedelta(days=32)).replace(day=1))
    assert [each.findings for each in found.checks] == [[]] * len(found.checks)


async def test_a_price_that_arrives_rates_what_had_none_once(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    held: list[Catalog] = [UNKNOWN]
    now = [0.0]
    arrival = PriceArrival(engine, lambda: held[0], clock=lambda: now[0])
    await book_calls(api, worker, engine, UNKNOWN, count=3)
    await book_calls(api, worker, engine, CHEAP, count=2, REQUEST_MODEL="some-other")

    async def look() -> int:
        for _ in range(3):
            await arrival.step()
            now[0] += 5
        return len(await Reratings(engine).newest())

    assert await look() == 0
    held[0] = CHEAP
    assert await look() == 1
    await a_rerater(engine, CHEAP).step()
    assert await look() == 1
    # Another process that learns of it later begins nothing either.
    await PriceArrival(engine, lambda: CHEAP, settle_s=0).step()
    [run] = await Reratings(engine).newest()

    assert (run.is_automatic, run.reason, run.actor, run.provider, run.model) == (
        True, "a price arrived", "runner", "acme", "m",
    )  # fmt: skip
    assert (run.state, run.expected, run.changed, run.still_unrated) == ("done", 3, 3, 0)
    assert await db.fetchval("SELECT sum(unrated_requests) FROM rollup_hour") == 0
    held[0] = DEAR
    assert await look() == 1


async def test_what_is_spent_of_a_budget_and_of_a_project_sees_the_correction(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], make_token: Any, engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP, PROJECT="acme")
    admin = await make_token(Role.ADMIN)
    budgets = [{"project": "acme", "amount": "5", "window": "day", "zone": "UTC"}]
    assert (await api.put("/api/v1/budgets", json={"budgets": budgets}, headers=admin)).status_code == 200

    await api.post(PATH, json={"reason": "x", "is_dry_run": False}, headers=admin)
    await a_rerater(engine, DEAR).step()

    costs = (await api.get("/api/v1/costs", params={"by": "model"}, headers=viewer)).json()
    assert [(row["key"], row["requests"]) for row in costs["rows"]] == [("acme/m", 5)]
    assert float(costs["total"]["amount_usd"]) == 0.0192
    [status] = (await api.get("/api/v1/budgets/status", headers=viewer)).json()["budgets"]
    assert status["spent_usd"] == "0.0192"
