"""What Postgres said of tokens and sign-ins a moment ago, so that not every request asks it again."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from voicegateway_controller.errors import DatabaseUnavailable

FRESH_S: Final = 10.0
"""What was found this recently is not asked for again; revocations are heard of sooner, see `revocations.py`."""
STALE_S: Final = 300.0
"""While Postgres is down nobody can revoke: what was seen this recently goes on working."""
ENTRIES_MAX: Final = 10_000
"""Good and unknown ids together; the least recently found goes first."""

Row = TypeVar("Row")


class Remembered(Generic[Row]):
    """Rows by id, of one process; lives as long as who finds them. Holds nothing that needs closing."""

    def __init__(
        self, find: Callable[[str], Awaitable[Row | None]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._find = find
        self._monotonic = monotonic
        self._entries: OrderedDict[str, tuple[float, Row | None]] = OrderedDict()

    def __len__(self) -> int:
        """How many ids are remembered."""
        return len(self._entries)

    async def get(self, row_id: str) -> Row | None:
        """Return the row, None where there is none; DatabaseUnavailable when it is not known and cannot be asked."""
        now_s = self._monotonic()
        entry = self._entries.get(row_id)
        if entry is not None and now_s - entry[0] < FRESH_S:
            return entry[1]
        try:
            row = await self._find(row_id)
        except DatabaseUnavailable:
            if entry is not None and entry[1] is not None and now_s - entry[0] < STALE_S:
                return entry[1]
            raise
        self._entries[row_id] = (now_s, row)
        self._entries.move_to_end(row_id)
        while len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)
        return row

    def peek(self, row_id: str) -> Row | None:
        """Return what is remembered of a row, however little time it may still be good for; None for what is not."""
        entry = self._entries.get(row_id)
        return None if entry is None or self._monotonic() - entry[0] >= STALE_S else entry[1]

    def amend(self, row_id: str, row: Row) -> None:
        """Put another row in the place of one that is remembered, for as long as that one was good for."""
        if row_id in self._entries:
            self._entries[row_id] = (self._entries[row_id][0], row)

    def forget(self, row_id: str) -> None:
        """Ask again next time."""
        self._entries.pop(row_id, None)
