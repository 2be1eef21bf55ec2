"""What people say of a vendor's names, written down: which model a word means, which of our keys a credential is."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.reconcile import store

_ALIASES: Final = """
SELECT model, valid_from, valid_to, actor FROM reconcile_alias WHERE provider = $1 AND name = $2 ORDER BY valid_from
"""
_LINKS: Final = "SELECT key_id, actor FROM reconcile_link WHERE provider = $1 AND credential = $2"


class NameDesk:
    """Lives as long as its engine; holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def declare_alias(
        self, provider: str, name: str, *, model: str, valid_from: date, valid_to: date | None, by: str
    ) -> None:
        """Say which model a vendor's word means, from a day on. Raises DatabaseUnavailable."""
        row = (provider, name, model, valid_from, valid_to, by)
        await self._change("alias.declare", _ALIASES, (provider, name), store.DECLARE_ALIAS, row, by=by)

    async def forget_alias(self, provider: str, name: str, *, by: str) -> bool:
        """Forget a word, at all its times; say whether it was there."""
        pair = (provider, name)
        return await self._change("alias.forget", _ALIASES, pair, store.FORGET_ALIAS, pair, by=by)

    async def declare_link(self, provider: str, credential: str, *, key_id: str, by: str) -> None:
        """Say which of our keys a vendor's credential is. Raises DatabaseUnavailable."""
        row = (provider, credential, key_id, by)
        await self._change("link.declare", _LINKS, (provider, credential), store.DECLARE_LINK, row, by=by)

    async def forget_link(self, provider: str, credential: str, *, by: str) -> bool:
        """Forget a credential; say whether it was there."""
        pair = (provider, credential)
        return await self._change("link.forget", _LINKS, pair, store.FORGET_LINK, pair, by=by)

    async def _change(
        self, action: str, look: str, pair: tuple[str, str], statement: str, values: tuple[object, ...], *, by: str
    ) -> bool:
        """Do it, and write down what was there before and is there now; say whether anything was there."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            before = await _seen(connection, look, pair)
            await connection.execute(statement, *values)
            after = await _seen(connection, look, pair)
            if before != after:
                resource = f"reconciliations/names/{pair[0]}/{pair[1]}"
                change = Change(actor=by, action=action, resource=resource, before=before or None, after=after or None)
                await record_change(connection, change)
        return bool(before)


async def _seen(connection: Connection, look: str, pair: tuple[str, str]) -> Sequence[dict[str, Any]]:
    return [dict(row.items()) for row in await connection.fetch(look, *pair)]
