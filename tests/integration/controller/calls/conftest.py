"""A controller with LiveKit keys, webhooks sent to it over HTTP, and the runner's steps on its database."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway.testing.livekit_webhooks import PATH, signed
from voicegateway_controller.calls.settling import Settling
from voicegateway_controller.calls.telephony import read_telephony

KEY, SECRET = "APIcalls", "a-secret-that-is-at-least-32-bytes-long"
TELEPHONY = """
legs:
  - {trunk: ST_simulated, livekit: us-local-inbound}
  - {trunk: ST_twilio, direction: inbound, carrier: twilio/us-sip-inbound, project: phones}
  - {trunk: ST_twilio, direction: outbound, remote: "+1*", carrier: twilio/us-local-outbound}
"""


class Webhooks:
    """Delivers webhooks to one API, signed as LiveKit does."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self._api = api

    async def __call__(self, *events: Any, **signing: Any) -> list[tuple[int, str]]:
        answers = []
        for event in events:
            body, headers = signed(event, **{"api_key": KEY, "api_secret": SECRET, **signing})
            answer = await self._api.post(PATH, content=body, headers=headers)
            told = answer.json()
            answers.append((answer.status_code, told.get("result") or told.get("code")))
        return answers


@pytest_asyncio.fixture
async def calls_api(start_api: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The API with LiveKit keys and telephony."""
    async with start_api(livekit_api_key=KEY, livekit_api_secret=SECRET, telephony=TELEPHONY) as client:
        yield client


@pytest.fixture
def deliver(calls_api: httpx.AsyncClient) -> Webhooks:
    """Deliver webhooks."""
    return Webhooks(calls_api)


@pytest.fixture
def make_settling(engine: AsyncEngine) -> Callable[..., Settling]:
    """Return a maker of settlings that wait for nothing."""

    def make(telephony: str = TELEPHONY, **changes: Any) -> Settling:
        return Settling(engine, read_telephony(telephony), **{"settle_s": 0.0, "patience_s": 0.0, **changes})

    return make
