"""Who guesses tokens waits; who has a good one does not, and who has the same wrong one all the time is told so."""

from typing import Any

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.controller.conftest import StartApi

from voicegateway_controller.access import Role, create_token, guesses
from voicegateway_controller.access.errors import TooManyGuesses
from voicegateway_controller.access.guesses import GUESSES_MAX, Guesses

WHOAMI = "/api/v1/whoami"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def guess(api: httpx.AsyncClient, times: int) -> list[int]:
    return [(await api.get(WHOAMI, headers=bearer(f"vgw_{number:016x}_guess"))).status_code for number in range(times)]


async def test_who_guesses_waits_and_who_is_known_does_not(start_api: StartApi, engine: AsyncEngine) -> None:
    known = await create_token(engine, role=Role.VIEWER, name="known")
    fresh = await create_token(engine, role=Role.VIEWER, name="fresh")
    async with start_api() as api, start_api() as replica:
        await api.get(WHOAMI, headers=bearer(known))

        answers = await guess(api, GUESSES_MAX + 2)
        held = await api.get(WHOAMI, headers=bearer(fresh))
        same = await api.get(WHOAMI, headers=bearer(known))
        signing_in = await api.post("/api/v1/sign-in", json={"token": fresh})
        elsewhere = await guess(replica, 2)

    assert answers == [401] * GUESSES_MAX + [429, 429]
    assert (held.status_code, held.json()["code"]) == (429, "too_many_guesses")
    assert 1 <= int(held.headers["retry-after"]) <= 60
    assert same.status_code == 200
    assert signing_in.status_code == 429
    # The first of them tells this replica how many others saw.
    assert elsewhere == [429, 429]


async def test_who_is_signed_in_goes_on_where_somebody_guesses(start_api: StartApi, engine: AsyncEngine) -> None:
    text = await create_token(engine, role=Role.VIEWER, name="Ann")
    async with start_api() as api:
        assert (await api.post("/api/v1/sign-in", json={"token": text})).status_code == 200
        await api.get(WHOAMI)

        answers = await guess(api, GUESSES_MAX + 1)
        signed_in = await api.get(WHOAMI)
        cookie = api.cookies["voicegateway"]
        api.cookies.clear()
        api.cookies.set("voicegateway", f"{cookie[:-4]}AAAA")
        wrong = await api.get(WHOAMI)

    assert answers[-1] == 429
    assert signed_in.status_code == 200
    assert wrong.status_code == 429


async def test_one_wrong_token_again_and_again_is_a_mistake_and_no_guess(api: httpx.AsyncClient) -> None:
    answers = [(await api.get(WHOAMI, headers=bearer("vgw_aa_old"))).status_code for _ in range(GUESSES_MAX * 2)]

    assert set(answers) == {401}


async def test_guessing_one_tokens_secret_does_not_lock_its_holder_out(
    start_api: StartApi, engine: AsyncEngine
) -> None:
    text = await create_token(engine, role=Role.VIEWER, name="target")
    token_id = text.split("_")[1]
    async with start_api() as api:
        app: Any = api._transport
        answers = []
        for number in range(GUESSES_MAX + 1):
            attacker = httpx.ASGITransport(app.app, client=(f"198.51.100.{number}", 1), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=attacker, base_url="http://api") as client:
                answers.append((await client.get(WHOAMI, headers=bearer(f"vgw_{token_id}_{number}"))).status_code)

        assert answers == [401] * GUESSES_MAX + [429]
        assert (await api.get(WHOAMI, headers=bearer(text))).status_code == 200


@pytest_asyncio.fixture
async def counted(redis_url: str) -> Any:
    redis = Redis.from_url(redis_url)
    now = [1000.0]
    yield Guesses(redis, monotonic=lambda: now[0]), now
    await redis.aclose()


async def noted(counting: Guesses, address: str, number: int) -> bool:
    try:
        await counting.note(address, f"wrong {address} {number}", token_id="")
    except TooManyGuesses:
        return False
    return True


async def test_the_wait_ends(counted: Any) -> None:
    counting, now = counted
    for number in range(GUESSES_MAX + 1):
        await noted(counting, "192.0.2.1", number)
    with pytest.raises(TooManyGuesses):
        counting.refuse_held("192.0.2.1")
    counting.refuse_held("192.0.2.2")

    now[0] += 61

    counting.refuse_held("192.0.2.1")


async def test_one_network_of_ipv6_is_one_address(counted: Any) -> None:
    counting, _ = counted

    passed = [await noted(counting, f"2001:db8::{number:x}", number) for number in range(GUESSES_MAX + 1)]

    assert passed == [True] * GUESSES_MAX + [False]
    counting.refuse_held("2001:db8:0:1::1")
    with pytest.raises(TooManyGuesses):
        counting.refuse_held("2001:db8::ffff")


async def test_without_redis_this_process_counts_alone_and_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "COUNTED_MAX", 50)
    monkeypatch.setattr(guesses, "SEEN_MAX", 50)
    redis = Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2)
    counting = Guesses(redis)

    passed = [await noted(counting, "192.0.2.1", number) for number in range(GUESSES_MAX + 2)]
    for number in range(100):
        await noted(counting, f"198.51.100.{number}", number)
    await redis.aclose()

    assert passed == [True] * GUESSES_MAX + [False, False]
    assert len(counting._counts) == len(counting._seen) == 50
