"""Bring both sides into cells: at the finest grain that vendor and ledger share, model by model. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from voicegateway_controller.months import next_month
from voicegateway_controller.reconcile.amounts import fill, share_counts
from voicegateway_controller.reconcile.cells import Cell, CellKey, OurRow
from voicegateway_controller.reconcile.names import Names
from voicegateway_controller.reconcile.statement import LineCategory, VendorLine, VendorStatement

MULTI_SUFFIXES: Final = ("-multilingual", "-multi")
"""Deepgram's line items name code switching in the model; our catalogue has it as a circumstance of the price."""
_KIND_CATEGORY: Final[Mapping[str, LineCategory]] = {"tax": "tax", "credit": "credit", "purchase": "purchase"}
_CATEGORY_METERS: Final[Mapping[str, LineCategory]] = {"minimum": "minimum", "rounding": "rounding"}


@dataclass(slots=True)
class _Grain:
    """What one model's lines can be told apart by."""

    by_day: bool
    by_key: bool
    by_meter: bool = True
    context_keys: set[str] = field(default_factory=set)
    counted_keys: set[str] = field(default_factory=set)
    """Those of them that the vendor's counts tell apart too."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    line: VendorLine
    model: str
    context: Mapping[str, str]


@dataclass(slots=True)
class Units:
    """A vendor's counts, seen beside its bill: meter to quantity, for each key of a cell without its meter."""

    by_key: dict[tuple[date | None, str, str, tuple[tuple[str, str], ...]], dict[str, int]] = field(
        default_factory=dict
    )

    def of(self, key: CellKey, context: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
        """The counts of the same day, key and model, in a context as far as counts tell it."""
        return self.by_key.get((key.day, key.key_id, key.model, context), {})


def match(statement: VendorStatement, rows: Sequence[OurRow], names: Names) -> list[Cell]:
    """Return every cell that has anything on either side, the amounts of both filled in, not yet explained."""
    matcher = _Matcher(statement, rows, names)
    return matcher.cells()


class _Matcher:
    """Lives for one match."""

    def __init__(self, statement: VendorStatement, rows: Sequence[OurRow], names: Names) -> None:
        self._statement = statement
        self._names = names
        self._rows = rows
        self._is_whole = not {"model", "sku"} & set(statement.grains)
        month_end = next_month(statement.month)
        lines = [line for line in statement.lines if line.day is None or statement.month <= line.day < month_end]
        self._bill = [self._resolved(line) for line in lines if line.sku]
        self._counts = [self._resolved(line) for line in lines if not line.sku and line.meter]
        self._told = {each.line.category for each in self._bill}
        self._grains = self._find_grains()
        self._default = _Grain(
            by_day="day" in statement.grains and any(each.line.day for each in self._bill),
            by_key=names.has_links and any(each.line.credential for each in self._bill),
            by_meter=not self._is_whole,
        )

    def cells(self) -> list[Cell]:
        cells: dict[CellKey, Cell] = {}
        for each in self._bill:
            key = self._line_key(each)
            cells.setdefault(key, Cell(key=key)).lines.append(each.line)
        for row in self._rows:
            key = self._row_key(row)
            cells.setdefault(key, Cell(key=key)).rows.append(row)
        units = self._units()
        shared: dict[tuple[CellKey, tuple[tuple[str, str], ...]], list[Cell]] = {}
        for cell in cells.values():
            grain = self._grains.get(cell.key.model, self._default)
            context = tuple(pair for pair in cell.key.context if pair[0] in grain.counted_keys)
            shared.setdefault((without_context(cell.key), context), []).append(cell)
        for (key, context), group in shared.items():
            counts = units.of(key, context)
            for cell in group:
                fill(cell, counts if len(group) == 1 else {}, self._names, has_amounts=self._statement.has_amounts)
            if len(group) > 1 and counts:
                share_counts(group, counts, self._names)
        return sorted(cells.values(), key=lambda cell: _order(cell.key))

    def _resolved(self, line: VendorLine) -> _Resolved:
        """The line with the catalogue's model and context, as far as anybody knows them."""
        if self._is_whole:
            return _Resolved(line, "", {})
        name, day = line.model or line.sku, line.day or self._statement.month
        model = self._names.model_of(name, day)
        if model is not None:
            return _Resolved(line, model, line.context)
        for suffix in MULTI_SUFFIXES:
            base = self._names.model_of(name.removesuffix(suffix), day) if name.endswith(suffix) else None
            if base is not None:
                return _Resolved(line, base, {**line.context, "language": "multi"})
        return _Resolved(line, name, line.context)

    def _find_grains(self) -> dict[str, _Grain]:
        """The coarsest of what each model's bill lines say: one line without a day makes its model's month one cell."""
        used: dict[str, set[str]] = {}
        for row in self._rows:
            price = self._names.price(row.price_id)
            if price is not None:
                used.setdefault(self._our_model(row), set()).update(key for key, _ in price.when)
        grains: dict[str, _Grain] = {}
        without_amount: set[str] = set()
        has_keys = self._names.has_links and any(each.line.credential for each in self._bill)
        for each in self._bill:
            if each.line.category != "usage":
                continue
            grain = grains.setdefault(each.model, _Grain(by_day=True, by_key=has_keys, by_meter=not self._is_whole))
            grain.by_day &= each.line.day is not None
            grain.by_meter &= bool(each.line.meter)
            grain.context_keys |= set(each.context) & used.get(each.model, set())
            if each.line.amount_pico_usd is None:
                without_amount.add(each.model)
        for model, grain in grains.items():
            told = {key for each in self._counts if each.model == model for key in each.context}
            grain.counted_keys = grain.context_keys & told
            if model in without_amount:
                # Its counts are all there is: what they do not tell apart is one cell.
                grain.context_keys = grain.counted_keys
        return grains

    def _line_key(self, each: _Resolved) -> CellKey:
        line = each.line
        if line.category != "usage":
            return CellKey(category=line.category, day=None, key_id="", model="", meter="")
        grain = self._grains[each.model]
        return CellKey(
            category="usage",
            day=line.day if grain.by_day else None,
            key_id=(self._names.key_of(line.credential) or "") if grain.by_key else "",
            model=each.model,
            meter=self._meter(each.model, line.meter) if grain.by_meter else "",
            context=self._names.context_of(each.model, each.context, grain.context_keys),
        )

    def _row_key(self, row: OurRow) -> CellKey:
        category: LineCategory = _KIND_CATEGORY.get(row.kind) or _CATEGORY_METERS.get(row.meter, "usage")
        if self._is_whole and category not in self._told:
            # A total that names no fee or credit apart holds them: ours are compared with it, too.
            category = "usage"
        if category != "usage":
            return CellKey(category=category, day=None, key_id="", model="", meter="")
        model = self._our_model(row)
        grain = self._grains.get(model, self._default)
        price = self._names.price(row.price_id)
        return CellKey(
            category="usage",
            day=row.day if grain.by_day else None,
            key_id=row.key_id if grain.by_key and row.key_id in self._names.linked_keys else "",
            model=model,
            meter=self._meter(model, row.meter) if grain.by_meter else "",
            context=self._names.context_of(model, {} if price is None else dict(price.when), grain.context_keys),
        )

    def _our_model(self, row: OurRow) -> str:
        return "" if self._is_whole else self._names.model_of(row.model, row.day) or row.model

    def _meter(self, model: str, meter: str) -> str:
        """One name for meters that the same price bills: a cache write of no stated lifetime is one of five minutes."""
        prices = self._names.prices(model, meter)
        return prices[0].meter if prices else meter

    def _units(self) -> Units:
        units = Units()
        for each in self._counts:
            line, grain = each.line, self._grains.get(each.model, self._default)
            if line.quantity is None:
                continue
            key = (
                line.day if grain.by_day else None,
                (self._names.key_of(line.credential) or "") if grain.by_key else "",
                each.model,
                self._names.context_of(each.model, each.context, grain.counted_keys),
            )
            meters = units.by_key.setdefault(key, {})
            meters[line.meter] = meters.get(line.meter, 0) + line.quantity
        return units


def by_series(cells: Iterable[Cell]) -> dict[CellKey, list[Cell]]:
    """Cells that differ in nothing but their day, in the order of days; found by their key without a day."""
    series: dict[CellKey, list[Cell]] = {}
    for cell in cells:
        series.setdefault(series_key(cell.key), []).append(cell)
    return series


def series_key(key: CellKey) -> CellKey:
    """A key without its day."""
    return CellKey(
        category=key.category, day=None, key_id=key.key_id, model=key.model, meter=key.meter, context=key.context
    )


def without_context(key: CellKey) -> CellKey:
    """A key without its circumstances."""
    return CellKey(category=key.category, day=key.day, key_id=key.key_id, model=key.model, meter=key.meter)


def _order(key: CellKey) -> tuple[str, str, str, str, str, tuple[tuple[str, str], ...]]:
    day = "" if key.day is None else key.day.isoformat()
    return (key.category, key.model, key.meter, key.key_id, day, key.context)
