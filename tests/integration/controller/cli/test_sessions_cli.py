"""`voicegw sessions` and `voicegw alerts` against a real controller: what a person sees, confirms and is refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.receiver import receiving
from tests.fixtures.voicegw import Done, Voicegw

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.alerts.channels import open_channels
from voicegateway_controller.alerts.delivery import Delivery
from voicegateway_controller.settings import Settings


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, tmp_path: Path) -> Voicegw:
    return Voicegw("", url, await create_token(engine, role=Role.OPERATOR, name="test"), tmp_path)


@pytest_asyncio.fixture
async def says(url: str, make_token: Any) -> AsyncIterator[Any]:
    """Speak as a worker that carries sessions, and go on saying so as one does; return the directives heard."""
    headers, seq = await make_token(), iter(range(1, 10_000))
    carried: list[dict[str, Any]] = []

    async def speak() -> list[str]:
        message = {
            "incarnation": "host-1-1", "seq": next(seq), "host": "h", "pid": 1, "shim_version": "0.1.0",
            "sessions": carried, "money": {},
        }  # fmt: skip
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(f"{url}/v1/sync", content=json.dumps(message).encode(), headers=headers)
        return [each["session_id"] for each in answer.json()["money"].get("directives", [])]

    async def say(*session_ids: str) -> list[str]:
        carried[:] = [
            {"session_id": each, "project": "acme", "agent": "a", "room": "r", "started_at": "2026-11-21T09:00:00Z"}
            for each in session_ids
        ]
        return await speak()

    is_over = asyncio.Event()
    going_on = asyncio.create_task(_repeat(speak, is_over, every_s=1.0))
    yield say
    is_over.set()
    await going_on


async def test_live_sessions_are_listed_with_what_they_cost(voicegw: Voicegw, says: Any, db: Any) -> None:
    await db.execute(
        "INSERT INTO rollup_session VALUES ('AJ_1', 'acme', 'a', 'r', now(), now(), 1, 0, 0, 0, '2.000000000001')"
    )
    await says("AJ_1")

    table, listed, other = [
        await voicegw("sessions", "list", *options) for options in ((), ("--json",), ("--project", "beta", "--json"))
    ]

    assert "1 live in 1 processes" in table.out
    assert "2.000000000001" in table.out
    assert [each["session_id"] for each in json.loads(listed.out)] == ["AJ_1"]
    assert json.loads(other.out) == []


async def test_a_session_is_ended_only_when_that_was_said_twice(voicegw: Voicegw, says: Any) -> None:
    await says("AJ_1", "AJ_2")

    dry = await voicegw("sessions", "end", "--project", "acme", "--dry-run")
    unsure = await voicegw("sessions", "end", "AJ_1")
    heard = [await says("AJ_1", "AJ_2")]
    sure = await voicegw("sessions", "end", "AJ_1", "--yes", "--sentence", "Bye.", "--reason", "a test")
    heard.append(await says("AJ_1", "AJ_2"))

    assert (dry.code, unsure.code, sure.code) == (0, 2, 0)
    assert "2 would be told to end" in dry.out
    assert unsure.err == "voicegw: this would end 1 live sessions: pass --yes\n"
    assert "1 told to end" in sure.out
    assert heard == [[], ["AJ_1"]]


async def test_the_dear_ones_are_ended_and_waited_for(voicegw: Voicegw, says: Any, db: Any) -> None:
    for session_id, amount in (("AJ_1", "1.99"), ("AJ_2", "2.01")):
        await db.execute(
            "INSERT INTO rollup_session VALUES ($1, 'acme', 'a', 'r', now(), now(), 1, 0, 0, 0, $2::text::numeric)",
            session_id, amount,
        )  # fmt: skip
    await says("AJ_1", "AJ_2")

    ending = asyncio.create_task(voicegw("sessions", "end", "--over", "2.00", "--yes", "--wait-s", "60", "--json"))
    while await says("AJ_1", "AJ_2") != ["AJ_2"]:
        assert not ending.done()
    await says("AJ_1")
    ended = await ending
    waited = await voicegw("sessions", "end", "AJ_1", "--yes", "--wait-s", "0.1", "--json")

    assert (ended.code, waited.code) == (0, 1)
    assert [each["session_id"] for each in json.loads(ended.out)["sessions"]] == ["AJ_2"]
    assert json.loads(ended.out)["still_live"] == []
    assert json.loads(waited.out)["still_live"] == ["AJ_1"]
    assert "1 are still live after 0.1 s" in waited.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "which sessions: give an id, --project, --over 2.00 or both"),
        (("AJ_1", "--over", "2.00"), 2, "end one session, or those of --project and --over: not both"),
        (("AJ_9", "--yes"), 2, "no session 'AJ_9' is live"),
        (("AJ_1 ?&#", "--yes"), 2, "no session 'AJ_1 ?&#' is live"),
        (("--over", "2,00", "--yes"), 2, "'2,00' is not an amount in USD"),
        (("--project", "none", "--yes"), 1, "no live session matches."),
    ],
)
async def test_an_order_that_matches_nothing_ends_nothing(
    voicegw: Voicegw, says: Any, arguments: tuple[str, ...], code: int, words: str
) -> None:
    await says("AJ_1")

    done = await voicegw("sessions", "end", *arguments)

    assert done.code == code, done
    assert words.lower() in (done.out + done.err).lower()
    assert await says("AJ_1") == []


async def test_alerts_are_listed_and_delivered_again(voicegw: Voicegw, engine: AsyncEngine, db: Any) -> None:
    for n in range(3):
        await Alerts(engine).raise_("anomaly", f"k{n}", f"title {n}", {}, project="acme")
    await db.execute("UPDATE alert SET routed_at = now() WHERE key <> 'k2'")
    await db.execute(
        "INSERT INTO alert_delivery (alert_id, channel, state) SELECT id, 'slack', 'dead' FROM alert WHERE key = 'k1'"
    )
    page = json.loads((await voicegw("alerts", "list", "--json")).out)
    ids = {each["key"]: each["id"] for each in page["alerts"]}

    table = await voicegw("alerts", "list", "--limit", "2")
    dead = await voicegw("alerts", "list", "--state", "dead", "--json")
    done = [await voicegw("alerts", "redeliver", ids[key]) for key in ("k1", "k0")]

    rows = [line for line in table.out.splitlines() if "anomaly" in line]
    assert ["title 2" in rows[0], "title 1" in rows[1], len(rows)] == [True, True, 2]
    assert "waiting" in rows[0]
    assert "slack dead" in rows[1]
    assert "more: --cursor " in table.out
    assert [each["key"] for each in json.loads(dead.out)["alerts"]] == ["k1"]
    assert [(each.code, each.out) for each in done] == [(0, "delivered again to: slack\n"), (1, "")]


async def test_a_test_says_whether_it_arrived(
    voicegw: Voicegw, engine: AsyncEngine, make_settings: Callable[..., Settings]
) -> None:
    async def tested(channels: Any) -> Done:
        delivery, is_over = Delivery(engine, channels), asyncio.Event()

        async def deliver() -> None:
            await delivery.route()
            for channel in channels:
                await delivery.deliver(channel)

        delivering = asyncio.create_task(_repeat(deliver, is_over, every_s=0.1))
        try:
            return await voicegw("alerts", "test")
        finally:
            is_over.set()
            await delivering

    async with receiving() as receiver:
        arrived = await tested(open_channels(make_settings(alert_slack_url=f"{receiver.url}/chat")))
    lost = await tested(open_channels(make_settings(alert_slack_url="http://127.0.0.1:9/chat")))
    nowhere = await tested(())

    assert (arrived.code, arrived.out) == (0, "slack: delivered\n")
    assert lost.code == 1
    assert lost.out.startswith("slack: pending Slack cannot be reached: ")
    assert nowhere.code == 1
    assert "no channel is set up" in nowhere.err


async def _repeat(step: Callable[[], Awaitable[Any]], is_over: asyncio.Event, *, every_s: float) -> None:
    """Do something again and again until it is over; never left in the middle of it."""
    while not is_over.is_set():
        await step()
        with suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), timeout=every_s)
