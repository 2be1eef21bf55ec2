"""Pages of a list by keyset: where the last row of a page stood, not how many were passed over.

    _PAGES = Keyset("requests", datetime, UUID)                       # the columns of ORDER BY, all of them

    after = _PAGES.read(cursor, filters={"project": project})         # None on the first page
    rows = await store.requests(..., after=after, limit=limit + 1)    # WHERE (started_at, id) < ($1, $2)
    page = _PAGES.cut(rows, limit=limit, key=lambda row: (row.started_at, row.id), filters={"project": project})
    return schemas.RequestsPage(requests=page.rows, next=page.next)

A cursor gives nothing to who makes one up: each page is asked for with the caller's own rights. What it carries is
checked nevertheless: a cursor of another list, of other filters, or a mangled one is a 400 and not a wrong page.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from types import GenericAlias
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from fastapi import Query

from voicegateway_controller.errors import BadRequest

CURSOR_CHARS_MAX: Final = 1024
"""Longer than any cursor of ours: two names of 256 characters, an instant and an id."""
LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 500
"""Rows of one page: some hundred KiB."""
_CHECK_BYTES: Final = 6
"""A cursor that is only mistaken is let through once in 2**48 times."""
_INT_MAX: Final = 2**63 - 1
"""What a bigint holds."""

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many, at most.")]
Cursor = Annotated[
    str | None,
    Query(description="`next` of the page before, with the same filters.", max_length=CURSOR_CHARS_MAX),
]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """The rows of one page, and the cursor of the next one; None at the end."""

    rows: list[Row]
    next: str | None


class Keyset:
    """How one list is paged: its name and the types of the columns it is ordered by. Lives as long as the module."""

    def __init__(self, name: str, *columns: type[int] | type[str] | type[datetime] | type[UUID]) -> None:
        """`columns` together are unique for each row, else rows that are equal in them are skipped."""
        if not columns:
            raise ValueError("a list that is paged has an order")
        self._name = name
        self._decode: Callable[[bytes], tuple[Any, ...]] = msgspec.json.Decoder(GenericAlias(tuple, columns)).decode

    def read(self, cursor: str | None, *, filters: Mapping[str, object] | None = None) -> tuple[Any, ...] | None:
        """Return the key of the last row of the page before, None for the first page.

        Raises BadRequest for a cursor that this list, with these filters, did not give.
        """
        if cursor is None or cursor == "":
            return None
        key = self._unpacked(cursor, filters or {})
        if key is None:
            raise BadRequest(
                "cursor is not one that this list gave for these filters: send the `next` of the page before with the "
                "same filters, or none for the first page"
            )
        return key

    def write(self, key: Sequence[object], *, filters: Mapping[str, object] | None = None) -> str:
        """Return the cursor that goes on after the row of this key."""
        packed = msgspec.json.encode(list(key))
        return base64.urlsafe_b64encode(self._check(packed, filters or {}) + packed).decode().rstrip("=")

    def cut(
        self,
        rows: Sequence[Row],
        *,
        limit: int,
        key: Callable[[Row], Sequence[object]],
        filters: Mapping[str, object] | None = None,
    ) -> Page[Row]:
        """Return one page of rows that were asked for with `limit + 1`: the one too many says that there is more."""
        kept = list(rows[:limit])
        has_more = len(rows) > limit
        return Page(rows=kept, next=self.write(key(kept[-1]), filters=filters) if has_more else None)

    def _unpacked(self, cursor: str, filters: Mapping[str, object]) -> tuple[Any, ...] | None:
        if len(cursor) > CURSOR_CHARS_MAX or not cursor.isascii():
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            check, packed = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
            if check != self._check(packed, filters):
                return None
            key = self._decode(packed)
        except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return key if all(_can_be_asked(value) for value in key) else None

    def _check(self, packed: bytes, filters: Mapping[str, object]) -> bytes:
        told = msgspec.json.encode([self._name, sorted((name, str(value)) for name, value in filters.items())])
        return hashlib.blake2b(packed, digest_size=_CHECK_BYTES, key=hashlib.sha256(told).digest()).digest()


def _can_be_asked(value: object) -> bool:
    """Say whether Postgres takes the value as it is: made up cursors must not become its errors."""
    if isinstance(value, int):
        return -_INT_MAX <= value <= _INT_MAX
    if isinstance(value, datetime):
        # In the first and the last year another zone's instant may lie beyond what can be written down.
        return value.tzinfo is not None and MINYEAR < value.year < MAXYEAR
    return not (isinstance(value, str) and "\x00" in value)
