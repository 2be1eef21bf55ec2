"""The first admin's token: where there never was one, it is taken from a setting, or made and printed once."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import store
from voicegateway_controller.access.rules import Role, new_token, parse_token
from voicegateway_controller.access.service import insert_token
from voicegateway_controller.access.settings import AccessSettings
from voicegateway_controller.background import STOP_S, end
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import DatabaseUnavailable, SchemaNotMigrated
from voicegateway_controller.logs import get_logger

LOCK: Final = 0x7667_6669_7273_7401
"""Of several replicas that start at once, one makes the token."""
RETRY_S: Final = 1.0
"""Between two looks, while Postgres or its schema is not there yet."""
ACTOR: Final = "bootstrap"
_RULE: Final = "=" * 72

_log = get_logger(__name__)


class FirstStart:
    """Sees to the first token, once. Lives from `start` to `close`, which its owner calls."""

    def __init__(
        self, engine: AsyncEngine, given: SecretStr | None, *, say: Callable[[str], None] | None = None
    ) -> None:
        self._engine = engine
        self._given = given
        self._say = say or _to_stderr
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look, as often as it takes until Postgres says whether there was ever a token."""
        self._task = asyncio.create_task(self._until_known(), name="first start")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            await end([self._task], within_s=STOP_S)

    async def look(self) -> bool:
        """Make the first token if there never was one; say whether this call did. Raises DatabaseUnavailable."""
        text = new_token()[0] if self._given is None else self._given.get_secret_value()
        async with raw_connection(self._engine) as connection, connection.transaction():
            await store.lock(connection, LOCK)
            if not await store.is_empty(connection):
                return False
            await insert_token(
                connection, text, role=Role.ADMIN, name="first admin", projects=None, expires_at=None, by=ACTOR
            )
        parts = parse_token(text)
        token_id = "" if parts is None else parts.id
        _log.info("token.first_made", token_id=token_id, is_given=self._given is not None)
        if self._given is None:
            # Not through the log, whose lines are kept and sent elsewhere: this is for who watches the first start.
            self._say(
                f"{_RULE}\nThe first start. This admin token is shown once, and stored nowhere:\n\n    {text}\n\n"
                "Sign in with it, make tokens for people and workers (`voicegw tokens create`),\n"
                f"then revoke it: voicegw tokens revoke {token_id}\n{_RULE}"
            )
        return True

    async def _until_known(self) -> None:
        while True:
            try:
                await self.look()
            except (DatabaseUnavailable, SchemaNotMigrated) as error:
                _log.debug("token.first_waits", error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return


@asynccontextmanager
async def seeing_to_first_token(engine: AsyncEngine, settings: AccessSettings) -> AsyncIterator[None]:
    """See to the first token while the block runs, unless the settings say that somebody else does."""
    first = FirstStart(engine, settings.bootstrap_token)
    if settings.bootstrap:
        first.start()
    try:
        yield
    finally:
        await first.close()


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
