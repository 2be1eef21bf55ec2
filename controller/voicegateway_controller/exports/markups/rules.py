"""What a line of the books is charged at: the most particular markup that holds on its day. Pure and exact."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date
from fractions import Fraction
from typing import Final

from voicegateway_controller.exports.lines import Line
from voicegateway_shared.money import divide_half_even, format_usd

AT_COST: Final = frozenset({"tax"})
"""Kinds that are passed on as they are: nobody earns on a tax."""
CHOICES_MAX: Final = 16_384
"""Remembered choices; a month has some thousands of different lines a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """One rule; immutable. Empty texts hold for all. It has either a percentage or a price per base unit."""

    name: str
    project: str = ""
    provider: str = ""
    model: str = ""
    modality: str = ""
    meter: str = ""
    percent: Fraction | None = None
    pico_usd_per_base: Fraction | None = None
    minimum_pico_usd: int = 0
    """The least that a project pays in a month in which this rule priced anything of it."""
    since: date | None = None
    until: date | None = None
    """The first day on which it does not hold any more, UTC."""

    @property
    def scope(self) -> tuple[str, str, str, str, str]:
        """What it is about; two rules of one scope must not hold on the same day."""
        return (self.project, self.model, self.provider, self.modality, self.meter)

    @property
    def rank(self) -> tuple[bool, ...]:
        """How particular it is: a project before a model, a provider, a modality, a meter."""
        return tuple(bool(each) for each in self.scope)

    def holds_on(self, day: date) -> bool:
        """Say whether it is in force on a day, UTC."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)

    def is_about(self, line: Line) -> bool:
        """Say whether a line is in its scope."""
        wanted = (line.project, line.model, line.provider, line.modality, line.meter)
        return all(not mine or mine == theirs for mine, theirs in zip(self.scope, wanted, strict=True))


@dataclass(frozen=True, slots=True)
class Charged:
    """What a line is charged at, in exact pico-dollars, and by which rule; None is at cost."""

    pico_usd: Fraction
    markup: Markup | None


class Pricer:
    """Applies one set of markups; lives for one report, and remembers what it chose."""

    def __init__(self, markups: Iterable[Markup]) -> None:
        # The most particular one first; of one rank and scope only one can hold on a day.
        self._markups = sorted(markups, key=lambda markup: markup.rank, reverse=True)
        self._chosen: dict[tuple[object, ...], Markup | None] = {}

    def charge(self, line: Line) -> Charged:
        """Return what a line is charged at. Linear: the price of a sum is the sum of the prices, whatever the grain."""
        markup = None if line.kind in AT_COST else self._choice(line)
        if markup is None:
            return Charged(Fraction(line.pico_usd), None)
        if markup.pico_usd_per_base is not None:
            return Charged(line.quantity * markup.pico_usd_per_base, markup)
        return Charged(line.pico_usd * (1 + (markup.percent or Fraction(0)) / 100), markup)

    def _choice(self, line: Line) -> Markup | None:
        day = line.at.astimezone(UTC).date()
        key = (day, line.project, line.provider, line.model, line.modality, line.meter)
        if key not in self._chosen:
            if len(self._chosen) >= CHOICES_MAX:
                self._chosen.clear()
            self._chosen[key] = next(
                (each for each in self._markups if each.holds_on(day) and each.is_about(line)), None
            )
        return self._chosen[key]


def shown_usd(pico_usd: Fraction) -> str:
    """Return an exact price as dollars with at most 12 digits after the point, half-even."""
    return format_usd(divide_half_even(pico_usd.numerator, pico_usd.denominator))
