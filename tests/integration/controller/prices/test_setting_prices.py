"""Prices over HTTP: set, discounted, imported, withdrawn, and what a usage costs then."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest_asyncio

from voicegateway_controller.access import Role

MakeToken = Callable[..., Awaitable[dict[str, str]]]
NOVA = {"provider": "deepgram", "model": "nova-3", "context": {"mode": "streaming"}, "usage": {"audio_sent_ms": 60_000}}
CHAT = {
    "provider": "openai",
    "model": "gpt-4.1-mini",
    "usage": {"input_tokens": 10_000, "cache_read_tokens": 6_000, "output_tokens": 500},
}


@pytest_asyncio.fixture
async def operator(make_token: MakeToken) -> dict[str, str]:
    """Headers of somebody who may change prices."""
    return await make_token(Role.OPERATOR)


async def _post(api: httpx.AsyncClient, path: str, who: dict[str, str], status: int = 200, **body: Any) -> Any:
    answer = await api.post(f"/api/v1/prices{path}", json={"reason": "agreed", **body}, headers=who)
    assert answer.status_code == status, answer.text
    return answer.json()


async def _cost(api: httpx.AsyncClient, who: dict[str, str], usage: dict[str, Any], **more: Any) -> tuple[str, str]:
    answer = await api.post("/api/v1/prices/rate", json={**usage, **more}, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()["amount_usd"], answer.json()["list_amount_usd"]


async def test_a_project_pays_what_it_agreed_and_everybody_else_the_list(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    applied = await _post(
        api,
        "",
        operator,
        provider="deepgram",
        model="nova-3",
        project="acme",
        price={"meter": "audio_sent_ms", "amount": "0.0040", "when": {"mode": "streaming", "language": "mono"}},
    )

    assert [change["action"] for change in applied["changes"]] == ["added"]
    assert applied["changes"][0]["content"]["times"] == "channels"
    assert applied["changes"][0]["before_amount"] == "0.0048"
    assert await _cost(api, operator, NOVA, project="acme") == ("0.004000000000", "0.007700000000")
    assert await _cost(api, operator, NOVA, project="other") == ("0.004800000000", "0.007700000000")
    multi = {**NOVA, "context": {"mode": "streaming", "language": "multi"}}
    assert await _cost(api, operator, multi, project="acme") == ("0.005800000000", "0.009200000000")


async def test_an_amount_alone_keeps_the_parts_that_others_bill(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    await _post(
        api,
        "",
        operator,
        provider="openai",
        model="gpt-4.1-mini",
        account="key-1",
        price={"meter": "input_tokens", "amount": "0.20", "when": {"service_tier": "default", "processing": "online"}},
    )

    # 4 000 × 0.20 + 6 000 × 0.10 + 500 × 1.60, of a million each.
    assert await _cost(api, operator, CHAT, account="key-1") == ("0.002200000000", "0.003000000000")
    assert await _cost(api, operator, CHAT, account="key-2") == ("0.003000000000", "0.003000000000")


async def test_a_discount_follows_the_list_and_a_stated_price_wins_over_it(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    await _post(api, "/discounts", operator, provider="openai", multiplier="0.85", account="*")
    await _post(api, "/discounts", operator, provider="openai", model="gpt-4.1-mini", multiplier="0.5", account="*")
    assert await _cost(api, operator, CHAT) == ("0.001500000000", "0.003000000000")

    price = {"meter": "output_tokens", "amount": "0.40"}
    await _post(api, "", operator, provider="openai", model="gpt-4.1-mini", account="*", price=price)

    assert await _cost(api, operator, CHAT) == ("0.001300000000", "0.003000000000")
    twice = await _post(api, "/discounts", operator, provider="openai", multiplier="0.85", account="*")
    assert not twice["is_changed"]
    refused = await api.post(
        "/api/v1/prices/discounts", json={"provider": "openai", "multiplier": "0.9", "reason": "x"}, headers=operator
    )
    assert (refused.status_code, "say for which project" in refused.json()["detail"]) == (400, True)


async def test_a_correction_of_the_list_is_the_list_from_then_on(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    applied = await _post(
        api,
        "",
        operator,
        provider="openai",
        model="gpt-4.1-mini-2025-04-14",
        effective_from=start.isoformat(),
        price={"meter": "output_tokens", "amount": "3.20", "when": {"service_tier": "default", "processing": "online"}},
    )

    assert "rated again" in applied["warnings"][0]
    assert await _cost(api, operator, CHAT) == ("0.003800000000", "0.003800000000")
    before = (start - timedelta(seconds=1)).isoformat()
    assert await _cost(api, operator, CHAT, at=before) == ("0.003000000000", "0.003000000000")


async def test_a_new_price_closes_the_older_and_withdrawing_it_opens_that_again(
    api: httpx.AsyncClient, operator: dict[str, str], db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    asked: dict[str, Any] = {"provider": "rime", "model": "mistv2", "project": "acme"}
    spoken = {"provider": "rime", "model": "mistv2", "usage": {"characters_sent": 1_000}, "project": "acme"}

    def price(amount: str) -> dict[str, str]:
        return {"meter": "characters_sent", "amount": amount}

    await _post(api, "", operator, **asked, price=price("0.02"), effective_from="2026-01-01T00:00:00Z")
    second = await _post(api, "", operator, **asked, price=price("0.01"), effective_from="2026-06-01T00:00:00Z")
    assert [(each["action"], each["effective_to"]) for each in second["changes"]] == [
        ("closed", "2026-06-01T00:00:00Z"),
        ("added", None),
    ]
    assert (await _cost(api, operator, spoken, at="2026-05-31T23:59:59Z"))[0] == "0.020000000000"
    assert (await _cost(api, operator, spoken, at="2026-06-01T00:00:00Z"))[0] == "0.010000000000"
    known_then = await db.fetchval("SELECT clock_timestamp()")

    withdrawn = await api.delete(
        f"/api/v1/prices/{second['changes'][1]['price_id']}", params={"reason": "a slip"}, headers=operator
    )

    assert withdrawn.status_code == 200, withdrawn.text
    assert [each["action"] for each in withdrawn.json()["changes"]] == ["withdrawn", "reopened"]
    assert (await _cost(api, operator, spoken, at="2026-07-01T00:00:00Z"))[0] == "0.020000000000"
    as_of = {"at": "2026-07-01T00:00:00Z", "as_of": known_then.isoformat()}
    assert (await _cost(api, operator, spoken, **as_of))[0] == "0.010000000000"
    history = (await api.get("/api/v1/prices-records", headers=operator)).json()["records"]
    assert [(each["kind"], each["is_in_force"]) for each in history] == [
        ("price", True),
        ("withdrawal", False),
        ("price", False),
        ("price", False),
        ("price", False),
    ]


async def test_a_price_for_a_while_leaves_the_older_one_on_both_sides(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    asked: dict[str, Any] = {"provider": "rime", "model": "mistv2"}
    spoken = {"provider": "rime", "model": "mistv2", "usage": {"characters_sent": 1_000}}
    price = {"meter": "characters_sent", "amount": "0.05"}
    await _post(api, "", operator, **asked, price=price, effective_from="2026-01-01T00:00:00Z")
    promotion = await _post(
        api,
        "",
        operator,
        **asked,
        price={**price, "amount": "0"},
        effective_from="2026-03-01T00:00:00Z",
        effective_to="2026-04-01T00:00:00Z",
    )

    assert [each["action"] for each in promotion["changes"]] == ["closed", "split", "added"]
    costs = [(await _cost(api, operator, spoken, at=f"2026-{month}-15T00:00:00Z"))[0] for month in ("02", "03", "04")]
    assert costs == ["0.050000000000", "0.000000000000", "0.050000000000"]
    conflict = await _post(
        api, "", operator, 409, **asked, price={**price, "amount": "1"}, effective_from="2026-02-01T00:00:00Z"
    )
    assert "effective_to" in conflict["detail"]


async def test_a_wrong_row_is_refused_with_its_key(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"meter": "audio_sent_ms", "amount": 0.1}, "amount"),
        ({"meter": "audio_sent_ms", "amonut": "0.1"}, "amonut"),
        ({"meter": "audio_sent", "amount": "0.1", "per": "1 minute"}, "is not a meter"),
        ({"meter": "audio_sent_ms", "amount": "0.1", "when": {"mode": "livestream"}}, "livestream"),
        ({"amount": "0.1"}, "price.meter"),
    ]
    for price, said in wrong:
        asked: dict[str, Any] = {"provider": "deepgram", "model": "nova-3", "project": "acme", "price": price}
        assert said in (await _post(api, "", operator, 400, **asked))["detail"]


async def test_an_import_is_idempotent_and_says_what_it_would_do_first(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    file = """
provider: acme-voice
recorded_at: 2026-11-21T00:00:00Z
sources: {page: {url: "https://acme.example/prices", read_on: 2026-11-20}}
context: {mode: {default: streaming, values: {streaming: [], batch: []}}}
models:
  - model: a1
    aliases: [a1-latest]
    modality: stt
    source: page
    confidence: published
    per: 1 minute
    prices:
      - {meter: audio_sent_ms, amount: "0.01", when: {mode: streaming}}
      - {meter: audio_sent_ms, amount: "0.005", when: {mode: batch}}
"""
    asked = {"provider": "acme-voice", "model": "a1-latest", "usage": {"audio_sent_ms": 60_000}}
    dry = await _post(api, "/import", operator, file=file, is_dry_run=True)
    unknown = await api.post("/api/v1/prices/rate", json=asked, headers=operator)
    first = await _post(api, "/import", operator, file=file)
    again = await _post(api, "/import", operator, file=file)
    changed = await _post(api, "/import", operator, file=file.replace('"0.005"', '"0.004"'))

    counts = [(each["added"], each["changed"], each["unchanged"]) for each in (dry, first, again, changed)]
    assert counts == [(2, 0, 0), (2, 0, 0), (0, 0, 2), (0, 1, 1)]
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unrated")
    assert (await _cost(api, operator, asked))[0] == "0.010000000000"
    assert (await _cost(api, operator, {**asked, "context": {"mode": "batch"}}))[0] == "0.004000000000"
    rows = [{"model": "a1", "modality": "stt", "meter": "audio_sent_ms", "amount": "0.004", "per": "1 minute"}]
    bad = await _post(api, "/import", operator, 400, provider="acme-voice", rows=rows)
    assert "is also priced" in bad["detail"]
    [context] = [change["record_id"] for change in first["changes"] if change["kind"] == "context"]
    needed = await api.delete(f"/api/v1/prices-records/{context}", params={"reason": "gone"}, headers=operator)
    assert (needed.status_code, "is not declared" in needed.json()["detail"]) == (400, True), needed.text


async def test_a_plan_and_the_price_of_its_credits_can_be_ones_own(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    spoken = {"provider": "cartesia", "model": "sonic-3", "usage": {"characters_sent": 1_000}}
    await _post(api, "/plans", operator, provider="cartesia", plan="scale", project="acme")
    assert await _cost(api, operator, spoken, project="acme") == ("0.037375000000", "0.037375000000")
    assert (await _cost(api, operator, spoken))[0] == "0.050000000000"

    credit: dict[str, Any] = {"provider": "cartesia", "plan": "scale", "amount": "240", "per": "8_000_000 credits"}
    await _post(api, "/credit-prices", operator, **credit, project="acme")

    assert await _cost(api, operator, spoken, project="acme") == ("0.030000000000", "0.037375000000")
    wrong = await _post(api, "/plans", operator, 400, provider="cartesia", plan="enterprise", project="acme")
    assert "must be one of" in wrong["detail"]


async def test_who_may_see_and_set_what(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: MakeToken
) -> None:
    price: dict[str, Any] = {
        "provider": "rime",
        "model": "mistv2",
        "price": {"meter": "characters_sent", "amount": "0.02"},
    }
    ours = await make_token(Role.OPERATOR, projects=["acme"])
    theirs = await make_token(Role.VIEWER, projects=["beta"])
    await _post(api, "", ours, **price, project="acme")
    await _post(api, "", ours, 403, **price)
    await _post(api, "", ours, 403, **price, project="beta")
    await _post(api, "", theirs, 403, **price, project="beta")

    listed = [
        (await api.get("/api/v1/prices", params={"provider": "rime", "layer": "project"}, headers=who)).json()["total"]
        for who in (operator, ours, theirs)
    ]
    assert listed == [1, 1, 0]
    records = [(await api.get("/api/v1/prices-records", headers=who)).json()["records"] for who in (ours, theirs)]
    assert [len(each) for each in records] == [1, 0]
    price_id = records[0][0]
    found = (await api.get("/api/v1/prices", params={"layer": "project"}, headers=ours)).json()["prices"][0]
    assert price_id["record_id"] == found["record_id"]
    answers = [(await api.get(f"/api/v1/prices/{found['price_id']}", headers=who)) for who in (ours, theirs)]
    assert [each.status_code for each in answers] == [200, 404]


async def test_the_list_says_who_wins_and_what_is_stale(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    await _post(
        api,
        "",
        operator,
        provider="rime",
        model="mistv2",
        project="acme",
        price={"meter": "characters_sent", "amount": "0.02"},
    )
    params = {"provider": "rime", "model": "mistv2", "project": "acme"}
    builtin, agreed = (await api.get("/api/v1/prices", params=params, headers=operator)).json()["prices"]

    assert (builtin["layer"], builtin["overridden_by"]) == ("builtin", [agreed["price_id"]])
    assert (agreed["layer"], agreed["scope"], agreed["is_stale"], agreed["reason"]) == (
        "project",
        "acme",
        False,
        "agreed",
    )
    assert builtin["is_stale"] == (builtin["verified_days"] > 60)
    await _post(api, "/verifications", operator, price_ids=[builtin["price_id"]])
    fresh = (await api.get(f"/api/v1/prices/{builtin['price_id']}", headers=operator)).json()["price"]
    assert (fresh["verified_days"], fresh["is_stale"]) == (0, False)
    assert (await _post(api, "/verifications", operator, 404, price_ids=["nobody/nothing@0"]))["code"] == "not_found"


async def test_what_has_no_price_says_why(api: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    unrated: list[tuple[dict[str, Any], str]] = [
        ({"provider": "depgram", "model": "nova-3", "usage": {"audio_sent_ms": 1}}, "no price names this provider"),
        ({"provider": "deepgram", "model": "nova3", "usage": {"audio_sent_ms": 1}}, "did you mean nova-3"),
        ({"provider": "deepgram", "model": "nova-3", "usage": {"audio_sent_s": 1}}, "is no meter"),
        ({"provider": "deepgram", "model": "nova-3", "usage": {"characters_sent": 1}}, "it bills audio_sent_ms"),
        (
            {
                "provider": "openai",
                "model": "gpt-4.1-mini",
                "usage": {"input_tokens": 1},
                "context": {"service_tier": "x"},
            },
            "no_price_for_context",
        ),
    ]
    for asked, said in unrated:
        answer = await api.post("/api/v1/prices/rate", json=asked, headers=viewer)
        assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text


async def test_a_price_of_one_local_model_is_not_that_of_every_other(
    start_api: Callable[..., Any], operator: dict[str, str]
) -> None:
    def heard(model: str) -> dict[str, Any]:
        return {"provider": "whisper", "model": model, "usage": {"node_busy_ms": 3_600_000}}

    async with start_api(local_nodes="whisper=0.70/7") as api:
        price = {"meter": "node_busy_ms", "amount": "0.50"}
        await _post(api, "", operator, provider="whisper", model="base.en", account="*", price=price)

        costs = [(await _cost(api, operator, heard(model)))[0] for model in ("base.en", "large-v3")]

    assert costs == ["0.071428571429", "0.100000000000"]


async def test_all_of_a_change_is_known_from_one_instant_on(
    api: httpx.AsyncClient, operator: dict[str, str], db: "asyncpg.Connection[Any]"
) -> None:
    for amount in ("0.2", "0.3"):
        price = {"meter": "input_tokens", "amount": amount}
        await _post(api, "", operator, provider="openai", model="gpt-4.1-mini", project="p1", price=price)

    rows = await db.fetch(
        "SELECT count(*) AS records, count(DISTINCT recorded_at) AS known FROM price_record GROUP BY change"
    )

    assert [row["known"] for row in rows] == [1, 1]
    assert all(row["records"] > 1 for row in rows)
