"""Bring the schema up to date. Replicas may do it at the same time: they take turns."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import Connection, make_engine, raw_connection, translated
from voicegateway_controller.db.partitions import ensure_partitions
from voicegateway_controller.errors import MigrationFailed

MIGRATION_LOCK: Final = 0x5647_4D49_4752
"""Advisory lock that makes replicas take turns. The letters say VGMIGR."""
TURN_TIMEOUT: Final = "120s"
"""How long to wait for another replica's migration."""
LOCK_TIMEOUT: Final = "5s"
"""A revision waits this long for a table that is in use, then fails cleanly and can be run again."""


async def upgrade(database_url: str) -> str:
    """Migrate to this version's schema and create the partitions; return the schema version. Idempotent.

    Raises DatabaseUnavailable when Postgres cannot be reached and MigrationFailed when a revision fails; in
    both cases nothing was changed, because all revisions run in one transaction.
    """
    engine = make_engine(database_url, pool_size=2, application_name="voicegateway-migrate")
    try:
        try:
            async with engine.connect() as connection, connection.begin():
                await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TURN_TIMEOUT}'")
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                await connection.run_sync(_run)
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise translated(error) or MigrationFailed(f"the migration failed: {_first_line(error)}") from error
        async with raw_connection(engine) as raw:
            await ensure_partitions(raw, today=datetime.now(UTC).date())
    finally:
        await engine.dispose()
    return head()


def head() -> str:
    """Return the schema version that this code needs."""
    version = ScriptDirectory.from_config(_config()).get_current_head()
    if version is None:
        raise MigrationFailed("this installation has no migrations: reinstall voicegateway")
    return version


def is_enough(version: str | None) -> bool:
    """Say whether this code can run on a schema: its own version, or a newer one.

    Revisions are numbered, and each leaves the previous release running (add, deploy, remove): during a rollout, and
    after a rollback, older pods meet a newer schema and must stay ready.
    """
    return version is not None and version >= head()


async def current(engine: AsyncEngine) -> str | None:
    """Return the schema version of the database, or None when it has none."""
    async with raw_connection(engine) as connection:
        return await read_version(connection)


async def read_version(connection: Connection) -> str | None:
    """Return the schema version seen by this connection, or None when there is none."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return version


def _run(connection: SyncConnection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "voicegateway_controller:migrations")
    return config


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error)
    return text.splitlines()[0] if text else type(error).__name__


def upgrade_now(database_url: str) -> str:
    """`upgrade` for callers without a running loop."""
    return asyncio.run(upgrade(database_url))
