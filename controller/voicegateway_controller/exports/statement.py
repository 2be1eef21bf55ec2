"""A statement: what one project owes for one month, why, and how that compares with the month before."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.exports.lines import Line
from voicegateway_controller.exports.margins import Minimums
from voicegateway_controller.exports.markups.rules import Pricer
from voicegateway_controller.months import midnight, next_month

LINES_MAX: Final = 20_000
"""Lines of a statement: agents times models times meters. One that has more is still added up whole."""
CORRECTIONS_MAX: Final = 200
"""Corrections that are listed with their reason."""
TIMEOUT_S: Final = 60.0
Key = tuple[str, ...]


@dataclass(slots=True)
class Sums:
    """What belongs together; amounts in pico-dollars, prices exact."""

    quantity: int = 0
    billed: int = 0
    pico_usd: int = 0
    list_pico_usd: int = 0
    price: Fraction = Fraction(0)

    def add(self, line: Line, price: Fraction) -> None:
        """Add one line and its price."""
        self.quantity += line.quantity
        self.billed += line.billed
        self.pico_usd += line.pico_usd
        self.list_pico_usd += line.list_pico_usd
        self.price += price


@dataclass(slots=True)
class Folded:
    """A month's lines of one project, added up in every way that a statement shows."""

    lines: dict[Key, Sums] = field(default_factory=dict)
    """By agent, provider, model, modality, meter, kind and, for what came late, the month it belongs to."""
    total: Sums = field(default_factory=Sums)
    corrections: dict[str, Sums] = field(default_factory=dict)
    """By the id of the correction that wrote them."""
    minimums: dict[Key, Fraction] = field(default_factory=dict)

    def by(self, cut: Callable[[Key], Key]) -> dict[Key, Sums]:
        """Return the sums by a part of the lines' key."""
        found: dict[Key, Sums] = {}
        for key, sums in self.lines.items():
            into = found.setdefault(cut(key), Sums())
            into.quantity += sums.quantity
            into.billed += sums.billed
            into.pico_usd += sums.pico_usd
            into.list_pico_usd += sums.list_pico_usd
            into.price += sums.price
        return found

    @property
    def price(self) -> Fraction:
        """What all of it is charged at, minimums included."""
        return self.total.price + sum(self.minimums.values(), Fraction(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionFact:
    """Why entries were booked that are no usage."""

    id: str
    kind: str
    reason: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lines do not say."""

    requests: int
    estimated: int
    unrated: int
    closed_at: datetime | None
    corrections: list[CorrectionFact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Everything a statement shows; immutable."""

    project: str
    account: str
    month: date
    made_at: datetime
    current: Folded
    before: Folded
    facts: Facts
    is_priced: bool

    @property
    def is_closed(self) -> bool:
        """Say whether nothing can be added to this month any more."""
        return self.facts.closed_at is not None


async def fold(lines: AsyncIterator[Line], pricer: Pricer | None) -> Folded:
    """Add up lines; with a pricer also what they are charged at."""
    folded, minimums = Folded(), Minimums()
    async for line in lines:
        price = Fraction(0)
        if pricer is not None:
            charged = pricer.charge(line)
            price = charged.pico_usd
            minimums.add(line.project, charged.markup, price)
        late = "" if line.booked_in is None else f"{line.at:%Y-%m}"
        key = (line.agent, line.provider, line.model, line.modality, line.meter, line.kind, late)
        folded.lines.setdefault(key, Sums()).add(line, price)
        folded.total.add(line, price)
        if line.correction_id:
            folded.corrections.setdefault(line.correction_id, Sums()).add(line, price)
    folded.minimums = {(name,): missing for (_, name), missing in minimums.missing().items()}
    return folded


async def read_facts(connection: Connection, *, month: date, project: str, corrections: Iterable[str]) -> Facts:
    """Return how many requests a project had in a month, whether it is closed, and why corrections were booked."""
    counted = await connection.fetchrow(
        load_sql(__package__, "statement_counts"), midnight(month), midnight(next_month(month)), project,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    closed_at = await connection.fetchval("SELECT closed_at FROM ledger_close WHERE month = $1", month)
    rows = await connection.fetch(
        load_sql(__package__, "statement_corrections"),
        [UUID(each) for each in corrections][:CORRECTIONS_MAX],
        timeout=TIMEOUT_S,
    )
    return Facts(
        requests=counted["requests"] if counted else 0,
        estimated=counted["estimated"] if counted else 0,
        unrated=counted["unrated"] if counted else 0,
        closed_at=closed_at,
        corrections=[CorrectionFact(**dict(row)) for row in rows],
    )
