"""A call's requests and legs along its time, out of what `GET /api/v1/sessions/{id}` answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One request, or one leg, of a call."""

    id: str
    """The request's id; empty for a leg that is not in the books yet."""
    part: str
    model: str
    """`provider/model`."""
    starts_ms: int | None
    """Into the call; None when only its entries are left, or nobody knows when the call began."""
    lasts_ms: int | None
    """None as long as it goes on, and where its start is not known."""
    outcome: str
    amount_usd: Decimal
    quantities: Mapping[str, int]
    """Used of each meter, in the meter's base unit."""
    notes: tuple[str, ...]
    is_booked: bool


def moments(session: Mapping[str, Any]) -> list[Moment]:
    """Return all of a call in the order in which it began; what has no beginning stands last."""
    start = _instant(session["started_at"])
    found = [_booked(item, start) for item in session["items"]]
    found += [_open(leg, start) for leg in session["open_legs"]]
    return sorted(found, key=lambda each: (each.starts_ms is None, each.starts_ms or 0))


def lasts_ms(session: Mapping[str, Any]) -> int | None:
    """Return how long the call lasted, or has been lasting by what is known of it; None when nobody knows."""
    start, end = _instant(session["started_at"]), _instant(session["ended_at"])
    if start is None:
        return None
    ends = [] if end is None else [_ms(start, end)]
    ends += [each.starts_ms + (each.lasts_ms or 0) for each in moments(session) if each.starts_ms is not None]
    return max(ends, default=None)


def _booked(item: Mapping[str, Any], start: datetime | None) -> Moment:
    quantities: dict[str, int] = {}
    for line in item["lines"]:
        # What corrects an entry repeats its meter; what was used is told by the usage alone.
        if line["kind"] == "usage":
            quantities[line["meter"]] = quantities.get(line["meter"], 0) + line["quantity"]
    marks = [name for name in ("estimated", "unrated", "corrected") if item[f"is_{name}"]]
    reasons = sorted({line["unrated_reason"] for line in item["lines"] if line["unrated_reason"]})
    began, ended = _instant(item["started_at"]), _instant(item["ended_at"])
    return Moment(
        id=item["request_id"],
        part=item["part"],
        model=f"{item['provider']}/{item['model']}",
        starts_ms=None if start is None or began is None else _ms(start, began),
        lasts_ms=None if began is None or ended is None else _ms(began, ended),
        outcome=item["outcome"],
        amount_usd=Decimal(item["amount_usd"]),
        quantities=quantities,
        notes=(*([item["direction"]] if item["direction"] else []), *marks, *(reasons if item["is_unrated"] else ())),
        is_booked=True,
    )


def _open(leg: Mapping[str, Any], start: datetime | None) -> Moment:
    began = _instant(leg["started_at"])
    return Moment(
        id="",
        part=leg["part"],
        model=f"{leg['provider']}/{leg['model']}",
        starts_ms=None if start is None or began is None else _ms(start, began),
        lasts_ms=None if leg["ended_at"] is None else leg["duration_ms"],
        outcome="open" if leg["ended_at"] is None else "ok",
        amount_usd=Decimal(leg["amount_usd"]),
        quantities={"duration_ms": leg["duration_ms"]},
        notes=(("so far" if leg["ended_at"] is None else "not in the books yet"),)
        + (("unrated",) if leg["is_unrated"] else ()),
        is_booked=False,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _ms(start: datetime, end: datetime) -> int:
    """Milliseconds between two instants; clocks of two machines may say that what came after was before."""
    return max(0, round((end - start).total_seconds() * 1000))
