"""Counts that disagree, from a worker's spans to what people see."""

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from tests.fixtures.traces import a_request, a_span, attribute

from voicegateway_controller.access import Role
from voicegateway_shared.telemetry import attributes as names

if TYPE_CHECKING:
    from asyncpg import Connection


def _span(told: dict[str, int], reported: dict[str, int], **changes: Any) -> Any:
    span = a_span(**changes)
    for meter, quantity in told.items():
        span.attributes.append(attribute(names.TOLD_PREFIX + meter, quantity))
    for meter, quantity in reported.items():
        span.attributes.append(attribute(names.REPORTED_PREFIX + meter, quantity))
    return span


async def test_discrepancies_are_kept_summed_and_shown(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], make_token: Any, make_ledger: Any
) -> None:
    agreeing = [_span({"input_tokens": 1_200}, {"input_tokens": 1_200}) for _ in range(3)]
    over = _span({"output_tokens": 60}, {"output_tokens": 75})
    cut = _span({}, {"output_tokens": 12}, OUTCOME="cancelled", PROJECT="globex")
    silent = a_span()
    await api.post("/v1/traces", content=a_request(*agreeing, over, cut, silent), headers=worker)
    await make_ledger().drain(limit_s=10)

    report = (await api.get("/api/v1/validation", headers=viewer)).json()
    requests = (await api.get("/api/v1/validation/requests", headers=viewer)).json()["rows"]

    shown = {(row["meter"], row["source"]): row for row in report["rows"]}
    plugin = shown["output_tokens", "plugin"]
    assert (plugin["requests"], plugin["agreeing"]) == (2, 0)
    assert plugin["findings"] == {"plugin_over_count": 1, "interrupted": 1}
    assert (plugin["ours"], plugin["theirs"]) == ("120", "87")
    assert shown["input_tokens", "vendor"]["agreeing"] == shown["input_tokens", "plugin"]["agreeing"] == 3
    assert shown["output_tokens", "vendor"]["agreeing"] == 1
    assert set(report["meaning"]) >= {"plugin_over_count", "interrupted"}
    assert sorted((row["finding"], row["ours"], row["theirs"]) for row in requests) == [
        ("interrupted", 60, 12),
        ("plugin_over_count", 60, 75),
    ]
    scoped = await make_token(Role.VIEWER, projects=["globex"])
    own = (await api.get("/api/v1/validation/requests?finding=interrupted", headers=scoped)).json()["rows"]
    assert [row["project"] for row in own] == ["globex"]
    assert (await api.get("/api/v1/validation?project=acme", headers=scoped)).status_code == 403
    assert (await api.get("/api/v1/validation/requests?finding=nonsense", headers=viewer)).status_code == 422


async def test_a_span_that_comes_twice_is_compared_once(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    body = a_request(_span({"output_tokens": 61}, {}))
    for _ in range(2):
        await api.post("/v1/traces", content=body, headers=worker)
        await make_ledger().drain(limit_s=10)

    assert await db.fetchval("SELECT sum(requests) FROM rollup_validation") == 1
    assert await db.fetchval("SELECT count(*) FROM usage_discrepancy") == 1


async def test_an_old_discrepancy_is_not_listed_unless_asked_for(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], make_ledger: Any
) -> None:
    ended = datetime.now(UTC) - timedelta(days=3)
    span = _span({"output_tokens": 61}, {}, ended_ns=int(ended.timestamp()) * 10**9)
    await api.post("/v1/traces", content=a_request(span), headers=worker)
    await make_ledger().drain(limit_s=10)

    async def listed(since: datetime) -> int:
        answer = await api.get("/api/v1/validation/requests", params={"since": since.isoformat()}, headers=viewer)
        return len(answer.json()["rows"])

    assert await listed(datetime.now(UTC) - timedelta(days=1)) == 0
    assert await listed(datetime.now(UTC) - timedelta(days=4)) == 1


async def test_sums_that_are_full_stay_so_and_hold_no_rating_up(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    ended_ns = time.time_ns()
    for _ in range(2):
        span = _span({}, {"output_tokens": 75}, ended_ns=ended_ns)
        await api.post("/v1/traces", content=a_request(span), headers=worker)
        await make_ledger().drain(limit_s=1)
        await db.execute("UPDATE rollup_validation SET theirs = 9223372036854775807 - 10")

    assert await db.fetchval("SELECT count(*) FROM usage_pending") == 0
    assert await db.fetchval("SELECT requests FROM rollup_validation WHERE meter = 'output_tokens'") == 2
