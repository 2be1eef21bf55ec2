"""How budgets stand: what is spent and reserved in the open window, what it will come to, and what is odd."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.budgets import AnomalyWatch, Budgets, History
from voicegateway_controller.budgets.pools import BudgetPools, Opening, Terms
from voicegateway_controller.budgets.windows import open_window
from voicegateway_controller.declared import SetCopy
from voicegateway_shared.budgets import BudgetSpec, parse_budgets

USD = 10**9
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
DAY_OF_ACME = {"project": "acme", "amount": "0.01", "window": "day", "zone": "Europe/Berlin"}
SPENT = "0.0002688"
"""What one request of `a_span` costs."""


async def _put(api: httpx.AsyncClient, headers: dict[str, str], *budgets: dict[str, Any]) -> dict[str, Any]:
    response = await api.put("/api/v1/budgets", json={"budgets": budgets}, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _status(api: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    response = await api.get("/api/v1/budgets/status", headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _spent(db: Any, by_hour: Mapping[datetime, int], project: str = "acme") -> None:
    await db.executemany(
        "INSERT INTO rollup_hour VALUES ($1, $2, 'a', 'openai', 'gpt-4.1-mini', 'llm', 'output_tokens', 1, 1, 1,"
        " $3::bigint / 1000000000.0, 0, 0)",
        [(hour, project, nano_usd) for hour, nano_usd in by_hour.items()],
    )


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


@pytest.fixture
async def redis(redis_url: str) -> Any:
    async with Redis.from_url(redis_url) as client:
        yield client


async def _opened(redis: Redis, budget: dict[str, Any], *, spent: int, unknown: int = 0) -> None:
    """Open the pool of a budget's open window, as leasing does; before it is declared, or reconciling is quicker."""
    [spec] = parse_budgets([budget], providers=())
    now = datetime.now(UTC)
    window = open_window(spec, now)
    pools = BudgetPools(redis)
    _, seen_us = await pools.now_us(window.pool)
    terms = Terms(
        pool=window.pool,
        limit=spec.amount_nano_usd,
        revision=1,
        is_stopping=spec.is_stopping,
        is_rolling=False,
        live_ms=60_000,
    )
    opening = Opening(seen_us=seen_us, epoch=1, ceiling=0, unknown=unknown, spent=spent, seeds={}, slices={})
    assert await pools.open(terms, opening) == "opened"


async def test_a_window_that_nobody_leased_from_is_counted_by_the_ledger(
    api: httpx.AsyncClient, operator: dict[str, str], worker: dict[str, str], make_ledger: Any
) -> None:
    await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
    await make_ledger().drain(limit_s=10)
    await _put(api, operator, DAY_OF_ACME, {"project": "beta", "amount": "1", "window": "total"})

    answer = await _status(api, operator)

    acme, beta = answer["budgets"]
    forecast = acme.pop("forecast")
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = (midnight + timedelta(days=1)).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert acme == {
        "id": "acme.day",
        "selector": {"project": "acme"},
        "window": "day",
        "window_id": f"day:{now.date()}",
        "zone": "Europe/Berlin",
        "starts_at": midnight.isoformat(),
        "resets_at": tomorrow.isoformat(),
        "action": "block",
        "offline": "last_lease",
        "thresholds": [50, 80, 100],
        "state": "ok",
        "amount_usd": "0.01",
        "spent_usd": SPENT,
        "reserved_usd": "0",
        "left_usd": "0.0097312",
        "percent": 2.6,
        "holders": 0,
        "is_unbacked": False,
    }
    assert (forecast["burn_last_hour_usd"], forecast["sureness"], forecast["weeks"]) == (SPENT, "poor", 0)
    assert forecast["window_end"]["at"] == tomorrow.isoformat()
    assert (beta["spent_usd"], beta["resets_at"], beta["forecast"]["window_end"]) == ("0", None, None)
    assert answer["is_live"]
    assert [(each["project"], each["spent_this_month_usd"]) for each in answer["projects"]] == [
        ("", SPENT),
        ("acme", SPENT),
    ]


@pytest.mark.parametrize(
    ("action", "spent", "unknown", "state"),
    [
        ("block", 5_000_000, 0, "ok"),
        ("block", 9_999_000, 0, "exhausted"),
        ("warn", 9_999_000, 0, "ok"),
        ("throttle", 10_000_000, 0, "over"),
        ("end_session", 12_000_000, 0, "exhausted"),
        ("block", 5_000_000, 1_000_000, "learning"),
    ],
)
async def test_a_pool_says_what_is_spent_and_reserved(
    api: httpx.AsyncClient, operator: dict[str, str], redis: Redis, action: str, spent: int, unknown: int, state: str
) -> None:
    budget = {**DAY_OF_ACME, "action": action}
    await _opened(redis, budget, spent=spent, unknown=unknown)
    await _put(api, operator, budget)

    [seen] = (await _status(api, operator))["budgets"]

    left = max(0, 10_000_000 - spent - unknown)
    assert (seen["state"], seen["percent"]) == (state, spent // 10_000 / 10)
    assert [seen[name] for name in ("spent_usd", "reserved_usd", "left_usd")] == [
        f"{nano / USD:.9f}".rstrip("0").rstrip(".") for nano in (spent, unknown, left)
    ]


async def test_a_budget_lowered_below_what_is_spent_says_so(
    api: httpx.AsyncClient, operator: dict[str, str], redis: Redis, db: Any
) -> None:
    await _opened(redis, DAY_OF_ACME, spent=5_000_000)
    await _put(api, operator, DAY_OF_ACME)
    await _spent(db, {datetime.now(UTC).replace(minute=0, second=0, microsecond=0): 7 * USD}, project="beta")

    lowered = await _put(
        api,
        operator,
        {**DAY_OF_ACME, "amount": "0.004"},
        {"project": "beta", "amount": "3.50", "window": "month", "action": "warn"},
        {"project": "gamma", "amount": "3.50", "window": "month"},
    )

    assert lowered["warnings"] == [
        "budget 'acme.day' is already spent: $0.005 of $0.004; it blocks from now on",
        "budget 'beta.month' is already spent: $7 of $3.5; nothing is stopped, because its action is to warn",
    ]


async def test_a_budget_per_session_has_no_window_that_anybody_shares(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    await _put(api, operator, {"amount": "0.50", "window": "session"})

    [seen] = (await _status(api, operator))["budgets"]

    assert (seen["window"], seen["window_id"], seen["state"], seen["amount_usd"]) == ("session", "", "ok", "0.5")
    assert [seen[name] for name in ("spent_usd", "left_usd", "percent", "resets_at", "forecast")] == [None] * 5


async def test_a_reader_of_one_project_sees_neither_others_nor_the_sum_of_all(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any, db: Any
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for project in ("acme", "beta"):
        await _spent(db, {hour: 2 * USD}, project=project)
    await _put(api, operator, DAY_OF_ACME, {**DAY_OF_ACME, "project": "beta"}, {"amount": "9", "window": "day"})

    seen = await _status(api, await make_token(Role.VIEWER, projects=["acme"]))

    assert [each["id"] for each in seen["budgets"]] == ["acme.day", "fleet.day"]
    assert [each["project"] for each in seen["projects"]] == ["acme"]
    of_acme, of_all = seen["budgets"]
    assert (of_acme["spent_usd"], of_all["spent_usd"], of_all["state"]) == ("2", None, "ok")
    assert [of_all[name] for name in ("reserved_usd", "left_usd", "percent", "forecast", "holders")] == [None] * 4 + [0]


async def test_while_redis_is_away_the_ledger_says_what_is_spent(
    start_api: Any, operator: dict[str, str], db: Any, engine: AsyncEngine
) -> None:
    await _spent(db, {datetime.now(UTC).replace(minute=0, second=0, microsecond=0): 2_000_000})
    await db.execute(
        "INSERT INTO budget_set (document, created_by) VALUES ($1::jsonb, 'x')",
        '[{"project": "acme", "amount": "0.01", "window": "month"}]',
    )

    async with start_api(redis_url="redis://127.0.0.1:9/0") as api:
        answer = await _status(api, operator)

    assert answer["is_live"] is False
    assert [(each["spent_usd"], each["left_usd"]) for each in answer["budgets"]] == [("0.002", "0.008")]


async def test_while_the_ledger_cannot_be_asked_pools_are_shown_and_nothing_is_foretold(
    api: httpx.AsyncClient, operator: dict[str, str], redis: Redis, db: Any
) -> None:
    await _opened(redis, DAY_OF_ACME, spent=5_000_000)
    await db.execute("ALTER TABLE rollup_hour RENAME TO rollup_hour_away")

    applied = await _put(api, operator, {**DAY_OF_ACME, "amount": "0.004"}, {"amount": "1", "window": "month"})
    acme, fleet = (answer := await _status(api, operator))["budgets"]

    assert applied["warnings"] == ["budget 'acme.day' is already spent: $0.005 of $0.004; it blocks from now on"]
    assert (acme["spent_usd"], acme["state"], acme["forecast"]) == ("0.005", "exhausted", None)
    assert [fleet[name] for name in ("spent_usd", "left_usd", "percent", "state")] == [None, None, None, "ok"]
    assert (answer["is_live"], answer["projects"], answer["anomalies"]) == (True, [], [])


async def test_weeks_of_history_foretell_the_month(api: httpx.AsyncClient, operator: dict[str, str], db: Any) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await _spent(db, {hour - step * HOUR: 10**6 for step in range(1, 4 * 168 + 1)})
    await _put(api, operator, {"project": "acme", "amount": "1000", "window": "month"})

    answer = await _status(api, operator)

    [budget] = answer["budgets"]
    forecast = budget["forecast"]
    assert (forecast["sureness"], forecast["weeks"], forecast["runs_out_at"]) == ("good", 4, None)
    start = hour.replace(day=1, hour=0)
    end = (start + timedelta(days=31)).replace(day=1)
    # All hours of the month at one price, but for the part of the running one that is over and cost nothing.
    hours = (end - start) // HOUR
    likely = float(forecast["month_end"]["likely_usd"])
    assert (hours - 1) * 0.001 <= likely <= hours * 0.001
    assert forecast["window_end"]["likely_usd"] == forecast["month_end"]["likely_usd"]


async def test_an_odd_hour_is_seen_and_told_once(
    api: httpx.AsyncClient, operator: dict[str, str], db: Any, engine: AsyncEngine, redis: Redis
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    usual = {hour - week * WEEK: 2 * USD for week in range(1, 5)} | {hour - 5 * WEEK + HOUR: 1}
    await _spent(db, {**usual, hour: 40 * USD})
    watch = AnomalyWatch(History(engine), Budgets(engine, SetCopy(redis, "budgets")), Alerts(engine).raise_)

    await watch.step()
    await watch.step()

    seen = (await _status(api, operator))["anomalies"]
    assert [(each["project"], each["spent_usd"], each["usual_usd"], each["weeks"]) for each in seen] == [
        ("acme", "40", "2", 4),
    ]
    told = await db.fetch("SELECT kind, key, project, title FROM alert ORDER BY key")
    assert [tuple(row)[:3] for row in told] == [("anomaly", f"anomaly:acme@{hour:%Y-%m-%dT%H}Z", "acme")]
    assert "project acme has spent $40" in told[0]["title"]


async def test_the_zone_of_a_project_is_that_of_its_budget(make_token: Any) -> None:
    from voicegateway_controller.budgets.watching import zone_of

    budgets: tuple[BudgetSpec, ...] = parse_budgets(
        [
            {"project": "acme", "amount": "3", "window": "total"},
            {"amount": "9", "window": "day", "zone": "Asia/Tokyo"},
            {"project": "acme", "amount": "3", "window": "day", "zone": "Europe/Berlin"},
        ],
        providers=(),
    )

    assert [zone_of(name, budgets) for name in ("acme", "beta", "")] == ["Europe/Berlin", "Asia/Tokyo", "Asia/Tokyo"]
    assert zone_of("acme", ()) == "UTC"
