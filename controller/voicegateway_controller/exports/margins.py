"""Margins: what each project's models cost, what they are charged at, and where little is left."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from voicegateway_controller.exports.lines import Line
from voicegateway_controller.exports.markups.rules import Markup, Pricer

ROWS_MAX: Final = 10_000
"""Projects times models of a report; beyond that people want the FOCUS file."""
THIN_PERCENT: Final = 10


@dataclass(slots=True)
class MarginRow:
    """One project's model, or all of what is shown; amounts in exact pico-dollars."""

    project: str
    provider: str
    model: str
    cost: Fraction = Fraction(0)
    price: Fraction = Fraction(0)
    thin_percent: int = THIN_PERCENT

    @property
    def margin(self) -> Fraction:
        """What is left of the price."""
        return self.price - self.cost

    @property
    def margin_percent(self) -> Fraction | None:
        """The margin as a part of the price; None when nothing is charged."""
        return self.margin * 100 / self.price if self.price else None

    @property
    def is_thin(self) -> bool:
        """Say whether less is left than asked for, a loss included."""
        percent = self.margin_percent
        return self.margin < 0 if percent is None else percent < self.thin_percent


@dataclass(slots=True)
class Minimums:
    """What each project's rules have priced so far, and what they charge at least."""

    priced: dict[tuple[str, str], tuple[Markup, Fraction]] = field(default_factory=dict)

    def add(self, project: str, markup: Markup | None, price: Fraction) -> None:
        """Count what one rule priced of a project's month."""
        if markup is not None and markup.minimum_pico_usd:
            key = (project, markup.name)
            self.priced[key] = (markup, self.priced.get(key, (markup, Fraction(0)))[1] + price)

    def missing(self) -> dict[tuple[str, str], Fraction]:
        """Return what is charged on top, by project and rule, where less was priced than the minimum."""
        return {
            key: markup.minimum_pico_usd - price
            for key, (markup, price) in sorted(self.priced.items())
            if price < markup.minimum_pico_usd
        }


@dataclass(frozen=True, slots=True)
class Margins:
    """The report: rows by project and what costs most, then all of it."""

    rows: list[MarginRow]
    total: MarginRow
    is_cut: bool
    """There were more than ROWS_MAX rows: the total still counts them all."""


async def margins_of(lines: AsyncIterator[Line], pricer: Pricer, *, thin_percent: int) -> Margins:
    """Add up a month's lines. What is charged as a minimum stands in a row of its own, without a model."""
    rows: dict[tuple[str, str, str], MarginRow] = {}
    total = MarginRow("", "", "", thin_percent=thin_percent)
    minimums = Minimums()

    def add(key: tuple[str, str, str], cost: Fraction, price: Fraction) -> None:
        row = rows.get(key) or rows.setdefault(key, MarginRow(*key, thin_percent=thin_percent))
        for each in (row, total):
            each.cost += cost
            each.price += price

    async for line in lines:
        charged = pricer.charge(line)
        minimums.add(line.project, charged.markup, charged.pico_usd)
        add((line.project, line.provider, line.model), Fraction(line.pico_usd), charged.pico_usd)
    for (project, name), missing in minimums.missing().items():
        add((project, "", f"minimum: {name}"), Fraction(0), missing)
    found = sorted(rows.values(), key=lambda row: (row.project, -row.price, row.provider, row.model))
    return Margins(found[:ROWS_MAX], total, is_cut=len(found) > ROWS_MAX)
