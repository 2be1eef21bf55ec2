"""Why a vendor's amount is not ours: each difference in whole pico-dollars, by rules in a fixed order. Pure.

The parts of a cell are taken from its difference one after the other, and what no rule takes is `unknown`: so they sum
to the difference exactly, whatever the rules think.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from voicegateway_controller.errors import LedgerBroken
from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile.amounts import in_pico, our_rate
from voicegateway_controller.reconcile.cells import Category, Cell, CellKey, Confidence, Part, RowFacts, RowGroup
from voicegateway_controller.reconcile.copies import copies_of
from voicegateway_controller.reconcile.implied import Implied, implied_prices
from voicegateway_controller.reconcile.matching import by_series, series_key
from voicegateway_controller.reconcile.names import Names
from voicegateway_controller.reconcile.recut import Recut
from voicegateway_controller.reconcile.resolution import Resolution
from voicegateway_controller.reconcile.statement import VendorStatement

_OF_LINES: Final[Mapping[str, Category]] = {
    "tax": "tax",
    "credit": "credits",
    "minimum": "minimums",
    "rounding": "rounding",
}


@dataclass(slots=True)
class _Rest:
    """What of one cell is left to explain."""

    cell: Cell
    amount: int
    quantity: int | None
    """Units the vendor has more than we; None where they cannot be compared."""

    def take(
        self, category: Category, amount: int, confidence: Confidence, reason: str, *, quantity: int | None = None
    ) -> None:
        """Give a part its amount; nothing is no part."""
        self.amount -= amount
        if self.quantity is not None and quantity is not None:
            self.quantity -= quantity
        if amount:
            part = Part(
                category=category, amount_pico_usd=amount, confidence=confidence, reason=reason, quantity=quantity
            )
            self.cell.parts.append(part)

    def take_all(self, category: Category, confidence: Confidence, reason: str) -> None:
        self.take(category, self.amount, confidence, reason, quantity=self.quantity)


def explain(
    statement: VendorStatement,
    cells: Sequence[Cell],
    names: Names,
    facts: Mapping[RowGroup, RowFacts],
    recut: Recut | None = None,
) -> None:
    """Fill in the parts of every cell. Raises LedgerBroken if any does not sum to its difference."""
    waterfall = _Waterfall(statement, cells, names, facts, recut)
    waterfall.run()
    for cell in cells:
        total = sum(part.amount_pico_usd for part in cell.parts)
        if total != cell.difference_pico_usd:
            raise LedgerBroken(f"the parts of {cell.key} sum to {total}, its difference is {cell.difference_pico_usd}")


def wants_facts(cells: Iterable[Cell], statement: VendorStatement) -> list[Cell]:
    """Cells that differ although both sides have them: only their requests can say why."""
    return [
        cell
        for cell in cells
        if cell.rows
        and cell.key.meter
        and (cell.lines or cell.is_derived)
        and cell.difference_pico_usd
        and not _is_pending(cell, statement)
    ]


class _Waterfall:
    """Lives for one explanation."""

    def __init__(
        self,
        statement: VendorStatement,
        cells: Sequence[Cell],
        names: Names,
        facts: Mapping[RowGroup, RowFacts],
        recut: Recut | None,
    ) -> None:
        self._statement = statement
        self._names = names
        self._facts = facts
        self._cells = [cell for cell in cells if cell.difference_pico_usd or _has_other_units(cell)]
        self._series = by_series(cells)
        self._resolution = Resolution(statement)
        self._used = {(cell.key.model, cell.key.meter) for cell in cells if cell.rows}
        self._implied: dict[int, Implied] = {}
        self._recut = recut
        self._tells_keys = any(line.credential for cell in cells for line in cell.lines)
        self._requests: dict[CellKey, int] = {}
        for cell in cells:
            # Not every request has an entry of every meter: those of the fullest one are all there are.
            key = _without_meter(cell.key)
            self._requests[key] = max(self._requests.get(key, 0), cell.our_requests)

    def run(self) -> None:
        rests = {id(cell): self._begun(cell) for cell in self._cells}
        open_rests = [rest for rest in rests.values() if not self._is_of_lines(rest) and not self._is_early(rest)]
        for rest in open_rests:
            self._copies(rest)
        for rest in open_rests:
            self._cut_elsewhere(rest)
        self._shift_days([rest for rest in open_rests if rest.quantity])
        for rest in open_rests:
            self._one_sided(rest)
        two_sided = [rest for rest in open_rests if rest.amount]
        for series in self._series.values():
            self._implied.update(implied_prices(series, self._names, self._resolution))
        for rest in two_sided:
            self._unrated(rest)
            self._minimum(rest)
            self._units(rest)
            self._money(rest)
        for rest in rests.values():
            rest.take_all("unknown", "certain", "no rule explains it")

    def _begun(self, cell: Cell) -> _Rest:
        quantity = None if cell.vendor_quantity is None else cell.vendor_quantity - cell.our_quantity
        return _Rest(cell, cell.difference_pico_usd, quantity)

    def _is_of_lines(self, rest: _Rest) -> bool:
        """Money that is about no use: its lines say themselves what it is."""
        category = rest.cell.key.category
        if category == "usage":
            return False
        if category == "purchase":
            self._plan_fees(rest)
            side: Category = "vendor_only" if rest.amount > 0 else "ours_only"
            rest.take_all(side, "certain", "a purchase that one side has")
        else:
            rest.take_all(_OF_LINES[category], "certain", f"the vendor's {category} lines less ours")
        return True

    def _plan_fees(self, rest: _Rest) -> None:
        """Declared fees, where the vendor told of no purchase at all and could not be expected to."""
        fees = sum(row.amount_pico_usd for row in rest.cell.rows if row.meter == "subscription")
        if not rest.cell.lines and not self._statement.is_invoice:
            # What an accepted bill took out of the books is no difference any more.
            taken = min(max(fees, 0), max(-rest.amount, 0))
            rest.take("plan_fees", -taken, "certain", "a declared plan's fee; the vendor's API lists no fees")

    def _is_early(self, rest: _Rest) -> bool:
        if _is_pending(rest.cell, self._statement):
            rest.take_all("pending", "certain", f"the vendor may add to days from {self._statement.settled_until}")
            return True
        if rest.cell.key.day is None and rest.amount < 0:
            late = sum(r.amount_pico_usd for r in rest.cell.rows if r.day >= self._statement.settled_until)
            if late > 0:
                rest.take("pending", -min(late, -rest.amount), "estimated", "our use of days that are not settled")
        return not rest.amount

    def _copies(self, rest: _Rest) -> None:
        found = copies_of(rest.cell, self._resolution.tolerance(rest.cell))
        if found is not None:
            rest.take("duplicate", found.amount, found.confidence, found.reason, quantity=found.quantity)

    def _cut_elsewhere(self, rest: _Rest) -> None:
        """What our own days would have more or less if they began when the vendor's do."""
        if self._recut is None or rest.cell.key.day is None:
            return
        amount, quantity = self._recut.of(rest.cell)
        hours = self._recut.hours
        when = f"{abs(hours)} h {'before' if hours > 0 else 'after'} UTC's"
        rest.take("day_shift", amount, self._recut.confidence, f"the vendor's days begin {when}", quantity=quantity)

    def _shift_days(self, rests: Sequence[_Rest]) -> None:
        """Units that one day has too many of and the next or the one before too few: the same use, cut elsewhere."""
        series: dict[object, dict[date, _Rest]] = {}
        for rest in rests:
            if rest.cell.key.day is not None:
                series.setdefault(series_key(rest.cell.key), {})[rest.cell.key.day] = rest
        for by_day in series.values():
            total = sum(rest.quantity or 0 for rest in by_day.values())
            is_a_run = len(by_day) > 2 and total == 0
            for day, rest in sorted(by_day.items()):
                after = by_day.get(day + timedelta(days=1))
                if is_a_run:
                    self._shift(rest, rest.quantity or 0, "likely")
                elif after is not None and rest.quantity and rest.quantity == -(after.quantity or 0):
                    moved = rest.quantity
                    self._shift(rest, moved, "certain")
                    self._shift(after, -moved, "certain")

    def _shift(self, rest: _Rest, quantity: int, confidence: Confidence) -> None:
        rate = our_rate(rest.cell, self._names)
        if rate is None or not quantity:
            return
        amount = in_pico(quantity * rate)
        if abs(rest.amount - amount) <= self._resolution.tolerance(rest.cell):
            amount = rest.amount
        rest.take(
            "day_shift", amount, confidence, "the vendor counts it on another day: its day begins elsewhere, or it "
            "counts a request when it starts", quantity=quantity,
        )  # fmt: skip

    def _one_sided(self, rest: _Rest) -> None:
        cell = rest.cell
        if not rest.amount or (cell.lines and cell.rows) or (cell.is_derived and cell.rows and not cell.lines):
            return
        if not cell.lines:
            rest.take_all("ours_only", "certain", "the vendor's bill has no such line")
            return
        line = cell.lines[0]
        is_foreign = self._names.has_links and all(self._names.key_of(each.credential) is None for each in cell.lines)
        is_known = self._names.model_of(cell.key.model, cell.key.day or self._statement.month) is not None
        if not line.model and not is_known:
            rest.take_all("vendor_only", "certain", f"the vendor bills {line.sku!r}; nothing of ours is of that kind")
        elif not is_known and cell.key.model:
            rest.take_all("unknown_model", "certain", f"the catalogue does not know {cell.key.model!r}; name it by an "
                          "alias or give it a price")  # fmt: skip
        elif is_foreign and self._tells_keys:
            rest.take_all(
                "unattributed_credential", "likely", "used with a key that no link names as ours, or with none"
            )
        elif (cell.key.model, cell.key.meter) not in self._used:
            rest.take_all("vendor_only", "certain", "we have no use of this model and meter in the whole month")
        else:
            rest.take_all("missing_spans", "likely", "the vendor has use on a day on which we have none")

    def _unrated(self, rest: _Rest) -> None:
        """Use of ours that no price was known for: it costs nothing in our books."""
        cell = rest.cell
        unrated = [row for row in cell.rows if row.unrated_reason and row.kind == "usage"]
        is_rerated = any(row.kind == "rerate" and not row.unrated_reason for row in cell.rows)
        if rest.amount <= 0 or not unrated or is_rerated:
            return
        reasons = ", ".join(sorted({row.unrated_reason for row in unrated}))
        if all(row.unrated_reason or row.kind != "usage" for row in cell.rows):
            rest.take_all("unknown_model", "certain", f"our entries have no price: {reasons}")
            return
        # An unrated entry's billed quantity is 0; what it stands for is its raw one.
        quantity = sum(row.quantity for row in unrated)
        rate = our_rate(cell, self._names)
        if rate is not None and rest.quantity is not None and 0 < quantity <= rest.quantity:
            rest.take("unknown_model", in_pico(quantity * rate), "estimated", f"part of our entries have no price: "
                      f"{reasons}", quantity=quantity)  # fmt: skip

    def _minimum(self, rest: _Rest) -> None:
        """A minimum or step per request that gives exactly the vendor's amount, whatever it says of units."""
        cell = rest.cell
        rate, facts = our_rate(cell, self._names), self._facts_of(cell)
        if not rest.amount or rate is None or not facts or not cell.lines:
            return
        tolerance = self._resolution.tolerance(cell)
        for kind, text in (("minimums", "bills at least {} per request"), ("increments", "rounds each up to {}")):
            sizes: Sequence[Mapping[int, int]] = [getattr(each, kind) for each in facts]
            for size in sizes[0]:
                wanted = sum(each[size] for each in sizes)
                amount = in_pico((wanted - cell.our_quantity) * rate)
                if wanted != cell.our_quantity and abs(rest.amount - amount) <= tolerance:
                    reason = f"the vendor {text.format(size)}"
                    rest.take("minimums", rest.amount, "certain", reason, quantity=rest.quantity)
                    return

    def _facts_of(self, cell: Cell) -> list[RowFacts]:
        """Facts of all requests of a cell, or none at all."""
        usage = [row for row in cell.rows if row.kind == "usage"]
        facts = [self._facts[row.group] for row in usage if row.group in self._facts]
        return facts if len(facts) == len(usage) else []

    def _units(self, rest: _Rest) -> None:
        """Units that differ, at our price."""
        rate = our_rate(rest.cell, self._names)
        if not rest.amount or not rest.quantity or rate is None:
            return
        category, confidence, reason = self._why_units(rest.cell, rest.quantity)
        amount = in_pico(rest.quantity * rate)
        left = rest.amount - amount
        if abs(left) <= self._resolution.tolerance(rest.cell):
            # What rounding adds to a part belongs to it: the part is sized to the last digit of both sides.
            amount = rest.amount
        rest.take(category, amount, confidence, reason, quantity=rest.quantity)

    def _why_units(self, cell: Cell, more: int) -> tuple[Category, Confidence, str]:
        wanted = cell.our_quantity + more
        raw = sum(row.quantity for row in cell.rows)
        if more < 0 and wanted == raw:
            return "minimums", "certain", "the vendor bills what was used, we bill a minimum or a step"
        facts = self._facts_of(cell)
        if facts and more < 0 and sum(each.cancelled_quantity for each in facts) == -more:
            return "cancelled", "certain", "the vendor does not bill cancelled requests"
        ours = self._requests[_without_meter(cell.key)]
        if more > 0 and cell.vendor_requests is not None and cell.vendor_requests > ours:
            return "missing_spans", "certain", f"the vendor counts {cell.vendor_requests - ours} requests more than we"
        estimated = sum(row.estimated_quantity for row in cell.rows)
        if more < 0 and -more <= estimated:
            return "cancelled", "estimated", "within what we estimated for requests whose units the vendor never told"
        if more < 0:
            return "ours_only", "likely", "we count more units than the vendor"
        if cell.vendor_requests == ours:
            return "unknown", "certain", "as many requests on both sides, and more units at the vendor"
        return "missing_spans", "likely", "the vendor counts more units than we"

    def _money(self, rest: _Rest) -> None:
        """What is left when units are alike: the price, or rounding."""
        cell = rest.cell
        if not rest.amount:
            return
        if abs(rest.amount) <= self._resolution.tolerance(cell) and cell.lines and cell.rows:
            rest.take_all("rounding", "certain", "below the last digit of either side")
            return
        found = self._implied.get(id(cell))
        if found is not None:
            rest.take_all(found.category, found.confidence, found.reason)


def _is_pending(cell: Cell, statement: VendorStatement) -> bool:
    if cell.key.day is None:
        return statement.settled_until < next_month(statement.month) and statement.settled_until <= statement.month
    return cell.key.day >= statement.settled_until


def _without_meter(key: CellKey) -> CellKey:
    return CellKey(
        category=key.category, day=key.day, key_id=key.key_id, model=key.model, meter="", context=key.context
    )


def _has_other_units(cell: Cell) -> bool:
    return cell.vendor_quantity is not None and cell.vendor_quantity != cell.our_quantity
