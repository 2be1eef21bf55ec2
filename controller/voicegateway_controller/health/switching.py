"""Switching vendors and models off and on by hand: a person's word, kept in Postgres with who said it and when."""

from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import Conflict, NotFound
from voicegateway_controller.health.switches import SWITCHES_MAX, Switch, Switches
from voicegateway_controller.logs import get_logger

TIMEOUT_S: Final = 5.0
SWITCH_LOCK: Final = 0x5647_4845_414C
"""Advisory lock: changes are made one after the other, so that revisions grow as they are seen. Says VGHEAL."""
OFF: Final = """
SELECT revision, provider, model, until, reason, changed_at, changed_by FROM (
    SELECT DISTINCT ON (provider, model) * FROM provider_switch ORDER BY provider, model, revision DESC
) AS newest WHERE is_off AND (until IS NULL OR until > now()) ORDER BY provider, model
"""
REVISION: Final = "SELECT coalesce(max(revision), 0) FROM provider_switch"
CHANGE: Final = """
INSERT INTO provider_switch (provider, model, is_off, until, reason, changed_by) VALUES ($1, $2, $3, $4, $5, $6)
"""

_log = get_logger(__name__)


class Switching:
    """Lives as long as the process. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self) -> Switches:
        """Return what is off. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return await _read(connection)

    async def disable(
        self, provider: str, model: str, *, lasts: timedelta | None, reason: str, by: str
    ) -> tuple[Switch, Switches]:
        """Switch something off, or change until when it is; return it, and all that is off.

        Raises Conflict when SWITCHES_MAX are off already, DatabaseUnavailable.
        """
        until = None if lasts is None else datetime.now(UTC) + lasts
        async with raw_connection(self._engine) as connection, connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({SWITCH_LOCK})", timeout=TIMEOUT_S)
            off = await _read(connection)
            if len(off.off) >= SWITCHES_MAX and _find(off, provider, model) is None:
                raise Conflict(f"{SWITCHES_MAX} vendors and models are off already: switch some of them on first")
            await connection.execute(CHANGE, provider, model, True, until, reason, by, timeout=TIMEOUT_S)
            changed = await _read(connection)
            before, after = _find(off, provider, model), _find(changed, provider, model)
            await _record(connection, "provider.disable", (provider, model), before, after, by=by, reason=reason)
        _log.info("provider.disabled", provider=provider, model=model, until=until, reason=reason, by=by)
        made = _find(changed, provider, model)
        return made or Switch(provider=provider, model=model, until_ms=_ms(until), reason=reason, by=by), changed

    async def enable(self, provider: str, model: str, *, by: str) -> Switches:
        """Switch something on again; return what is still off. Raises NotFound when it is on, DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({SWITCH_LOCK})", timeout=TIMEOUT_S)
            before = _find(await _read(connection), provider, model)
            if before is None:
                name = f"{provider}/{model}" if model else provider
                raise NotFound(f"{name} is not switched off: `voicegw providers list` shows what is")
            await connection.execute(CHANGE, provider, model, False, None, "", by, timeout=TIMEOUT_S)
            changed = await _read(connection)
            await _record(connection, "provider.enable", (provider, model), before, None, by=by, reason="")
        _log.info("provider.enabled", provider=provider, model=model, by=by)
        return changed


async def _read(connection: Connection) -> Switches:
    revision = await connection.fetchval(REVISION, timeout=TIMEOUT_S)
    rows = await connection.fetch(OFF, timeout=TIMEOUT_S) if revision else []
    return Switches(revision=revision, off=tuple(map(_switch, rows)))


async def _record(
    connection: Connection,
    action: str,
    name: tuple[str, str],
    before: Switch | None,
    after: Switch | None,
    *,
    by: str,
    reason: str,
) -> None:
    provider, model = name
    change = Change(
        actor=by,
        action=action,
        resource=f"providers/{provider}/{model}" if model else f"providers/{provider}",
        before=None if before is None else {"is_off": True, "until_ms": before.until_ms, "reason": before.reason},
        after=None if after is None else {"is_off": True, "until_ms": after.until_ms, "reason": after.reason},
        reason=reason,
    )
    await record_change(connection, change)


def _switch(row: asyncpg.Record) -> Switch:
    return Switch(
        provider=row["provider"],
        model=row["model"],
        until_ms=_ms(row["until"]),
        reason=row["reason"],
        at_ms=_ms(row["changed_at"]) or 0,
        by=row["changed_by"],
    )


def _find(switches: Switches, provider: str, model: str) -> Switch | None:
    return next((each for each in switches.off if (each.provider, each.model) == (provider, model)), None)


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1_000)
