"""What livekit-api asks a LiveKit server for, and what is made of its answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures.livekit_server import KEY, SECRET, LiveKitServer, livekit_serving

from voicegateway_controller.sessions import livekit_rooms
from voicegateway_controller.sessions.livekit_rooms import LiveKitFailed, LiveKitRooms, open_rooms
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import ConfigurationError


@pytest_asyncio.fixture
async def livekit() -> AsyncIterator[LiveKitServer]:
    async with livekit_serving() as server:
        yield server


@pytest.fixture
def rooms(livekit: LiveKitServer) -> LiveKitRooms:
    return LiveKitRooms(livekit.url, KEY, SECRET)


@pytest.mark.parametrize(
    ("present", "left", "done"),
    [
        ({"caller", "agent-AJ_1"}, {"caller"}, "removed the agent from the room"),
        ({"caller", "agent-own-name"}, {"caller"}, "removed the agent from the room"),
        ({"caller", "agent-AJ_1", "agent-AJ_2"}, {"caller", "agent-AJ_2"}, "removed the agent from the room"),
        (
            {"caller", "agent-a", "agent-b"},
            None,
            "deleted the room: which of 2 agents carries the session is not known",
        ),
        ({"caller"}, {"caller"}, "no agent was in the room"),
        (None, None, "the room, or the agent in it, was gone already"),
    ],
)
async def test_the_sessions_own_agent_is_removed_and_no_other(
    livekit: LiveKitServer, rooms: LiveKitRooms, present: set[str] | None, left: set[str] | None, done: str
) -> None:
    livekit.rooms = {} if present is None else {"r": set(present)}

    assert await rooms.remove_agent("r", session_id="AJ_1") == done
    assert livekit.rooms.get("r") == left


async def test_a_room_is_deleted_once(livekit: LiveKitServer, rooms: LiveKitRooms) -> None:
    livekit.rooms = {"r": {"caller"}, "other": {"caller"}}

    done = [await rooms.delete_room("r") for _ in range(2)]

    assert done == ["deleted the room", "the room, or the agent in it, was gone already"]
    assert livekit.rooms == {"other": {"caller"}}


async def test_a_refusal_is_told_and_the_secret_is_not(livekit: LiveKitServer) -> None:
    livekit.rooms = {"r": {"agent-AJ_1"}}
    stranger = LiveKitRooms(livekit.url, KEY, "another-secret-of-thirty-two-bytes!")

    for asked in (stranger.remove_agent("r", session_id="AJ_1"), stranger.delete_room("r")):
        with pytest.raises(LiveKitFailed, match="the LiveKit server answered 401 unauthenticated") as caught:
            await asked
        assert "another-secret" not in str(caught.value)
    assert livekit.rooms == {"r": {"agent-AJ_1"}}


async def test_a_server_that_is_away_or_silent_is_told(
    livekit: LiveKitServer, rooms: LiveKitRooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(livekit_rooms, "TIMEOUT_S", 0.3)
    livekit.is_silent = True

    with pytest.raises(LiveKitFailed, match="did not answer in time"):
        await rooms.delete_room("r")
    with pytest.raises(LiveKitFailed, match="cannot be asked: ClientConnectorError"):
        await LiveKitRooms("ws://127.0.0.1:9", KEY, SECRET).remove_agent("r", session_id="AJ_1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"livekit_url": "wss://x"}, "VOICEGATEWAY_LIVEKIT_API_KEY is not set"),
        ({"livekit_api_key": "k", "livekit_api_secret": "hush"}, "VOICEGATEWAY_LIVEKIT_URL is not set"),
        ({"livekit_url": "wss://x", "livekit_api_key": "k"}, "VOICEGATEWAY_LIVEKIT_API_SECRET is not set"),
        (
            {"livekit_url": "x.livekit.cloud", "livekit_api_key": "k", "livekit_api_secret": "hush"},
            "VOICEGATEWAY_LIVEKIT_URL is wrong",
        ),
    ],
)
def test_settings_that_are_not_whole_are_refused(changes: dict[str, Any], words: str) -> None:
    settings: dict[str, Any] = {"database_url": "postgresql://localhost/x", "redis_url": "redis://localhost"}

    assert open_rooms(Settings(**settings)) is None
    with pytest.raises(ConfigurationError, match=words) as caught:
        open_rooms(Settings(**{**settings, **changes}))
    assert "hush" not in str(caught.value)
