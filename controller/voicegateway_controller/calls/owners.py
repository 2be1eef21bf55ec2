"""Note who pays for live calls, as the workers that carry them say: a call without a request has no other witness."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_shared.wire import SyncRequest

INTERVAL_S: Final = 3.0
"""Workers in a call speak every second, and are forgotten eight seconds after their last word."""
TIMEOUT_S: Final = 10.0


class Owners:
    """Notes owners for one runner; any number may. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, holders: Callable[[], Awaitable[list[SyncRequest]]]) -> None:
        self._engine = engine
        self._holders = holders

    async def step(self) -> None:
        """Note what is not known yet. Raises RedisUnavailable or DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            is_wanted = await connection.fetchval(load_sql(__package__ or "", "has_ownerless"), timeout=TIMEOUT_S)
        if not is_wanted:
            return
        sessions = [session for holder in await self._holders() for session in holder.sessions or ()]
        if not sessions:
            return
        async with raw_connection(self._engine) as connection:
            await connection.execute(
                load_sql(__package__ or "", "note_owners"),
                [each.session_id for each in sessions], [each.project for each in sessions],
                [each.agent for each in sessions], [each.room for each in sessions], timeout=TIMEOUT_S,
            )  # fmt: skip
