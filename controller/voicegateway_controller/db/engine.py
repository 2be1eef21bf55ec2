"""The async engine, and the raw asyncpg connection under it for the two hot paths."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from voicegateway_controller.errors import ControllerError, DatabaseUnavailable, SchemaNotMigrated

CONNECT_TIMEOUT_S: Final = 5.0
"""A Postgres that does not answer a connect within this is down for us; the caller retries."""
COMMAND_TIMEOUT_S: Final = 60.0
"""No statement of ours is meant to take longer; a stuck one gives its connection back."""
POOL_WAIT_S: Final = 5.0
"""Waiting longer for a free connection than this helps nobody: answer 503 and let the client back off."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_GONE: Final = (
    OSError,
    TimeoutError,
    ssl.SSLError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.InternalServerError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    PoolTimeout,
)
_NO_SCHEMA: Final = (asyncpg.exceptions.UndefinedTableError, asyncpg.exceptions.UndefinedColumnError)


def make_engine(database_url: str, *, pool_size: int, application_name: str) -> AsyncEngine:
    """Return an engine whose connections speak UTC and give up on a silent server."""
    engine = create_async_engine(
        make_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_recycle=1800,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": COMMAND_TIMEOUT_S,
            "server_settings": {
                "application_name": application_name,
                "timezone": "UTC",
                # Compiling a query costs more than any of our short statements.
                "jit": "off",
                "idle_in_transaction_session_timeout": "60000",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    return engine


def _replace_closed(adapted: AdaptedConnection, *_: object) -> None:
    """Have the pool connect anew where a connection died with its server, which its socket has told by then.

    SQLAlchemy's own `pool_pre_ping` asks the server: a BEGIN, a statement and a ROLLBACK before each of ours.
    """
    if adapted.driver_connection.is_closed():
        raise DisconnectionError("the connection is closed")


@asynccontextmanager
async def raw_connection(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Lend asyncpg's own connection from the engine's pool; outages become DatabaseUnavailable.

    No transaction is open on it: a single statement commits by itself, several need `transaction()`.
    """
    try:
        async with engine.connect() as pooled:
            proxy = await pooled.get_raw_connection()
            driver: Any = proxy.driver_connection
            try:
                yield driver
            except (TimeoutError, asyncio.CancelledError):
                # The server may still be busy with our statement: do not lend this connection again.
                await pooled.invalidate()
                raise
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        ours = translated(error)
        if ours is None:
            raise
        raise ours from error


def translated(error: BaseException) -> ControllerError | None:
    """Return our own error for an outage or a missing schema, and None for any other error."""
    cause = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = getattr(error.orig, "__cause__", None) or error.orig
    if isinstance(cause, _NO_SCHEMA):
        return SchemaNotMigrated("the database schema is missing or old: run `voicegw migrate`")
    if isinstance(cause, _GONE):
        return DatabaseUnavailable(f"Postgres is unavailable: {_reason(cause)}")
    return None


def _reason(error: BaseException) -> str:
    if isinstance(error, (TimeoutError, PoolTimeout)):
        return "it did not answer in time"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
