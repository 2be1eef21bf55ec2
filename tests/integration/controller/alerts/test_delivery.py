"""Webhooks and chats over real sockets: signed, retried, given up, delivered again; twice at most after a kill."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.receiver import Answer, Received, Receiver, always, receiving

from voicegateway_controller.access import Role
from voicegateway_controller.alerts import Alerts, posting
from voicegateway_controller.alerts.channels import Channel, open_channels
from voicegateway_controller.alerts.delivery import CLAIM_S, Delivery
from voicegateway_controller.alerts.outcome import ATTEMPTS_MAX
from voicegateway_controller.alerts.webhook import signature
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.settings import Settings

Connection = asyncpg.Connection
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
def make_delivery(engine: AsyncEngine, make_settings: Callable[..., Settings], receiver: Receiver) -> Any:
    """Return a maker of what a runner has; pauses are the longest there are."""

    def make(*, over: AsyncEngine | None = None, **changes: Any) -> Delivery:
        hook = {"alert_webhook_url": f"{receiver.url}/hook", "alert_webhook_secret": SECRET}
        channels = open_channels(make_settings(**(changes or hook)))
        return Delivery(over or engine, channels, chance=lambda: 1.0)

    return make


async def _tell(engine: AsyncEngine, key: str = "k", **details: Any) -> None:
    assert await Alerts(engine).raise_("budget_threshold", key, "80 % of <acme>", details, project="acme")


async def _states(db: "Connection[Any]") -> list[tuple[Any, ...]]:
    rows = await db.fetch("SELECT channel, state, attempts, last_error FROM alert_delivery ORDER BY channel")
    return [tuple(row) for row in rows]


async def _pause_s(db: "Connection[Any]") -> float:
    """How long the next attempt was put off."""
    return float(await db.fetchval("SELECT extract(epoch FROM next_attempt_at - now()) FROM alert_delivery"))


async def _make_due(db: "Connection[Any]") -> None:
    await db.execute("UPDATE alert_delivery SET next_attempt_at = now()")


async def _deliver(delivery: Delivery) -> int:
    await delivery.route()
    return sum([await delivery.deliver(channel) for channel in delivery.channels])


async def test_a_webhook_is_signed_as_standard_webhooks_are(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]"
) -> None:
    await _tell(engine, spent_usd="0.8", limit_usd="1")

    await _deliver(make_delivery())
    await _deliver(make_delivery())

    [came] = receiver.received
    headers = {name.lower(): value for name, value in came.headers.items()}
    alert_id = await db.fetchval("SELECT id FROM alert")
    assert headers["webhook-id"] == f"alert_{alert_id.hex}"
    made = signature(KEY, headers["webhook-id"], int(headers["webhook-timestamp"]), came.body)
    assert headers["webhook-signature"] == made
    assert (came.path, headers["content-type"]) == ("/hook", "application/json")
    document = json.loads(came.body)
    raised_at = await db.fetchval("SELECT raised_at FROM alert")
    assert document == {
        "type": "alert.raised",
        "timestamp": raised_at.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": str(alert_id),
            "kind": "budget_threshold",
            "key": "k",
            "severity": "warning",
            "project": "acme",
            "title": "80 % of <acme>",
            "details": {"spent_usd": "0.8", "limit_usd": "1"},
        },
    }
    assert await _states(db) == [("webhook", "delivered", 1, "")]


async def test_a_chat_gets_lines_that_mention_nobody(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver
) -> None:
    await _tell(engine, note="<!channel> & more", spent_usd="0.8")

    await _deliver(make_delivery(alert_slack_url=f"{receiver.url}/services/T/B/hush"))

    [came] = receiver.received
    assert json.loads(came.body) == {
        "text": ":warning: *80 % of &lt;acme&gt;*\n• kind: budget threshold\n• project: acme\n"
        "• note: &lt;!channel&gt; &amp; more\n• spent usd: 0.8"
    }


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_may_pass_is_tried_again_with_the_same_id(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]", status: int
) -> None:
    receiver.answer = always(Answer(status=status, body=b"not now"))
    await _tell(engine)
    delivery = make_delivery()

    counts = [await _deliver(delivery), await _deliver(delivery)]
    refused, pause_s = await _states(db), await _pause_s(db)
    receiver.answer = None
    await _make_due(db)
    counts.append(await _deliver(delivery))

    assert counts == [1, 0, 1]
    assert refused == [("webhook", "pending", 1, f"the webhook answered {status}: not now")]
    assert 0 < pause_s <= 5
    assert await _states(db) == [("webhook", "delivered", 2, "")]
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


async def test_retry_after_is_obeyed(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]"
) -> None:
    receiver.answer = always(Answer(status=429, headers={"Retry-After": "3000"}))
    await _tell(engine)

    await _deliver(make_delivery())

    assert 2_900 < await _pause_s(db) <= 3_000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=400, body=b"bad\nform"), "the webhook answered 400: bad form"),
        (Answer(status=410), "the webhook answered 410"),
        (Answer(status=404, body=b"/hook is not here"), "the webhook answered 404"),
        (
            Answer(status=302, headers={"Location": "/elsewhere"}),
            "the webhook answered 302: redirects are not followed, set the final address",
        ),
    ],
)
async def test_what_cannot_pass_is_given_up_at_once(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]", answer: Answer, error: str
) -> None:
    receiver.answer = always(answer)
    await _tell(engine)

    await _deliver(make_delivery())

    assert await _states(db) == [("webhook", "dead", 1, error)]
    assert [each.path for each in receiver.received] == ["/hook"]


async def test_after_so_many_attempts_it_is_given_up_and_can_be_delivered_again(
    make_delivery: Any,
    engine: AsyncEngine,
    receiver: Receiver,
    db: "Connection[Any]",
    api: httpx.AsyncClient,
    make_token: Any,
) -> None:
    receiver.answer = always(Answer(status=500))
    operator = await make_token(Role.OPERATOR)
    await _tell(engine)
    delivery = make_delivery()
    for _ in range(ATTEMPTS_MAX + 1):
        await _deliver(delivery)
        await _make_due(db)
    given_up = await _states(db)
    dead = (await api.get("/api/v1/alerts?state=dead", headers=operator)).json()["alerts"]

    receiver.answer = None
    path = f"/api/v1/alerts/{dead[0]['id']}/redeliver"
    answers = [(await api.post(path, headers=operator)).json() for _ in range(2)]
    await _deliver(delivery)
    answers.append((await api.post(f"{path}?channel=email", headers=operator)).json())

    assert given_up == [("webhook", "dead", ATTEMPTS_MAX, "the webhook answered 500")]
    assert [each["deliveries"][0]["state"] for each in dead] == ["dead"]
    assert answers == [{"channels": ["webhook"]}, {"channels": []}, {"channels": []}]
    assert await _states(db) == [("webhook", "delivered", 1, "")]
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


async def test_nobody_there_or_a_silent_one_is_tried_again(
    make_delivery: Any,
    engine: AsyncEngine,
    receiver: Receiver,
    db: "Connection[Any]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.2)

    async def silent(_: Received) -> Answer:
        await asyncio.sleep(60)
        return Answer()

    receiver.answer = silent
    await _tell(engine)

    await _deliver(make_delivery())
    silence = await _states(db)
    await _make_due(db)
    await _deliver(make_delivery(alert_webhook_url="http://127.0.0.1:9/hush", alert_webhook_secret=SECRET))

    assert silence == [("webhook", "pending", 1, "the webhook did not answer within 0 s")]
    [(_, state, attempts, error)] = await _states(db)
    assert (state, attempts) == ("pending", 2)
    assert error.startswith("the webhook cannot be reached: ")
    assert "hush" not in error


async def test_an_endless_answer_is_not_read_to_its_end(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]"
) -> None:
    receiver.answer = always(Answer(status=500, body=b"x" * 5_000_000))
    await _tell(engine)

    await _deliver(make_delivery())

    [(_, _, _, error)] = await _states(db)
    assert len(error) < 300


async def test_many_runners_send_each_alert_once(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, database_url: str, db: "Connection[Any]"
) -> None:
    alerts = Alerts(engine)
    for n in range(40):
        await alerts.raise_("anomaly", f"k{n}", "t", {})
    engines = [make_engine(database_url, pool_size=5, application_name="test") for _ in range(3)]
    runners = [make_delivery(over=each) for each in engines]

    await asyncio.gather(*(runner.route() for runner in runners))
    counts = await asyncio.gather(*(_deliver(runner) for runner in runners))
    for each in engines:
        await each.dispose()

    assert sum(counts) == 40
    assert len(receiver.received) == len({each.headers["webhook-id"] for each in receiver.received}) == 40
    assert await db.fetchval("SELECT count(*) FROM alert_delivery WHERE state = 'delivered' AND attempts = 1") == 40


async def test_a_runner_killed_between_sending_and_marking_sends_twice_with_one_id(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]", make_settings: Any
) -> None:
    async def never(_: Received) -> Answer:
        await asyncio.sleep(3_600)
        return Answer()

    receiver.answer = never
    settings = make_settings()
    await _tell(engine)
    environment = {
        **os.environ,
        "VOICEGATEWAY_DATABASE_URL": settings.database_url.get_secret_value(),
        "VOICEGATEWAY_REDIS_URL": settings.redis_url.get_secret_value(),
        "VOICEGATEWAY_RUNNER_PORT": "0",
        "VOICEGATEWAY_ALERT_WEBHOOK_URL": f"{receiver.url}/hook",
        "VOICEGATEWAY_ALERT_WEBHOOK_SECRET": SECRET,
    }
    runner = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicegateway_controller", "runner", env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.wait_for(receiver.arrived.wait(), timeout=60)
    runner.send_signal(signal.SIGKILL)
    _, logs = await runner.communicate()
    claimed, lease_s = await _states(db), await _pause_s(db)
    receiver.answer = None
    too_early = await _deliver(make_delivery())
    await _make_due(db)
    late = await _deliver(make_delivery())

    assert claimed == [("webhook", "pending", 1, "")]
    assert 0 < lease_s <= CLAIM_S
    assert (too_early, late) == (0, 1)
    assert await _states(db) == [("webhook", "delivered", 2, "")]
    assert len(receiver.received) == 2
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    assert SECRET not in logs.decode()
    assert "/hook" not in logs.decode()


async def test_a_claim_that_was_lost_meanwhile_settles_nothing(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]"
) -> None:
    slow, go_on = make_delivery(), asyncio.Event()

    async def first_waits(_: Received) -> Answer:
        if len(receiver.received) == 1:
            await go_on.wait()
            return Answer(status=500)
        return Answer()

    receiver.answer = first_waits
    await _tell(engine)
    waiting = asyncio.create_task(_deliver(slow))
    await asyncio.wait_for(receiver.arrived.wait(), timeout=30)
    await _make_due(db)
    await _deliver(make_delivery())
    go_on.set()
    await waiting

    assert await _states(db) == [("webhook", "delivered", 2, "")]


async def test_a_defect_in_one_alert_holds_up_no_other(
    engine: AsyncEngine, db: "Connection[Any]", make_delivery: Any
) -> None:
    class Defective:
        name = "webhook"

        async def send(self, alert: Any) -> None:
            if alert.key == "bad":
                raise KeyError("defect")

    channel: Channel = Defective()
    delivery = Delivery(engine, [channel], chance=lambda: 1.0)
    for key in ("bad", "good"):
        await _tell(engine, key)

    assert await _deliver(delivery) == 2
    rows = await db.fetch(
        "SELECT key, state, last_error FROM alert_delivery JOIN alert ON id = alert_id ORDER BY position"
    )
    assert [tuple(row) for row in rows] == [
        ("bad", "pending", "an error of ours: KeyError"),
        ("good", "delivered", ""),
    ]


async def test_each_channel_goes_its_own_way_and_one_that_is_gone_is_given_up(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, db: "Connection[Any]"
) -> None:
    async def only_the_chat(request: Received) -> Answer:
        return Answer(status=200 if request.path == "/chat" else 500)

    receiver.answer = only_the_chat
    both = {
        "alert_webhook_url": f"{receiver.url}/hook", "alert_webhook_secret": SECRET,
        "alert_slack_url": f"{receiver.url}/chat",
    }  # fmt: skip
    await _tell(engine)

    await _deliver(make_delivery(**both))
    apart = await _states(db)
    without = make_delivery(alert_slack_url=f"{receiver.url}/chat")
    await without.route()
    being_rolled_out = await _states(db)
    await db.execute("UPDATE alert_delivery SET next_attempt_at = now() - interval '61 minutes'")
    await without.route()

    assert apart == [("slack", "delivered", 1, ""), ("webhook", "pending", 1, "the webhook answered 500")]
    assert being_rolled_out == apart
    assert (await _states(db))[1] == ("webhook", "dead", 1, "no runner has this channel set up any more")


async def test_without_a_channel_alerts_are_kept_and_no_later_channel_gets_them(
    make_delivery: Any, engine: AsyncEngine, receiver: Receiver, make_settings: Any
) -> None:
    await _tell(engine, "before")
    await Delivery(engine, ()).route()
    await _tell(engine, "after")

    await _deliver(make_delivery())

    assert [json.loads(each.body)["data"]["key"] for each in receiver.received] == ["after"]
