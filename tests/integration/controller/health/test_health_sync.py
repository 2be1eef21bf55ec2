"""Health through `/v1/sync`: what one worker sees all hear, one probes, a person's word counts; Redis may be away."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests.fixtures.health_worker import TARGET, HealthWorker, until

from voicegateway_controller.access import Role
from voicegateway_controller.health.board import HealthBoard
from voicegateway_shared.health import account_of
from voicegateway_shared.wire import HealthTarget, ModelHealth

MakeWorker = Callable[[str], HealthWorker]


@pytest_asyncio.fixture
async def make_worker(api: httpx.AsyncClient, make_token: Any) -> MakeWorker:
    headers = await make_token()
    return lambda name: HealthWorker(api, headers, name=name)


@pytest_asyncio.fixture
async def operator(make_token: Any) -> dict[str, str]:
    return dict(await make_token(Role.OPERATOR))


async def test_what_one_worker_sees_all_hear_with_their_next_message(make_worker: MakeWorker) -> None:
    first, second = make_worker("w1"), make_worker("w2")
    await first.says(failed=1)
    assert await second.hears() is None

    told = await first.says(failed=1)
    heard = await second.hears()

    assert told.number == 2
    assert heard is not None
    assert (heard.state, heard.cause, heard.is_prober) == ("open", "errors", False)
    assert 0 < heard.retry_ms <= 1_000


async def test_a_report_that_is_said_again_counts_once(make_worker: MakeWorker) -> None:
    worker = make_worker("w1")
    numbers = [(await worker.says(number=1, failed=1)).number for _ in range(3)]

    assert numbers == [1, 1, 1]
    assert await worker.hears() is None


async def test_who_knows_what_is_known_hears_nothing_new(make_worker: MakeWorker) -> None:
    worker = make_worker("w1")
    await worker.says(failed=2)
    answer = await worker.says()
    again = await worker.says(version=answer.health_version)

    assert answer.health is not None
    assert (again.health_version, again.health) == (answer.health_version, None)


async def test_one_probes_for_all_and_two_good_probes_close(make_worker: MakeWorker) -> None:
    first, second = make_worker("w1"), make_worker("w2")
    await first.says(limited=1, retry_after_ms=1)

    async def may_probe() -> bool:
        offered = await first.says(ok=0)
        return any(each.is_prober for each in offered.health or ())

    await until(may_probe)
    refused = await second.says(ok=0)
    assert [(each.state, each.is_prober) for each in refused.health or ()] == [("half_open", False)]
    await first.says(ok=1)
    closed = await first.says(ok=1)

    assert closed.health == ()
    assert await second.hears() is None


async def test_a_refused_key_is_told_as_the_accounts(make_worker: MakeWorker) -> None:
    worker = make_worker("w1")
    await worker.says(target=account_of(TARGET), unauthorized=1)

    heard = await worker.hears(account_of(TARGET))

    assert heard is not None
    assert (heard.state, heard.cause) == ("open", "unauthorized")
    assert 9_000 < heard.retry_ms <= 10_000


async def test_times_are_told_once_there_are_enough(make_worker: MakeWorker) -> None:
    worker = make_worker("w1")
    await worker.says(ok=9, ttfb_counts=((10, 9),))
    assert await worker.hears() is None
    other = HealthTarget(provider="openai", model="gpt-4.1", modality="llm", account="k1")

    await worker.says(target=other, ok=20, ttfb_counts=((10, 18), (20, 2)))

    assert await worker.hears(other) == ModelHealth(target=other, ttfb_p50_ms=100, ttfb_p95_ms=1_000, samples=20)


async def test_nonsense_is_not_counted(make_worker: MakeWorker) -> None:
    worker = make_worker("w1")
    for wrong in (
        {"failed": -5}, {"failed": 10**12}, {"failed": 3, "target": HealthTarget(provider="")},
        {"failed": 3, "target": HealthTarget(provider="x" * 1_000)}, {"ok": 1, "ttfb_counts": ((10, -1),)},
    ):  # fmt: skip
        answer = await worker.says(**wrong)
        assert answer.number
        assert answer.health == ()


async def test_without_redis_what_was_known_holds_and_the_report_is_said_again(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker("w1")
    await worker.says(failed=2)

    async def away(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr("voicegateway_controller.health.store.HealthStore.note", away)
    monkeypatch.setattr("voicegateway_controller.health.store.HealthStore.look", away)
    answer = await worker.says(failed=1)

    assert answer.number == 0
    assert [each.state for each in answer.health or ()] == ["open"]


async def test_a_crash_in_health_fails_no_message(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker("w1")

    def crash(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(HealthBoard, "told", crash)

    with pytest.raises(Exception, match="Expected `object`, got `null`"):
        await worker.says(failed=1)


async def test_a_vendor_that_is_switched_off_is_off_for_all_and_survives_a_flush(
    make_worker: MakeWorker, api: httpx.AsyncClient, operator: dict[str, str], redis_url: str
) -> None:
    worker, whole = make_worker("w1"), HealthTarget(provider="deepgram")
    asked = {"for_s": 3_600, "reason": "brown-out"}

    made = await api.post("/api/v1/providers/deepgram/disabled", json=asked, headers=operator)
    assert made.status_code == 200, made.text
    heard = await worker.hears(whole)
    assert heard is not None
    assert (heard.state, heard.cause) == ("open", "disabled")
    assert 3_590_000 < heard.retry_ms <= 3_600_000

    redis: Any = Redis.from_url(redis_url)
    await redis.flushdb()
    await redis.aclose()
    assert await worker.hears(whole) is not None

    report = (await api.get("/api/v1/providers/health", headers=operator)).json()
    assert [(each["provider"], each["model"], each["reason"]) for each in report["disabled"]] == [
        ("deepgram", "", "brown-out")
    ]
    left = await api.delete("/api/v1/providers/deepgram/disabled", headers=operator)
    assert left.json()["disabled"] == []
    assert await worker.hears(whole) is None


async def test_another_replica_hears_of_it_within_a_second(
    start_api: Any, make_token: Any, api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    async with start_api() as other:
        worker = HealthWorker(other, await make_token())
        await api.post("/api/v1/providers/openai/disabled", json={"model": "gpt-4.1-mini"}, headers=operator)

        async def is_off() -> bool:
            return await worker.hears(HealthTarget(provider="openai", model="gpt-4.1-mini")) is not None

        await until(is_off)


async def test_who_may_switch_and_what(api: httpx.AsyncClient, make_token: Any, operator: dict[str, str]) -> None:
    path = "/api/v1/providers/openai/disabled"
    viewer = await make_token(Role.VIEWER)
    bound = await make_token(Role.OPERATOR, projects=["acme"])

    statuses = [
        (await api.post(path, json={}, headers=viewer)).status_code,
        (await api.post(path, json={}, headers=bound)).status_code,
        (await api.delete(path, headers=bound)).status_code,
        (await api.delete(path, headers=operator)).status_code,
        (await api.post("/api/v1/providers/opnai/disabled", json={}, headers=operator)).status_code,
        (await api.post(path, json={"for_s": 0}, headers=operator)).status_code,
    ]

    assert statuses == [403, 403, 403, 404, 400, 422]
    seen = (await api.get("/api/v1/providers/health", headers=viewer)).json()
    assert (seen["may_switch"], seen["disabled"], seen["is_live"]) == (False, [], True)


async def test_people_see_breakers_and_times(
    make_worker: MakeWorker, api: httpx.AsyncClient, make_token: Any, viewer: dict[str, str]
) -> None:
    await make_worker("w1").says(ok=20, ttfb_counts=((10, 20),))
    await make_worker("w1").says(number=2, timed_out=3)
    bound = await make_token(Role.VIEWER, projects=["acme"])

    [target] = (await api.get("/api/v1/providers/health", headers=viewer)).json()["targets"]
    [seen] = (await api.get("/api/v1/providers/health", headers=bound)).json()["targets"]

    assert {key: target[key] for key in ("provider", "model", "modality", "account", "state", "cause")} == {
        "provider": "openai", "model": "gpt-4.1-mini", "modality": "llm", "account": "k1", "state": "open",
        "cause": "timeouts",
    }  # fmt: skip
    assert (target["ttfb_p50_ms"], target["samples"], target["openings"]) == (100, 20, 1)
    assert seen["samples"] == 0
