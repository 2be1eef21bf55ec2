"""Runs of re-rating: asked for, listed, stopped. Whoever works on them is in `work.py`."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import Conflict, NotFound
from voicegateway_controller.ledger.rerating import store
from voicegateway_controller.ledger.rerating.selection import AHEAD, FIRST_DAY, LAST_DAY, Selection, stretches
from voicegateway_controller.ledger.rerating.store import MovedMonth, Run, StoredChange

RUNS_MAX: Final = 200
MONTHS_MAX: Final = 12
"""Accepted months that a refusal names."""
CHANGES_MAX: Final = 5_000
"""Rows of what a run changed that are shown; its sums hold all of it."""


class Reratings:
    """The runs, as people and programs see them; holds nothing, lives as long as the engine it is given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, selection: Selection, *, reason: str, actor: str, is_dry_run: bool) -> Run:
        """Write down a run; a runner begins with it within a second or so, after those that were asked for before.

        Raises BadRequest with the reason when it cannot be meant, Conflict when it is about months whose invoice was
        accepted and does not say so, DatabaseUnavailable when it could not be stored.
        """
        async with raw_connection(self._engine) as connection, connection.transaction():
            now = await store.now(connection)
            selection.check(reason, now=now)
            if not is_dry_run and not selection.allow_accepted:
                await _refuse_accepted(connection, selection, now=now)
            run = await begin(
                connection, selection, reason=reason, actor=actor, is_dry_run=is_dry_run, is_automatic=False, now=now
            )
            if not is_dry_run:
                await record_change(connection, _written_down("rerating.begin", run, by=actor))
            return run

    async def get(self, number: int) -> Run:
        """Return one run; NotFound when there is none of this number."""
        async with raw_connection(self._engine) as connection:
            row = await connection.fetchrow(store.GET, number)
        if row is None:
            raise NotFound(f"there is no re-rating {number}")
        return Run(**row)

    async def newest(self, *, limit: int = RUNS_MAX) -> list[Run]:
        """Return the newest runs."""
        async with raw_connection(self._engine) as connection:
            return [Run(**row) for row in await connection.fetch(store.LIST, limit)]

    async def changes(self, number: int) -> list[StoredChange]:
        """Return what a run changed, or would change, the largest differences first."""
        async with raw_connection(self._engine) as connection:
            return await store.changes(connection, number, CHANGES_MAX)

    async def moved_months(self, number: int) -> list[MovedMonth]:
        """Return by how much a run moves, or would move, the books of accepted months away from their invoices."""
        async with raw_connection(self._engine) as connection:
            return await store.moved_months(connection, number)

    async def cancel(self, number: int, *, by: str) -> Run:
        """Stop a run where it is; what it booked stays. Conflict when it is over, NotFound when there is none."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            row = await connection.fetchrow(store.CANCEL, number)
            run = None if row is None else Run(**row)
            if run is not None and not run.is_dry_run:
                await record_change(connection, _written_down("rerating.stop", run, by=by))
        if run is None:
            run = await self.get(number)
            raise Conflict(f"re-rating {number} is {run.state} already")
        return run


async def _refuse_accepted(connection: Connection, selection: Selection, *, now: datetime) -> None:
    found = await store.accepted_within(connection, selection, selection.until or now + AHEAD, MONTHS_MAX)
    if found:
        months = ", ".join(f"{provider} {month:%Y-%m}" for provider, month in found)
        raise Conflict(
            f"the invoice of {months} was accepted, and its requests would be rated anew: the books would be another "
            "sum than the invoice. See by how much with a dry run; say allow_accepted (--accepted) if that is meant, "
            "then reconcile and accept again"
        )


def _written_down(action: str, run: Run, *, by: str) -> Change:
    """What the audit log keeps of a run; what it books stands beside the entries."""
    return Change(
        actor=by,
        action=action,
        resource=f"ledger/reratings/{run.number}",
        project=run.project,
        reason=run.reason,
        after={
            "state": run.state,
            "correction_id": run.correction_id,
            "provider": run.provider,
            "model": run.model,
            "project": run.project,
            "since": run.since,
            "until": run.until,
            "only_unrated": run.only_unrated,
            "as_of": run.as_of,
            "changed": run.changed,
        },
    )


async def begin(
    connection: Connection,
    selection: Selection,
    *,
    reason: str,
    actor: str,
    is_dry_run: bool,
    is_automatic: bool,
    now: datetime,
    correction_id: UUID | None = None,
) -> Run:
    """Write down a run in the caller's transaction; `now` is `store.now`, the clock by which prices are recorded."""
    until = selection.until or now + AHEAD
    first, last = selection.bounds()
    is_bounded = (first, last) != (FIRST_DAY, LAST_DAY)
    strays = await store.stray_days(connection, selection.since, until, first, last) if is_bounded else []
    return await store.create(
        connection,
        selection,
        correction_id=correction_id or uuid4(),
        reason=reason.strip(),
        actor=actor,
        is_dry_run=is_dry_run,
        is_automatic=is_automatic,
        until=until,
        # Pinned: a run that is resumed, or follows its dry run, goes on by the prices that it began with.
        as_of=selection.as_of or now,
        held=stretches(first, last, strays),
    )
