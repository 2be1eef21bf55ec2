"""`POST /v1/livekit/webhook`: who is believed, and what is said to whom."""

import datetime
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.integration.controller.calls.conftest import KEY, SECRET, Webhooks

from voicegateway.testing.livekit_webhooks import PATH, CallScript, signed
from voicegateway_controller import metrics
from voicegateway_controller.calls import store
from voicegateway_controller.calls.livekit_server import webhook_keys
from voicegateway_controller.calls.service import BODY_BYTES_MAX
from voicegateway_shared.errors import ConfigurationError

EVENT = CallScript(room="r", job_id="AJ_1", duration_s=60).events()[1]
OTHER = "another-secret-of-at-least-32-bytes!"


async def test_who_does_not_have_our_key_is_not_believed(deliver: Any, db: Any) -> None:
    signings: list[dict[str, Any]] = [
        {"api_secret": OTHER},
        {"api_key": "APIunknown"},
        {"is_tampered": True},
        {"life": datetime.timedelta(minutes=-2)},
    ]

    assert [await deliver(EVENT, **signing) for signing in signings] == [[(401, "unauthenticated")]] * 4
    assert await db.fetchval("SELECT count(*) FROM call_event") == 0


async def test_without_a_signature_nobody_is_believed(calls_api: httpx.AsyncClient) -> None:
    body, headers = signed(EVENT, api_key=KEY, api_secret=SECRET)
    del headers["Authorization"]
    senders = [headers, *({**headers, "Authorization": each} for each in ("", "Bearer", "Bearer x.y.z", "vgw_1_2"))]

    answers = [await calls_api.post(PATH, content=body, headers=each) for each in senders]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(401, "unauthenticated")] * 5


async def test_nothing_of_a_strangers_webhook_is_read(calls_api: httpx.AsyncClient) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{}"

    headers = {"Content-Type": "application/webhook+json", "Authorization": "made up"}
    answer = await calls_api.post("/v1/livekit/webhook", content=pieces(), headers=headers)

    assert (answer.status_code, read) == (401, 0)


async def test_clocks_may_be_a_minute_apart(deliver: Any) -> None:
    assert await deliver(EVENT, life=datetime.timedelta(seconds=-30)) == [(200, "taken")]


async def test_while_a_key_is_replaced_both_sign(start_api: Any) -> None:
    keys = f"APInext:{OTHER}, APIthird:{OTHER}"
    async with start_api(livekit_api_key=KEY, livekit_api_secret=SECRET, livekit_webhook_keys=keys) as api:
        deliver = Webhooks(api)
        answers = [*await deliver(EVENT), *await deliver(EVENT, api_key="APInext", api_secret=OTHER)]
        answers += await deliver(EVENT, api_key="APInext", api_secret=SECRET)

    assert answers == [(200, "taken"), (200, "duplicate"), (401, "unauthenticated")]


@pytest.mark.parametrize("keys", ["APInext", "APInext:", ":secret", "a:b, c"])
def test_keys_that_are_none_stop_the_start(make_settings: Any, keys: str) -> None:
    with pytest.raises(ConfigurationError, match="VOICEGATEWAY_LIVEKIT_WEBHOOK_KEYS is wrong"):
        webhook_keys(make_settings(livekit_webhook_keys=keys))


async def test_without_a_key_nobody_is_listened_to(api: httpx.AsyncClient) -> None:
    body, headers = signed(EVENT, api_key=KEY, api_secret=SECRET)

    answer = await api.post(PATH, content=body, headers=headers)

    assert answer.status_code == 404
    assert "VOICEGATEWAY_LIVEKIT_API_KEY" in answer.json()["detail"]


async def test_what_is_no_webhook_is_refused(calls_api: httpx.AsyncClient, deliver: Any) -> None:
    body, headers = signed(EVENT, api_key=KEY, api_secret=SECRET)

    wrong_type = await calls_api.post(PATH, content=body, headers={**headers, "Content-Type": "text/plain"})
    too_large = await calls_api.post(PATH, content=b"x" * (BODY_BYTES_MAX + 1), headers=headers)

    assert [(each.status_code, each.json()["code"]) for each in (wrong_type, too_large)] == [
        (415, "unsupported_media_type"),
        (413, "body_too_large"),
    ]


async def test_while_postgres_is_away_livekit_is_told_to_come_again(
    deliver: Any, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(store, "TIMEOUT_S", 0.3)
        async with db.transaction():
            await db.execute("LOCK TABLE call_event")
            refused = await deliver(EVENT)
    accepted = await deliver(EVENT)

    assert (refused, accepted) == ([(503, "database_unavailable")], [(200, "taken")])


async def test_tracks_are_ignored_and_old_events_are_stale(deliver: Any, db: Any) -> None:
    track = CallScript(room="r", job_id="AJ_1", duration_s=60).events()[1]
    track.event = "track_published"
    old = CallScript(
        room="r", job_id="AJ_2", duration_s=60, started_at=datetime.datetime.now(datetime.UTC) - datetime.timedelta(8)
    )
    before = metrics.LIVEKIT_WEBHOOKS.labels("stale")._value.get()

    assert await deliver(track, old.events()[1]) == [(200, "ignored"), (200, "stale")]
    assert await db.fetchval("SELECT count(*) FROM call_leg") == 0
    assert metrics.LIVEKIT_WEBHOOKS.labels("stale")._value.get() == before + 1
