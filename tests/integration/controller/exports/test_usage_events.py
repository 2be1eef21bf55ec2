"""Usage events: each entry once, in the order of the books, none passed over, whoever writes meanwhile."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from tests.fixtures.exporting import Booked, book_entries

from voicegateway_controller.access import Role
from voicegateway_controller.exports import events

PATH = "/api/v1/exports/events"


async def _page(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> dict[str, Any]:
    response = await api.get(PATH, params={"format": "openmeter", **query}, headers=headers)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def _all(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> tuple[list[dict[str, Any]], str]:
    found, cursor, has_more = [], query.pop("cursor", "0"), True
    while has_more:
        page = await _page(api, headers, cursor=cursor, **query)
        found += page["events"]
        cursor, has_more = page["next_cursor"], page["has_more"]
    return found, cursor


@pytest.mark.usefixtures("books")
async def test_every_entry_is_one_event_however_the_pages_fall(
    api: httpx.AsyncClient, viewer: dict[str, str], db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, _ = await _all(api, viewer)
    monkeypatch.setattr(events, "EVENTS_MAX", 1)
    monkeypatch.setattr(events, "BATCHES_MAX", 1)
    one_by_one, cursor = await _all(api, viewer)
    nothing = await _page(api, viewer, cursor=cursor)
    await book_entries(db, [Booked(meter="audio_sent_ms", quantity=5, billed=5, pico=7)])
    news, after = await _all(api, viewer, cursor=cursor)

    total = await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry")
    assert at_once == one_by_one
    assert len({event["id"] for event in at_once}) == len(at_once)
    assert sum(Decimal(event["data"]["cost_usd"]) for event in at_once + news) == total
    assert (nothing["events"], nothing["next_cursor"], nothing["has_more"]) == ([], cursor, False)
    assert ([event["data"]["quantity"] for event in news], int(after) > int(cursor)) == (["5"], True)
    correction = next(event for event in at_once if event["type"] == "voicegateway.rerate")
    assert correction | {"data": correction["data"]["cost_usd"]} == {
        "specversion": "1.0", "id": "019a0000-0000-7000-8000-000000000001/audio_sent_ms/rerate/1",
        "source": "voicegateway", "type": "voicegateway.rerate", "subject": "acme",
        "time": "2026-10-05T12:30:15.250000Z", "datacontenttype": "application/json", "data": "-0.123456789012",
    }  # fmt: skip


@pytest.mark.usefixtures("books")
async def test_stripe_takes_whole_numbers_and_corrections_below_zero(
    api: httpx.AsyncClient, viewer: dict[str, str], db: Any
) -> None:
    quantities, _ = await _all(api, viewer, format="stripe")
    money, _ = await _all(api, viewer, format="stripe", value="cost")

    total = await db.fetchval("SELECT (sum(amount_usd) * 1000000000000)::numeric(40,0)::text FROM ledger_entry")
    assert sum(int(event["payload"]["value"]) for event in money) == int(total)
    assert min(int(event["payload"]["value"]) for event in money) < 0
    first = "019a0000-0000-7000-8000-000000000001/audio_sent_ms/usage/0"
    assert next(event for event in quantities if event["identifier"] == first) == {
        "event_name": "voicegateway_audio_sent_ms", "timestamp": 1791203415, "identifier": first,
        "payload": {"stripe_customer_id": "acme", "value": "12340"},
    }  # fmt: skip
    assert all(len(event["identifier"]) <= 100 and event["payload"]["value"] != "0" for event in quantities)


async def test_a_batch_that_commits_behind_a_younger_one_is_waited_for(
    api: httpx.AsyncClient, viewer: dict[str, str], db: Any, database_url: str
) -> None:
    slow = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        transaction = slow.transaction()
        await transaction.start()
        await book_entries(slow, [Booked(meter="audio_sent_ms", quantity=1, billed=1, pico=1, project="slow")])
        await book_entries(db, [Booked(meter="audio_sent_ms", quantity=2, billed=2, pico=2, project="quick")])
        asked = asyncio.create_task(_all(api, viewer))
        while not await db.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_locks%' AND pid <> pg_backend_pid()"
        ):
            assert not asked.done()
            await asyncio.sleep(0.01)
        await transaction.commit()
        found, _ = await asked
    finally:
        await slow.close()

    assert [event["subject"] for event in found] == ["slow", "quick"]


@pytest.mark.usefixtures("books")
async def test_a_window_s_end_holds_the_cursor_back_and_a_token_sees_its_own(
    api: httpx.AsyncClient, viewer: dict[str, str], make_token: Any
) -> None:
    beta = await make_token(Role.VIEWER, projects=["beta"])

    none = await _page(api, viewer, until="2026-01-01T00:00:00Z")
    late = await _page(api, viewer, since="2099-01-01T00:00:00Z")
    theirs, _ = await _all(api, beta)
    refused = [
        (await api.get(PATH, params=query, headers=beta)).status_code
        for query in (
            {"format": "openmeter", "project": "acme"},
            {"format": "openmeter", "cursor": "-1"},
            {"format": "openmeter", "cursor": "1" * 30},
            {"format": "metronome"},
        )
    ]

    assert (none["events"], none["next_cursor"]) == ([], "0")
    assert late["events"] == []
    assert {event["subject"] for event in theirs} == {"beta"}
    assert refused == [403, 400, 400, 422]
