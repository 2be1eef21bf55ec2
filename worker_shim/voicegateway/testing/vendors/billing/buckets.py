"""Stretches of time into which bills are cut, and pages of them: pure."""

import base64
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from voicegateway.testing.vendors.billing.charges import Charge
from voicegateway.testing.vendors.billing.server import BadQuery, whole_number

WIDTHS: Final = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Bucket:
    """From `start` on, until before `end`, and what was charged then."""

    start: datetime
    end: datetime
    charges: Sequence[Charge]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is asked for: buckets between two instants, some of them a page."""

    start: datetime
    end: datetime
    width: timedelta
    limit: int
    offset: int

    def buckets(self, charges: Sequence[Charge]) -> tuple[list[Bucket], bool]:
        """Return one page of buckets and whether there are more; the first and the last may be short."""
        instants = [charge.at for charge in charges]
        made: list[Bucket] = []
        start = self.start
        number = 0
        while start < self.end:
            end = min(_floor(start, self.width) + self.width, self.end)
            if number >= self.offset + self.limit:
                return made, True
            if number >= self.offset:
                made.append(Bucket(start, end, charges[bisect_left(instants, start) : bisect_left(instants, end)]))
            start = end
            number += 1
        return made, False


def window(
    *,
    start: datetime,
    end: datetime,
    width: str,
    limit: str | None,
    limits: tuple[int, int],
    page: str | None,
    page_size: int | None,
    is_truncated: bool = False,
) -> Window:
    """Return the window of a query; `limits` are the limit without one asked for, and the largest.

    Raises:
        BadQuery: the query makes no sense to the vendor.
    """
    if width not in WIDTHS:
        raise BadQuery(f"bucket_width must be one of {', '.join(WIDTHS)}")
    if start >= end:
        raise BadQuery("the end must be after the start")
    default, largest = limits
    count = default if limit is None else whole_number(limit, "limit")
    if not 1 <= count <= largest:
        raise BadQuery(f"limit must be between 1 and {largest} for buckets of {width}")
    if is_truncated and WIDTHS[width] == timedelta(days=1):
        start = max(start, _floor(start, WIDTHS[width]) + timedelta(hours=12))
    return Window(
        start=start,
        end=end,
        width=WIDTHS[width],
        limit=min(count, page_size or count),
        offset=0 if page is None else _offset(page),
    )


def page_token(offset: int) -> str:
    """Return an opaque text that leads to the page from this bucket on."""
    return "page_" + base64.urlsafe_b64encode(b"bucket:%d" % offset).decode().rstrip("=")


def grouped(charges: Sequence[Charge], key_of: Callable[[Charge], Key]) -> dict[Key, list[Charge]]:
    """Return the charges by a key, in the order in which the keys first came."""
    groups: dict[Key, list[Charge]] = {}
    for charge in charges:
        groups.setdefault(key_of(charge), []).append(charge)
    return groups


def _offset(page: str) -> int:
    text = page.removeprefix("page_")
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        name, _, number = decoded.partition(":")
        if name == "bucket" and page.startswith("page_"):
            return int(number)
    except ValueError as error:
        raise BadQuery("page is not one that was given out") from error
    raise BadQuery("page is not one that was given out")


def _floor(at: datetime, width: timedelta) -> datetime:
    return at - (at - _EPOCH) % width
