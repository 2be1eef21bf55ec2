"""A statement as one HTML page that needs nothing else: to be read, printed and sent. Pure but for its style sheet."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from html import escape
from importlib.resources import files
from typing import Final

from voicegateway_controller.exports.focus.names import consumed, sku_meter, vendor
from voicegateway_controller.exports.markups.rules import shown_usd
from voicegateway_controller.exports.statement import LINES_MAX, Key, Statement, Sums
from voicegateway_controller.months import previous_month

_CENT: Final = Decimal("0.01")
_FINE: Final = Decimal("0.0001")
_KINDS: Final = {
    "usage": "Usage",
    "rerate": "Corrected prices",
    "credit": "Credits and allowances",
    "adjustment": "Adjustments",
    "purchase": "Subscriptions and purchases",
    "tax": "Tax",
}


def statement_html(statement: Statement) -> str:
    """Return the page."""
    style = (files("voicegateway_controller.exports") / "statement.css").read_text(encoding="utf-8")
    title = f"{statement.project}, {statement.month:%B %Y}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{style}</style></head><body>\n'
        + "\n".join(_parts(statement))
        + "\n</body></html>\n"
    )


def _parts(statement: Statement) -> Iterable[str]:
    current = statement.current
    yield _header(statement)
    yield _figures(statement)
    yield from _notes(statement)
    yield _table("What it is made of", ("Kind",), statement, lambda key: (_KINDS.get(key[5], key[5]),))
    yield _table("By agent", ("Agent",), statement, lambda key: (key[0] or "no agent",))
    yield _table("By model", ("Vendor", "Model"), statement, lambda key: (vendor(key[1]) or "–", key[2] or "–"))
    yield _meters(statement)
    if any(key[6] for key in current.lines):
        yield _late(statement)
    if current.minimums:
        yield _minimums(statement)
    if statement.facts.corrections:
        yield _corrections(statement)
    yield (
        "<footer><p>Amounts in US dollars. Months are UTC's. Tables show four digits after the point; the exact totals "
        "stand above, every exact line in the CSV of this statement.</p>"
        f"<p>Made {statement.made_at:%Y-%m-%d %H:%M} UTC from an append-only ledger.</p></footer>"
    )


def _header(statement: Statement) -> str:
    closed_at = statement.facts.closed_at
    state = "Open: may still change" if closed_at is None else f"Closed {closed_at:%Y-%m-%d}"
    kind = "open" if closed_at is None else "closed"
    return (
        f"<header><div><h1>{escape(statement.project)}</h1><p class=dim>Statement for {statement.month:%B %Y}</p></div>"
        f"<div><p>{escape(statement.account)}</p><p><span class='state {kind}'>{state}</span></p></div></header>"
    )


def _figures(statement: Statement) -> str:
    current, before = statement.current, statement.before
    if statement.is_priced:
        figures = [
            _figure("Charged", current.price, _change(current.price, before.price, statement)),
            _figure("Cost", Fraction(current.total.pico_usd), ""),
            _figure("Margin", current.price - current.total.pico_usd, _percent_of(statement)),
        ]
    else:
        cost, at_list = Fraction(current.total.pico_usd), Fraction(current.total.list_pico_usd)
        figures = [
            _figure("Total", cost, _change(cost, Fraction(before.total.pico_usd), statement)),
            _figure("At list prices", at_list, f"{_usd(at_list - cost)} less paid"),
        ]
    facts = statement.facts
    figures.append(("Requests", f"{facts.requests:,}", f"{facts.estimated:,} estimated, {facts.unrated:,} not priced"))
    cells = "".join(
        f"<div><span>{label}</span><b>{value}</b><span>{more}</span></div>" for label, value, more in figures
    )
    return f"<section class=figures>{cells}</section>"


def _figure(label: str, pico_usd: Fraction, more: str) -> tuple[str, str, str]:
    exact = shown_usd(pico_usd)
    return label, _usd(pico_usd), "<br>".join(part for part in (f"exactly {exact}", more) if part)


def _notes(statement: Statement) -> Iterable[str]:
    facts = statement.facts
    if facts.unrated:
        who = "1 request has" if facts.unrated == 1 else f"{facts.unrated:,} requests have"
        yield (
            f"<p class=note>{who} a quantity without a known price: it stands at $0 here and is corrected when the "
            "price is known.</p>"
        )
    if len(statement.current.lines) > LINES_MAX:
        yield f"<p class=note>Only the {LINES_MAX:,} largest lines are shown; the totals count them all.</p>"


def _table(title: str, names: Sequence[str], statement: Statement, cut: object) -> str:
    current, before = statement.current.by(cut), statement.before.by(cut)  # type: ignore[arg-type]
    keys = sorted(current.keys() | before.keys(), key=lambda key: (-current.get(key, Sums()).pico_usd, key))[:LINES_MAX]
    rows = [[*key, *_amounts(statement, current.get(key, Sums()), before.get(key, Sums()))] for key in keys]
    return _rendered(title, [*names, *_headings(statement)], rows, texts=len(names), foot=_foot(statement, len(names)))


def _meters(statement: Statement) -> str:
    def cut(key: Key) -> Key:
        return (key[1], key[2], key[4], key[5])

    current, before = statement.current.by(cut), statement.before.by(cut)
    keys = sorted(current.keys() | before.keys(), key=lambda key: (key[0], key[1], -current.get(key, Sums()).pico_usd))
    rows = []
    for key in keys[:LINES_MAX]:
        provider, model, meter, kind = key
        sums = current.get(key, Sums())
        unit, in_base = consumed(meter)
        name = sku_meter(meter) if kind == "usage" else f"{sku_meter(meter)} ({kind})"
        what = f"{vendor(provider)} {model}".strip() or "–"
        rows.append(
            [
                what,
                name,
                f"{_count(sums.quantity, in_base)} {unit}" if sums.quantity else "–",
                *_amounts(statement, sums, before.get(key, Sums())),
            ]
        )
    headings = ["Model", "Meter", "Quantity", *_headings(statement)]
    return _rendered("By meter", headings, rows, texts=2, foot=_foot(statement, 3))


def _late(statement: Statement) -> str:
    rows = []
    for key, sums in sorted(statement.current.lines.items(), key=lambda item: (item[0][6], item[0])):
        if key[6]:
            what = f"{vendor(key[1])} {key[2]} {sku_meter(key[4])}".strip()
            rows.append([key[6], what, _KINDS.get(key[5], key[5]), *_amounts(statement, sums, None)])
    headings = ["For", "What", "Kind", *_headings(statement, has_before=False)]
    return _rendered("Corrections of months that were closed already", headings, rows[:LINES_MAX], texts=3, foot=None)


def _minimums(statement: Statement) -> str:
    rows = [[name, _fine(missing)] for (name,), missing in sorted(statement.current.minimums.items())]
    return _rendered("Charged as a minimum, on top of the lines above", ["Rule", "On top"], rows, texts=1, foot=None)


def _corrections(statement: Statement) -> str:
    rows = [
        [
            f"{fact.created_at:%Y-%m-%d}",
            fact.kind,
            fact.reason,
            _fine(Fraction(statement.current.corrections[fact.id].pico_usd)),
        ]
        for fact in statement.facts.corrections
        if fact.id in statement.current.corrections
    ]
    return _rendered("Why it was corrected", ["Booked", "Kind", "Reason", "Cost"], rows, texts=3, foot=None)


def _headings(statement: Statement, *, has_before: bool = True) -> list[str]:
    found = ["Cost", "Charged", "Margin"] if statement.is_priced else ["Cost"]
    return [*found, f"Cost {previous_month(statement.month):%b %Y}"] if has_before else found


def _amounts(statement: Statement, sums: Sums, before: Sums | None) -> list[str]:
    cost = Fraction(sums.pico_usd)
    found = [_fine(cost)]
    if statement.is_priced:
        found += [_fine(sums.price), _fine(sums.price - cost)]
    return found if before is None else [*found, _fine(Fraction(before.pico_usd))]


def _foot(statement: Statement, texts: int) -> list[str]:
    return ["Total", *[""] * (texts - 1), *_amounts(statement, statement.current.total, statement.before.total)]


def _rendered(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int, foot: Sequence[str] | None
) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if index >= texts else ''}>{escape(value)}</{tag}>"
            for index, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows) or (
        f"<tr><td class=dim colspan={len(headings)}>Nothing in this month.</td></tr>"
    )
    footed = "" if foot is None else f"<tfoot><tr>{cells('td', foot)}</tr></tfoot>"
    head = f"<thead><tr>{cells('th', headings)}</tr></thead>"
    return f"<section><h2>{escape(title)}</h2><table>{head}<tbody>{body}</tbody>{footed}</table></section>"


def _change(now: Fraction, before: Fraction, statement: Statement) -> str:
    name = f"{previous_month(statement.month):%B}"
    if before == 0:
        return f"nothing in {name}"
    percent = (now - before) * 100 / before
    return f"{_rounded(percent, Decimal('0.1')):+} % against {name}"


def _percent_of(statement: Statement) -> str:
    price = statement.current.price
    if price == 0:
        return ""
    return f"{_rounded((price - statement.current.total.pico_usd) * 100 / price, Decimal('0.1'))} % of what is charged"


def _usd(pico_usd: Fraction) -> str:
    cents = _rounded(pico_usd / 10**12, _CENT)
    return f"{'-' if cents < 0 else ''}${abs(cents):,}"


def _fine(pico_usd: Fraction) -> str:
    """Four digits: what is not zero never looks like it, however little it is."""
    shown = _rounded(pico_usd / 10**12, _FINE)
    if shown == 0 and pico_usd != 0:
        return "<0.0001" if pico_usd > 0 else ">-0.0001"
    return f"{abs(shown):,}" if shown == 0 else f"{shown:,}"


def _count(quantity: int, in_base: int) -> str:
    value = _rounded(Fraction(quantity, in_base), Decimal("0.001")) if in_base > 1 else Decimal(quantity)
    return f"{value:,}"


def _rounded(value: Fraction, step: Decimal) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(step, rounding=ROUND_HALF_EVEN)
