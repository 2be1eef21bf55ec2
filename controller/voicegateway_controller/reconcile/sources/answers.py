"""Read vendors' JSON: what is absent or null is empty, what is of another kind is told with its name."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile.exact import Number
from voicegateway_controller.reconcile.sources.vendor_api import VendorApi
from voicegateway_controller.reconcile.statement import VendorLine

EDGE_DAYS: Final = 1
"""What is asked for on either side of a month, and then dropped: a first bucket may begin in the middle of its day, and
of some vendors it is not known whether the end belongs to what they tell."""
SKU_CHARS_MAX: Final = 500


class Answers:
    """Reads the answers of one fetch; its errors name the vendor and the field."""

    def __init__(self, api: VendorApi) -> None:
        self._api = api

    def items(self, of: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        """A list of objects. Raises VendorUnavailable when it is anything else."""
        found = of.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._api.unreadable(f"{name!r} is no list of objects")
        return found

    def object(self, of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """An object, empty when there is none."""
        found = of.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self._api.unreadable(f"{name!r} is no object")
        return found

    def text(self, of: Mapping[str, Any], name: str) -> str:
        """A text, empty when there is none."""
        found = of.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self._api.unreadable(f"{name!r} is no text")
        return found.strip()[:SKU_CHARS_MAX]

    def texts(self, of: Mapping[str, Any], name: str) -> list[str]:
        """A list of texts, empty when there is none."""
        found = of.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._api.unreadable(f"{name!r} is no list of texts")
        return found

    def number(self, of: Mapping[str, Any], name: str) -> Number | None:
        """A number, exactly as written, also where it is written as a text; None when there is none."""
        found = of.get(name)
        if isinstance(found, str):
            try:
                found = Decimal(found)
            except ArithmeticError as error:
                raise self._api.unreadable(f"{name!r} is no number") from error
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise self._api.unreadable(f"{name!r} is no number")
        return found

    def instant(self, of: Mapping[str, Any], name: str) -> datetime:
        """Seconds since 1970, or an ISO date or instant; without a zone it is UTC."""
        found = of.get(name)
        try:
            if isinstance(found, str):
                at = datetime.fromisoformat(found)
                return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
            if isinstance(found, int | Decimal) and not isinstance(found, bool):
                return datetime.fromtimestamp(int(found), tz=UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise self._api.unreadable(f"{name!r} is no instant") from error
        raise self._api.unreadable(f"{name!r} is no instant")


class Window:
    """The days that are asked for and the days that are wanted."""

    def __init__(self, month: date, *, edge_days: int = 0) -> None:
        self.month = month.replace(day=1)
        self.next_month = next_month(self.month)
        self._edge = timedelta(days=edge_days)
        margin = timedelta(days=max(edge_days, EDGE_DAYS))
        self.start = self.month - margin
        self.end = self.next_month + margin

    @property
    def days(self) -> int:
        """How many days are asked for."""
        return (self.end - self.start).days

    def wants(self, day: date) -> bool:
        """Say whether a day's lines belong to the statement."""
        return self.month - self._edge <= day < self.next_month + self._edge

    def kept(self, lines: Sequence[VendorLine]) -> tuple[VendorLine, ...]:
        """Lines of the days that are wanted, in the order of their days."""
        wanted = [line for line in lines if line.day is None or self.wants(line.day)]
        return tuple(sorted(wanted, key=lambda line: (line.day or self.month, line.document)))


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def unix_s(day: date) -> int:
    """When a UTC day begins, in seconds since 1970."""
    return int(midnight(day).timestamp())


def bucket_note(starts: Sequence[datetime], window: Window) -> str | None:
    """What to tell of buckets in the month that do not begin at midnight; None when all do."""
    odd = sorted({start for start in starts if start != midnight(start.date()) and window.wants(start.date())})
    if not odd:
        return None
    return f"{len(odd)} buckets do not begin at midnight UTC, the first at {odd[0]:%Y-%m-%d %H:%M}: they were cut off"
