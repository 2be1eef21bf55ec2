"""What recording a price does to those that hold: closes, splits, replaces or conflicts. Pure; nothing is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from voicegateway_controller.catalog.store import NewRecord, StoredRecord
from voicegateway_controller.errors import Conflict

Action = Literal["added", "closed", "split", "replaced", "withdrawn", "reopened", "verified", "unchanged"]
_IN_KEY: Final = ("model", "modality", "meter", "when")
_NO_PRICE: Final = ("confidence", "note", "aliases")
"""Parts of a row that decide no amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One record to add, and what it does; `unchanged` ones are told and not added."""

    action: Action
    record: NewRecord
    content: Mapping[str, Any]
    before_amount: str | None = None


class Changing:
    """The records in force while a change is planned; lives for one change."""

    def __init__(self, held: Iterable[StoredRecord]) -> None:
        self.steps: list[Step] = []
        self._held: dict[tuple[object, ...], list[StoredRecord]] = {}
        for record in held:
            self._held.setdefault(_spot(record, record.content), []).append(record)

    def put(
        self, new: NewRecord, content: Mapping[str, Any], *, is_replacing: bool, before_amount: str | None = None
    ) -> None:
        """Plan a record and whatever it does to those it overlaps; Conflict when a person must decide."""
        beside = self._held.get(_spot(new, content), [])
        overlapped = [each for each in beside if _overlap(each, new)]
        if any(is_same(each.content, content) and _covers(each, new) for each in overlapped):
            self.steps.append(Step(action="unchanged", record=new, content=content))
            return
        supersedes: int | None = None
        for each in overlapped:
            before_amount = before_amount or _amount(each.content)
            inside = not _starts_before(each, new)
            if inside and each.effective_from != new.effective_from and not is_replacing:
                raise Conflict(_conflict(each, new))
            pieces = list(_outside(each, new))
            for index, (start, end) in enumerate(pieces):
                action: Action = "closed" if index == 0 and not inside else "split"
                self._restate(each, action, start, end, supersedes=each.id if index == 0 else None)
            if not pieces and supersedes is None:
                supersedes = each.id
            elif not pieces:
                self._withdraw(each)
            beside.remove(each)
        if supersedes is not None:
            new = msgspec.structs.replace(new, supersedes=supersedes)
        action = "replaced" if supersedes is not None else "added"
        self.steps.append(Step(action=action, record=new, content=content, before_amount=before_amount))

    def withdraw(self, record: StoredRecord, *, origin: StoredRecord, earlier: Mapping[int, StoredRecord]) -> None:
        """Plan that a record no longer holds, and that what it had closed or replaced holds again in its window.

        `origin` is the record as it was set first; `earlier` has those that were superseded.
        """
        closed = next(
            (
                each
                for each in self._held.get(_spot(record, record.content), ())
                if each.change == origin.change
                and each.supersedes in earlier
                and each.effective_to is not None
                and each.effective_to == record.effective_from
            ),
            None,
        )
        self._withdraw(record)
        if closed is not None and closed.supersedes is not None:
            end = _earliest(earlier[closed.supersedes].effective_to, record.effective_to)
            self._restate(closed, "reopened", closed.effective_from, end, supersedes=closed.id)
            return
        replaced = earlier.get(origin.supersedes) if origin.supersedes is not None else None
        if replaced is not None and not is_same(replaced.content, record.content):
            start = _latest(replaced.effective_from, record.effective_from)
            self._restate(
                replaced, "reopened", start, _earliest(replaced.effective_to, record.effective_to), supersedes=None
            )

    def _restate(
        self,
        record: StoredRecord,
        action: Action,
        start: datetime | None,
        end: datetime | None,
        *,
        supersedes: int | None,
    ) -> None:
        new = NewRecord(
            kind=record.kind,
            provider=record.provider,
            layer=record.layer,
            scope=record.scope,
            content=msgspec.json.encode(record.content).decode(),
            price_id=record.price_id,
            effective_from=start,
            effective_to=end,
            source_url=record.source_url,
            source_via=record.source_via,
            verified_on=record.verified_on,
            confidence=record.confidence,
            supersedes=supersedes,
        )
        self.steps.append(Step(action=action, record=new, content=record.content))

    def _withdraw(self, record: StoredRecord) -> None:
        new = NewRecord(
            kind="withdrawal",
            provider=record.provider,
            layer=record.layer,
            scope=record.scope,
            content="{}",
            price_id=record.price_id,
            supersedes=record.id,
        )
        self.steps.append(Step(action="withdrawn", record=new, content=record.content))


def _spot(record: StoredRecord | NewRecord, content: Mapping[str, Any]) -> tuple[object, ...]:
    return (record.kind, record.provider, record.layer, record.scope, place(record.kind, content))


def place(kind: str, content: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a record is about: two of one layer, one place and one instant contradict each other."""
    if kind == "plan":
        return ()
    if kind == "credit_price":
        return (content.get("plan"),)
    when = dict(content.get("when") or {})
    credit = content.get("credit_price")
    if isinstance(credit, Mapping):
        when["plan"] = credit.get("plan")
    return (*(content.get(key, "") for key in _IN_KEY[:3]), tuple(sorted(when.items())))


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows price alike, whatever else they say."""
    return _priced(one) == _priced(other)


def amount_of(content: Mapping[str, Any]) -> str | None:
    """Return the amount of a row, whatever unit it is in."""
    return _amount(content)


def _priced(content: Mapping[str, Any]) -> object:
    return msgspec.json.encode(
        {key: value for key, value in content.items() if key not in _NO_PRICE and value not in ({}, [], None)},
        order="deterministic",
    )


def _amount(content: Mapping[str, Any]) -> str | None:
    for key in ("amount", "credits", "multiplier", "plan"):
        if key in content:
            return str(content[key])
    return None


_Windowed = StoredRecord | NewRecord


def _overlap(one: _Windowed, other: _Windowed) -> bool:
    return _is_before(one.effective_from, other.effective_to) and _is_before(other.effective_from, one.effective_to)


def _is_before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end


def _covers(one: _Windowed, other: _Windowed) -> bool:
    starts = one.effective_from is None or (
        other.effective_from is not None and one.effective_from <= other.effective_from
    )
    return starts and (
        one.effective_to is None or (other.effective_to is not None and other.effective_to <= one.effective_to)
    )


def _starts_before(one: _Windowed, other: _Windowed) -> bool:
    return other.effective_from is not None and (
        one.effective_from is None or one.effective_from < other.effective_from
    )


def _outside(one: _Windowed, other: _Windowed) -> Iterable[tuple[datetime | None, datetime | None]]:
    """The pieces of one window that are outside of another."""
    if _starts_before(one, other):
        yield one.effective_from, other.effective_from
    if other.effective_to is not None and (one.effective_to is None or other.effective_to < one.effective_to):
        yield other.effective_to, one.effective_to


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _conflict(held: StoredRecord, new: NewRecord) -> str:
    start = held.effective_from.isoformat() if held.effective_from is not None else "ever"
    return (
        f"{_amount(held.content)} is recorded from {start} on (record {held.id}), within the window of the new one: "
        f"end the new one there (effective_to), withdraw record {held.id}, or replace it (is_replacing)"
    )
