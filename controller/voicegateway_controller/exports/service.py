"""Exports for one process: a bounded number at a time, each from one snapshot of the books, in little memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import Overloaded
from voicegateway_controller.exports import events, statement
from voicegateway_controller.exports.focus.row import Account, FindPrice, FocusRows, Row, columns_of
from voicegateway_controller.exports.focus.writing import Format, Writer, writer
from voicegateway_controller.exports.lines import Grain, read_month
from voicegateway_controller.exports.margins import Margins, margins_of
from voicegateway_controller.exports.markups.rules import Pricer
from voicegateway_controller.exports.markups.service import Markups
from voicegateway_controller.months import previous_month

AT_ONCE: Final = 2
"""Exports that one process serves at the same time: each holds a connection for as long as its reader takes."""
RETRY_AFTER_S: Final = 15
CHUNK_ROWS: Final = 500
"""Rows made between two looks at anything else this process has to do: some 20 ms."""
FIRST_CHUNK_BYTES: Final = 1_024


class Exports:
    """Lives as long as its process, and holds nothing between exports."""

    def __init__(
        self, engine: AsyncEngine, markups: Markups, *, account: Account, find_price: Callable[[], FindPrice]
    ) -> None:
        self._engine = engine
        self._markups = markups
        self._account = account
        self._find_price = find_price
        self._places = asyncio.Semaphore(AT_ONCE)

    async def focus(
        self, access: Access, *, month: date, project: str | None, grain: Grain, form: Format
    ) -> AsyncGenerator[bytes, None]:
        """Return a FOCUS file of a month, piece by piece. What can go wrong at once does so before the first piece.

        Raises Forbidden, BadRequest, Overloaded or DatabaseUnavailable.
        """
        projects = reachable(access, project)
        columns = columns_of(grain)
        pieces = self._focus(writer(form, columns), month, projects, grain)
        return await _begun(pieces)

    async def statement(
        self, access: Access, *, month: date, project: str, is_priced: bool, now: datetime
    ) -> statement.Statement:
        """Return what a project owes for a month. Raises Forbidden, Overloaded or DatabaseUnavailable."""
        projects = reachable(access, project)
        pricer = self._pricer() if is_priced else None
        async with self._reading() as connection:
            current = await statement.fold(read_month(connection, month, grain="day", projects=projects), pricer)
            before = await statement.fold(
                read_month(connection, previous_month(month), grain="day", projects=projects), pricer
            )
            facts = await statement.read_facts(
                connection, month=month, project=project, corrections=current.corrections
            )
        return statement.Statement(
            project=project,
            account=self._account.name,
            month=month,
            made_at=now,
            current=current,
            before=before,
            facts=facts,
            is_priced=is_priced,
        )

    async def margins(self, access: Access, *, month: date, project: str | None, thin_percent: int) -> Margins:
        """Return cost, price and margin of a month by project and model. Raises as `statement` does."""
        projects = reachable(access, project)
        async with self._reading() as connection:
            lines = read_month(connection, month, grain="day", projects=projects)
            return await margins_of(lines, self._pricer(), thin_percent=thin_percent)

    async def events(
        self,
        access: Access,
        *,
        project: str | None,
        window: events.Window,
        form: events.EventFormat,
        value: events.Value,
    ) -> events.Page:
        """Return the next usage events behind a cursor. Raises as `statement` does, and BadRequest for a bad cursor."""
        projects = reachable(access, project)
        async with self._reading() as connection:
            batches = await events.read_batches(connection, window, projects=projects)
        return events.page_of(batches, self._pricer(), form=form, value=value)

    async def _focus(
        self, made: Writer, month: date, projects: Sequence[str] | None, grain: Grain
    ) -> AsyncGenerator[bytes, None]:
        made_of = FocusRows(grain=grain, account=self._account, find_price=self._find_price())
        async with self._reading() as connection:
            yield made.start()
            rows: list[Row] = []
            async for line in read_month(connection, month, grain=grain, projects=projects):
                await made_of.learn(connection, line)
                rows.append(made_of.row(line))
                if len(rows) == CHUNK_ROWS:
                    yield made.add(rows)
                    rows.clear()
                    # Rows come from memory most of the time: let others run too.
                    await asyncio.sleep(0)
            yield made.add(rows)
            yield made.finish()

    def _pricer(self) -> Pricer:
        return Pricer(self._markups.current().markups)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        if self._places.locked():
            raise Overloaded(
                f"{AT_ONCE} exports are under way already: come back in {RETRY_AFTER_S} s",
                retry_after_s=RETRY_AFTER_S,
            )
        async with self._places, raw_connection(self._engine) as connection:
            yield connection


async def _begun(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Take the first pieces, so that what is refused is refused before an answer has begun; return all of them."""
    first = b""
    async for piece in pieces:
        first += piece
        if len(first) >= FIRST_CHUNK_BYTES:
            break
    return _joined(first, pieces)


async def _joined(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in pieces:
            if piece:
                yield piece
    finally:
        await pieces.aclose()
