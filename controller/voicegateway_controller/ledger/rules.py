"""Spans to entries and rollup increments: pure. Quantities and amounts are whole numbers throughout."""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import log2
from typing import Any, Final

import msgspec

from voicegateway_shared.pricing import Catalog, RatedLine, RatingRequest, rate
from voicegateway_shared.telemetry.attributes import MODE
from voicegateway_shared.usage import METERS

REQUESTS_METER: Final = "requests"
"""Every request counts once under this meter, whatever else it used: the row that distinct requests are read from."""
POISON_REASON: Final = "rating_failed"
HOUR_US: Final = 3_600_000_000
QUANTITY_MAX: Final = 2**63 - 1
LATENCY_BUCKETS_PER_DOUBLING: Final = 8
"""A bucket is 9 % wide, so a percentile read from its middle is wrong by at most 4.5 %."""

_fields: Final = operator.attrgetter(
    "meter",
    "quantity",
    "billed_quantity",
    "amount_pico_usd",
    "list_amount_pico_usd",
    "price_id",
    "unrated_reason",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONTEXT_PREFIX: Final = MODE.removesuffix("mode")
_decode_usage: Final = msgspec.json.Decoder(dict[str, int]).decode
_decode_attributes: Final = msgspec.json.Decoder(dict[str, Any]).decode


# A msgspec struct: a frozen dataclass of this size costs 4 µs to make.
class SpanFacts(msgspec.Struct, frozen=True):
    """What the ledger needs of one span, all as the inbox's query returns it; instants in µs since 1970."""

    day: str
    request_id: str
    project: str
    session_id: str
    agent: str
    room: str
    provider: str
    model: str
    modality: str
    outcome: str
    estimated: bool
    ttfb_ms: int | None
    started_us: int
    ended_us: int
    charged_us: int
    key_id: str
    response_id: str
    incarnation: str
    language: str
    voice: str
    mode: str
    service_tier: str
    usage: str
    attributes: str | None
    attempts: int = 1
    reported: str | None = None
    """What others counted: see `validation`."""


@dataclass(slots=True)
class HourSums:
    """Increments of one (hour, project, agent, provider, model, modality)."""

    meters: dict[str, list[int]] = field(default_factory=dict)
    """Meter: requests, quantity, billed quantity, pico-USD, estimated requests, unrated requests."""
    latency: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class SessionSums:
    """Increments of one (session, project)."""

    agent: str
    room: str
    first_us: int
    last_us: int
    requests: int = 0
    errors: int = 0
    estimated: int = 0
    unrated: int = 0
    pico_usd: int = 0


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A span whose rating raised."""

    request_id: str
    reason: str
    body: bytes


ENTRY_COLUMNS: Final = (
    "meter", "quantity", "billed_quantity", "amount", "list_amount", "price_id", "unrated_reason", "day", "request_id",
    "project", "session_id", "agent", "provider", "model", "modality", "estimated", "charged_us", "key_id",
    "response_id", "incarnation",
)  # fmt: skip
HourKey = tuple[int, str, str, str, str, str]


@dataclass(slots=True)
class Posting:
    """Everything one batch adds to the books; filled by `post`, then only read."""

    entries: list[tuple[str, ...]] = field(default_factory=list)
    """One text per column of ENTRY_COLUMNS."""
    hours: dict[HourKey, HourSums] = field(default_factory=dict)
    sessions: dict[tuple[str, str], SessionSums] = field(default_factory=dict)
    poisoned: list[Poisoned] = field(default_factory=list)
    spans: int = 0
    unrated: int = 0


def post(spans: Iterable[SpanFacts], catalog: Catalog, *, is_rating_trusted: bool = True) -> Posting:
    """Rate the spans and add them up.

    With `is_rating_trusted=False` nothing is rated: every span is poisoned, kept as an unrated entry, and set
    aside with a reason. The caller does that to the one span that the database refused to take.
    """
    posting = Posting()
    for span in spans:
        lines = _lines(span, catalog, posting) if is_rating_trusted else _poison(span, "refused by Postgres", posting)
        _add(span, lines, posting)
    return posting


def lines_of(span: SpanFacts, catalog: Catalog) -> Sequence[RatedLine] | None:
    """Return what this catalogue makes of a span, at least one line; None when its rating raises."""
    aside = Posting()
    lines = _lines(span, catalog, aside)
    return None if aside.poisoned else lines


def latency_bucket(ttfb_ms: int) -> int:
    """Return floor(log2(ms) * 8); anything below one millisecond counts as one."""
    return int(log2(ttfb_ms) * LATENCY_BUCKETS_PER_DOUBLING) if ttfb_ms > 1 else 0


def bucket_middle_ms(bucket: int) -> int:
    """Return the geometric middle of a latency bucket, in whole milliseconds."""
    middle: float = 2.0 ** ((bucket + 0.5) / LATENCY_BUCKETS_PER_DOUBLING)
    return round(middle)


def _lines(span: SpanFacts, catalog: Catalog, posting: Posting) -> Sequence[RatedLine]:
    """Return the rated lines of a span, at least one; an unexpected error poisons this span and no other."""
    try:
        usage = _decode_usage(span.usage)
        request = RatingRequest(
            provider=span.provider,
            model=span.model,
            modality=span.modality,
            at=_EPOCH + timedelta(microseconds=span.charged_us),
            usage=usage,
            context=_context(span),
            is_failed=_is_free(span),
            project=span.project,
            account=span.key_id,
        )
        lines = rate(request, catalog).lines
    # The one place where anything may be caught: whatever a span does to rating, the others must go through.
    except Exception as error:  # noqa: BLE001
        return _poison(span, f"{type(error).__name__}: {error}", posting)
    if lines:
        return lines
    return (RatedLine(REQUESTS_METER, usage.get(REQUESTS_METER, 1), 0, 0, 0, None, None),)


def _is_free(span: SpanFacts) -> bool:
    """Say whether no usage means nothing used: a failure, or an end before the vendor was asked.

    The shim estimates whatever a vendor began and never told, so without an estimate a cancelled request was never
    sent. One whose process died before anything was counted had just begun; it stays flagged as estimated.
    """
    return span.outcome in ("error", "interrupted") or (span.outcome == "cancelled" and not span.estimated)


def _context(span: SpanFacts) -> dict[str, str]:
    context = {
        "mode": span.mode,
        "language": span.language,
        "voice": span.voice,
        "service_tier": span.service_tier,
    }
    if span.attributes is not None:
        # voicegateway.request.channels and the like: circumstances of a price that have no column of their own.
        for key, value in _decode_attributes(span.attributes).items():
            if key.startswith(_CONTEXT_PREFIX):
                context.setdefault(key.removeprefix(_CONTEXT_PREFIX), str(value))
    return context


def _poison(span: SpanFacts, reason: str, posting: Posting) -> Sequence[RatedLine]:
    body = msgspec.json.encode({name: getattr(span, name) for name in SpanFacts.__struct_fields__})
    posting.poisoned.append(Poisoned(span.request_id, reason, body))
    lines: list[Any] = []
    try:
        for meter, quantity in _decode_usage(span.usage).items():
            if meter in METERS and 0 <= quantity <= QUANTITY_MAX and meter != REQUESTS_METER:
                lines.append(RatedLine(meter, quantity, 0, 0, 0, None, POISON_REASON))  # type: ignore[arg-type]
    except msgspec.DecodeError:
        # Not even its usage can be read: the line below still keeps the request visible.
        lines.clear()
    return lines or [RatedLine(REQUESTS_METER, 1, 0, 0, 0, None, POISON_REASON)]  # type: ignore[arg-type]


def _add(span: SpanFacts, lines: Sequence[RatedLine], posting: Posting) -> None:
    """Add one span: its entries, and its part of the sums."""
    estimated = 1 if span.estimated else 0
    facts = (
        span.day, span.request_id, span.project, span.session_id, span.agent, span.provider, span.model, span.modality,
        "t" if estimated else "f", str(span.charged_us), span.key_id, span.response_id, span.incarnation,
    )  # fmt: skip
    hour = _hour(span, posting)
    pico_usd = unrated = 0
    for meter, quantity, billed, amount, list_amount, price_id, reason in map(_fields, lines):
        posting.entries.append(
            (
                meter,
                str(quantity),
                str(billed),
                f"{amount}e-12",
                f"{list_amount}e-12",
                price_id or "",
                reason or "",
                *facts,
            )
        )
        pico_usd += amount
        is_unrated = 0 if reason is None else 1
        unrated |= is_unrated
        sums = hour.meters.get(meter)
        if sums is None:
            sums = hour.meters[meter] = [0, 0, 0, 0, 0, 0]
        sums[1] += quantity
        sums[2] += billed
        sums[3] += amount
        if meter != REQUESTS_METER:
            sums[0] += 1
            sums[4] += estimated
            sums[5] += is_unrated
    # Of the request as a whole, whatever lines it has.
    sums = hour.meters[REQUESTS_METER]
    sums[0] += 1
    sums[4] += estimated
    sums[5] += unrated
    if span.ttfb_ms is not None:
        bucket = latency_bucket(span.ttfb_ms)
        hour.latency[bucket] = hour.latency.get(bucket, 0) + 1
    if span.session_id:
        _add_to_session(span, posting, pico_usd=pico_usd, estimated=estimated, unrated=unrated)
    posting.spans += 1
    posting.unrated += unrated


def _hour(span: SpanFacts, posting: Posting) -> HourSums:
    charged_us = span.charged_us
    key = (charged_us - charged_us % HOUR_US, span.project, span.agent, span.provider, span.model, span.modality)
    hour = posting.hours.get(key)
    if hour is None:
        hour = posting.hours[key] = HourSums(meters={REQUESTS_METER: [0, 0, 0, 0, 0, 0]})
    return hour


def _add_to_session(span: SpanFacts, posting: Posting, *, pico_usd: int, estimated: int, unrated: int) -> None:
    key = (span.session_id, span.project)
    sums = posting.sessions.get(key)
    if sums is None:
        sums = posting.sessions[key] = SessionSums(span.agent, span.room, span.started_us, span.ended_us)
    else:
        sums.first_us = min(sums.first_us, span.started_us)
        sums.last_us = max(sums.last_us, span.ended_us)
    sums.requests += 1
    sums.errors += span.outcome == "error"
    sums.estimated += estimated
    sums.unrated += unrated
    sums.pico_usd += pico_usd
