"""What was revoked elsewhere is refused here within a second: each replica asks Postgres twice in one."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import store
from voicegateway_controller.access.service import Tokens
from voicegateway_controller.access.sign_ins import SignIns
from voicegateway_controller.background import Background
from voicegateway_controller.db.engine import raw_connection

POLL_S: Final = 0.5
WITHIN_S: Final = 60.0
"""How far back is looked: longer than a row is remembered as fresh, plus any transaction that is late to commit."""
TIMEOUT_S: Final = 3.0


class Revocations:
    """Follows what is revoked. Lives from `start` to `close`, which its owner calls."""

    def __init__(self, engine: AsyncEngine, tokens: Tokens, sign_ins: SignIns) -> None:
        self._engine = engine
        self._tokens = tokens
        self._sign_ins = sign_ins
        self._polling = Background("revocations", self.follow, interval_s=POLL_S)

    def start(self) -> None:
        """Begin to follow."""
        self._polling.start()

    async def close(self) -> None:
        """Stop."""
        await self._polling.close()

    async def follow(self) -> None:
        """Forget what was revoked lately, so that its next use asks Postgres. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            tokens, sign_ins = await store.revoked_lately(connection, within_s=WITHIN_S, timeout_s=TIMEOUT_S)
        for token_id in tokens:
            self._tokens.forget(token_id)
        for sign_in_id in sign_ins:
            self._sign_ins.forget(sign_in_id)
