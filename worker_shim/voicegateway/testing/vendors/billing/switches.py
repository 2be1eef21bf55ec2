"""Switches of the billing simulators: traps are how a right bill is told, faults are what makes a bill wrong."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeVar

import msgspec

from voicegateway_shared.money import parse_usd
from voicegateway_shared.usage import METERS

ChargeCategory = Literal["usage", "credit", "tax", "purchase", "minimum", "rounding"]

DATED_MODELS: Final[Mapping[str, str]] = {
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4o-mini-tts": "gpt-4o-mini-tts-2025-03-20",
    "gpt-realtime": "gpt-realtime-2025-08-28",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "sonic-3": "sonic-3-2026-01-12",
}
"""Snapshots behind names: what a bill may say where a request named the alias."""


class BillingTraps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ways in which a vendor tells the truth that a reader must bear; all off, the answer is plain.

    Counts (`rate_limited`, `server_errors`, `invalid_json`) are of the first requests after the switches were set.
    """

    page_size: int | None = None
    """Buckets a page at most, whatever `limit` asks for."""
    null_every: int = 0
    """About every nth request has no key and no project, even where they are asked for."""
    omits_empty_buckets: bool = False
    """Days without use are left out; OpenAI and Anthropic send them with no results."""
    restated_days: int = 0
    """The first fetch of a query leaves out about a third of the requests of the last n days; the next has them."""
    lag: timedelta = timedelta()
    """What happened within this time is not told yet."""
    float_noise: bool = False
    """Sums of money as a sum of binary fractions: 0.1 + 0.2 is 0.30000000000000004. OpenAI, Deepgram, ElevenLabs."""
    missing_dollars: bool = False
    """Deepgram's enterprise contracts: results without `dollars`."""
    rate_limited: int = 0
    """Requests that get 429."""
    retry_after_s: int = 0
    """What `Retry-After` says then."""
    server_errors: int = 0
    """Requests that get 500."""
    invalid_json: int = 0
    """Answers cut off in the middle of their JSON."""
    slow_s: float = 0.0
    """How long the first answer takes."""
    truncated_first_bucket: bool = False
    """The first bucket of a query begins at noon, and lacks the morning. OpenAI and Anthropic."""
    aliases: Mapping[str, str] = {}
    """Models that the bill calls otherwise."""
    dated_models: bool = False
    """The bill names the snapshots of `DATED_MODELS`."""
    has_web_search: bool = False
    """A line that no request of ours explains, on the third day of each month with use. OpenAI and Anthropic."""
    has_console_use: bool = False
    """Somebody tried a prompt by hand, without a key, on the third day: OpenAI and Anthropic."""
    is_end_inclusive: bool = False
    """Deepgram: `end` is part of the answer."""
    shuffles_columns: bool = False
    """ElevenLabs: columns in another order each time."""

    def model(self, name: str) -> str:
        """Return what the bill calls a model."""
        return self.aliases.get(name) or (DATED_MODELS.get(name, name) if self.dated_models else name)


class PriceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From an instant on, the vendor charges `factor` times the list price of a model, or of one meter of it."""

    model: str
    factor: str
    """A decimal, such as `1.1`."""
    starts_at: datetime
    meter: str = ""
    """Empty for all meters."""

    def __post_init__(self) -> None:
        _check_zone(self.starts_at, "starts_at")
        _check_decimal(self.factor, "factor")


class ExtraLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line that only the vendor has: a credit, a fee, a model that nobody here knows."""

    vendor: str
    at: datetime
    amount_usd: str
    sku: str = ""
    """The vendor's words for it; empty to spell it as a use of `model`."""
    model: str = ""
    modality: str = "llm"
    meter: str = ""
    quantity: int = 0
    category: ChargeCategory = "usage"
    key: str = ""
    """The presented key that made it, if one did."""

    def __post_init__(self) -> None:
        _check_zone(self.at, "at")
        parse_usd(self.amount_usd)
        if self.meter and self.meter not in METERS:
            raise ValueError(f"meter: {self.meter!r} is not one of ours")


class BillingFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ways in which a vendor's bill differs from the list price of what was used; all off, it is exact."""

    price_changes: tuple[PriceChange, ...] = ()
    doubled_requests: int = 0
    """Requests, spread over time, that are charged twice."""
    doubled_lines: int = 0
    """Whole lines (a day, a model, a meter, a key), spread over time, that are there twice, alike in everything."""
    forgotten_requests: int = 0
    """Requests, spread over time, that are not charged."""
    extra_lines: tuple[ExtraLine, ...] = ()
    minimum_ms: Mapping[str, int] = {}
    """By model: no request is charged for less time than this."""
    round_up_ms: Mapping[str, int] = {}
    """By model: each request's time is rounded up to a whole number of these."""
    credit_usd: str = ""
    """A credit, such as a free tier's, on the last day of each month with use, and never more than that."""
    tax_percent: str = ""
    """Tax on each month's charges, credits taken off, on its last day."""
    zone_hours: int = 0
    """The vendor's day begins so many hours before UTC's: use near midnight is on the neighbouring day."""
    bills_unbilled: bool = False
    """Charges what was cancelled or broke off before it was to be charged."""
    rounds_to_cents: bool = False
    """Each line told is rounded to whole cents, halves away from zero."""

    def __post_init__(self) -> None:
        if self.credit_usd:
            parse_usd(self.credit_usd)
        if self.tax_percent:
            _check_decimal(self.tax_percent, "tax_percent")


Switches = TypeVar("Switches", BillingTraps, BillingFaults)


def read_traps(text: str) -> BillingTraps:
    """Read traps from JSON. Raises ValueError that says what is wrong with it."""
    return _read(text, BillingTraps)


def read_faults(text: str) -> BillingFaults:
    """Read faults from JSON. Raises ValueError that says what is wrong with it."""
    return _read(text, BillingFaults)


def _read(text: str, kind: type[Switches]) -> Switches:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"not {kind.__name__} as JSON: {error}") from error


def _check_zone(at: datetime, name: str) -> None:
    if at.tzinfo is None:
        raise ValueError(f"{name} needs a zone, such as 2026-11-05T00:00:00Z")


def _check_decimal(text: str, name: str) -> None:
    try:
        is_number = Decimal(text).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        raise ValueError(f"{name} must be a plain decimal such as '1.1', not {text!r}")
