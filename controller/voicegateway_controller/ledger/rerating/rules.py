"""What re-rating changes: the difference between what is booked of a request and what a catalogue says. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, Literal

from voicegateway_controller.ledger.rules import (
    HOUR_US,
    REQUESTS_METER,
    HourSums,
    Posting,
    SessionSums,
    SpanFacts,
    lines_of,
)
from voicegateway_shared.pricing import Catalog, RatedLine

DAY_US: Final = 24 * HOUR_US
_EPOCH_DAY: Final = date(1970, 1, 1)

Verdict = Literal["same", "changed", "without_span", "kept", "failed"]
"""What came of one request. `kept`: it would have lost its price. `failed`: its rating raises."""


@dataclass(slots=True)
class Held:
    """What is booked of one meter: the sums of its rating and re-ratings, the price and the reason of the newest."""

    quantity: int = 0
    billed: int = 0
    pico_usd: int = 0
    list_pico_usd: int = 0
    price_id: str | None = None
    reason: str | None = None
    revision: int = -1

    @property
    def sums(self) -> tuple[int, int, int, int]:
        """Quantity, billed quantity, amount and list amount."""
        return self.quantity, self.billed, self.pico_usd, self.list_pico_usd


@dataclass(slots=True)
class Booked:
    """One request as the books have it."""

    request_id: str
    meters: dict[str, Held] = field(default_factory=dict)

    @property
    def is_unrated(self) -> bool:
        """Whether any of its meters has no price."""
        return any(held.reason is not None for held in self.meters.values())


@dataclass(slots=True)
class Change:
    """What a run changes of one (day, provider, model, meter)."""

    requests: int = 0
    before_pico_usd: int = 0
    after_pico_usd: int = 0


ChangeKey = tuple[date, str, str, str]


@dataclass(slots=True)
class Corrections:
    """What one batch of requests comes to; filled by `correct`, then only read."""

    posting: Posting = field(default_factory=Posting)
    changes: dict[ChangeKey, Change] = field(default_factory=dict)
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    still_unrated: int = 0

    @property
    def before_pico_usd(self) -> int:
        """What the changed meters cost until now."""
        return sum(change.before_pico_usd for change in self.changes.values())

    @property
    def after_pico_usd(self) -> int:
        """What they cost from now on."""
        return sum(change.after_pico_usd for change in self.changes.values())


def booked_requests(rows: Iterable[Iterable[Any]]) -> list[Booked]:
    """Return the requests of some entries: id, meter, revision, quantities, amounts, price, reason."""
    found: dict[str, Booked] = {}
    for request_id, meter, revision, quantity, billed, amount, list_amount, price_id, reason in rows:
        booked = found.get(request_id)
        if booked is None:
            booked = found[request_id] = Booked(request_id)
        held = booked.meters.get(meter)
        if held is None:
            held = booked.meters[meter] = Held()
        held.quantity += quantity
        held.billed += billed
        held.pico_usd += _pico(amount)
        held.list_pico_usd += _pico(list_amount)
        if revision > held.revision:
            held.revision, held.price_id, held.reason = revision, price_id, reason
    return list(found.values())


def correct(
    requests: Iterable[Booked], spans: Mapping[str, SpanFacts], catalog: Catalog, *, may_lose_price: bool
) -> Corrections:
    """Rate the requests anew and return what must be booked so that the books say what the catalogue says.

    Whatever is right already changes nothing. A request that had a price and would have none keeps what it has,
    unless `may_lose_price`.
    """
    made = Corrections()
    for booked in requests:
        verdict = _correct(booked, spans.get(booked.request_id), catalog, made, may_lose_price=may_lose_price)
        made.verdicts[verdict] = made.verdicts.get(verdict, 0) + 1
    return made


def _correct(
    booked: Booked, span: SpanFacts | None, catalog: Catalog, made: Corrections, *, may_lose_price: bool
) -> Verdict:
    was_unrated = booked.is_unrated
    if span is None:
        made.still_unrated += was_unrated
        return "without_span"
    lines = lines_of(span, catalog)
    if lines is None:
        made.still_unrated += was_unrated
        return "failed"
    target = {line.meter: _held(line) for line in lines}
    if not may_lose_price and _loses_price(booked.meters, target):
        made.still_unrated += was_unrated
        return "kept"
    is_unrated = any(held.reason is not None for held in target.values())
    made.still_unrated += is_unrated
    nothing = Held()
    is_changed = False
    for meter in booked.meters | target:
        before, after = booked.meters.get(meter, nothing), target.get(meter, nothing)
        # Another id of a price that gives the same amounts is no change of the books.
        if before.sums != after.sums or before.reason != after.reason:
            _book(span, meter, before, after, made)
            is_changed = True
    if not is_changed:
        return "same"
    if was_unrated != is_unrated:
        _hour(span, made.posting).meters[REQUESTS_METER][5] += is_unrated - was_unrated
    _session(span, made.posting).unrated += is_unrated - was_unrated
    return "changed"


def _loses_price(booked: Mapping[str, Held], target: Mapping[str, Held]) -> bool:
    """Say whether a meter that had a price has none now, and something of the request is unrated instead."""
    if all(held.reason is None for held in target.values()):
        return False
    return any(
        held.reason is None and held.price_id is not None and (meter not in target or target[meter].reason is not None)
        for meter, held in booked.items()
    )


def _book(span: SpanFacts, meter: str, before: Held, after: Held, made: Corrections) -> None:
    """Add the entry that leads from one to the other, and its part of the sums. Its facts are those of the original."""
    quantity, billed, amount, list_amount = (new - old for old, new in zip(before.sums, after.sums, strict=True))
    made.posting.entries.append(
        (
            meter, str(quantity), str(billed), f"{amount}e-12", f"{list_amount}e-12", after.price_id or "",
            after.reason or "", span.day, span.request_id, span.project, span.session_id, span.agent,
            span.provider, span.model, span.modality, "t" if span.estimated else "f", str(span.charged_us),
            span.key_id, span.response_id, span.incarnation,
        )
    )  # fmt: skip
    sums = _hour(span, made.posting).meters.setdefault(meter, [0, 0, 0, 0, 0, 0])
    sums[1] += quantity
    sums[2] += billed
    sums[3] += amount
    if meter != REQUESTS_METER:
        sums[5] += (after.reason is not None) - (before.reason is not None)
    _session(span, made.posting).pico_usd += amount
    key = (_day(span.charged_us), span.provider, span.model, meter)
    change = made.changes.get(key)
    if change is None:
        change = made.changes[key] = Change()
    change.requests += 1
    change.before_pico_usd += before.pico_usd
    change.after_pico_usd += after.pico_usd


def _hour(span: SpanFacts, posting: Posting) -> HourSums:
    start_us = span.charged_us - span.charged_us % HOUR_US
    key = (start_us, span.project, span.agent, span.provider, span.model, span.modality)
    hour = posting.hours.get(key)
    if hour is None:
        hour = posting.hours[key] = HourSums(meters={REQUESTS_METER: [0, 0, 0, 0, 0, 0]})
    return hour


def _session(span: SpanFacts, posting: Posting) -> SessionSums:
    """Return the session's sums; a throw-away where the request has none."""
    at_us = span.charged_us
    # Its row exists since the request was rated: an instant inside of it leaves its first and last as they are.
    fresh = SessionSums(span.agent, "", at_us, at_us)
    if not span.session_id:
        return fresh
    sums = posting.sessions.setdefault((span.session_id, span.project), fresh)
    sums.first_us = min(sums.first_us, at_us)
    sums.last_us = max(sums.last_us, at_us)
    return sums


def _held(line: RatedLine) -> Held:
    return Held(
        line.quantity,
        line.billed_quantity,
        line.amount_pico_usd,
        line.list_amount_pico_usd,
        line.price_id,
        line.unrated_reason,
    )


def _day(charged_us: int) -> date:
    return _EPOCH_DAY + timedelta(days=charged_us // DAY_US)


def _pico(amount: str) -> int:
    """Read an amount as Postgres writes it: with all of its twelve decimals."""
    return int(amount.replace(".", ""))
