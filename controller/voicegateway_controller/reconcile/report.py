"""A reconciliation as one page for people: no script, nothing fetched, fit to print. Pure."""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final

from voicegateway_controller.reconcile import schemas
from voicegateway_controller.reconcile.cells import HARMLESS
from voicegateway_controller.reconcile.words import MEANINGS, TITLES
from voicegateway_shared.money import format_usd, parse_usd

WIDTH: Final = 520
"""Pixels of the drawn part of a waterfall."""
ROW: Final = 26
LABEL: Final = 190
AMOUNT: Final = 170
DAY_WIDTH: Final = 26
DAY_HEIGHT: Final = 90

_SOURCES: Final = {"api": "API", "file": "file", "total": "total, stated by hand"}

STYLE: Final = """
:root { color-scheme: light; --ink: #1c2430; --dim: #667084; --line: #e3e7ee; --more: #b3402e; --less: #2563a8;
  --calm: #9aa4b5; --good: #1d7a46; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 28px 48px; max-width: 1040px; background: var(--paper); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 22px; margin: 0 0 2px; } h2 { font-size: 15px; margin: 34px 0 10px; }
p { margin: 0 0 8px; } .dim { color: var(--dim); } .num { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { display: inline-block; padding: 2px 10px; border-radius: 999px; font-weight: 600; color: #fff; }
.verdict.good { background: var(--good); } .verdict.bad { background: var(--more); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 20px 0 0; }
dl div { border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; }
dt { color: var(--dim); font-size: 12px; }
dd { margin: 0; font-size: 15px; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; } .scroll { overflow-x: auto; }
th { text-align: left; color: var(--dim); font-weight: 500; } th.num { text-align: right; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.why { min-width: 260px; } td.what { min-width: 170px; } th, td.nowrap { white-space: nowrap; }
.tag { font-weight: 600; } .sure { color: var(--dim); font-size: 12px; }
svg { max-width: 100%; height: auto; display: block; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .dim { fill: var(--dim); } .notes li { margin-bottom: 3px; } code { font-size: 12px; overflow-wrap: anywhere; }
@media print { body { padding: 0; max-width: none; font-size: 11px; } table { font-size: 10px; }
  tr, dl div, svg { break-inside: avoid; } h2 { break-after: avoid; } }
"""


def html_report(
    run: schemas.Run,
    cells: Sequence[schemas.CellRow],
    groups: schemas.Groups,
    documents: Sequence[schemas.Document],
) -> str:
    """Return the page of a run that is done. Every text of a vendor is escaped."""
    report = run.report
    if report is None:
        raise ValueError("only a reconciliation that is done has a report")
    title = f"{run.provider} {run.month}"
    body = [
        _head(run, report),
        "<h2>Why the vendor's amount is not ours</h2>",
        waterfall_svg(report.parts) if report.parts else "<p>It is: there is no difference in any part.</p>",
        '<p class="dim">Red: the vendor has more. Blue: we have. Grey: as it should be, no drift.</p>',
        _meanings(report.parts),
        "<h2>Difference by day</h2>" + days_svg(groups.groups) if report.parts else "",
        _cells(cells, report),
        _notes(report),
        _evidence(run, report, documents),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Reconciliation {escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def waterfall_svg(parts: Sequence[schemas.PartRow]) -> str:
    """Each part as a bar that begins where the one before ended; the last is the whole difference."""
    amounts = [parse_usd(part.amount_usd) for part in parts]
    steps = [0]
    for amount in amounts:
        steps.append(steps[-1] + amount)
    low, high = min(steps), max(steps)
    span = max(high - low, 1)

    def x(pico_usd: int) -> int:
        return LABEL + (pico_usd - low) * WIDTH // span

    height = ROW * (len(parts) + 1) + 8
    drawn = [f'<line x1="{x(0)}" x2="{x(0)}" y1="0" y2="{height}" stroke="#c9d0db"/>']
    for n, (part, amount) in enumerate(zip(parts, amounts, strict=True)):
        colour = "var(--calm)" if part.category in HARMLESS else "var(--more)" if amount > 0 else "var(--less)"
        drawn.append(_bar(n, TITLES[part.category], x(steps[n]), x(steps[n + 1]), _signed(part.amount_usd), colour))
        if n + 1 < len(parts):
            y = ROW * (n + 1) - 5
            drawn.append(
                f'<line x1="{x(steps[n + 1])}" x2="{x(steps[n + 1])}" y1="{y}" y2="{y + 10}" stroke="#667084"/>'
            )
    total = sum(amounts)
    drawn.append(_bar(len(parts), "Difference", x(0), x(total), _signed(format_usd(total)), "var(--ink)"))
    return (
        f'<svg role="img" aria-label="Waterfall of the difference" width="{LABEL + WIDTH + AMOUNT}" height="{height}" '
        f'viewBox="0 0 {LABEL + WIDTH + AMOUNT} {height}">{"".join(drawn)}</svg>'
    )


def days_svg(groups: Sequence[schemas.Group]) -> str:
    """One bar a day: upwards where the vendor has more, downwards where we have."""
    amounts = [parse_usd(group.difference_usd) for group in groups]
    largest = max((abs(amount) for amount in amounts), default=0)
    if largest == 0:
        return '<p class="dim">No day differs.</p>'
    middle = DAY_HEIGHT // 2 + 4
    drawn = [f'<line x1="0" x2="{DAY_WIDTH * len(groups)}" y1="{middle}" y2="{middle}" stroke="#c9d0db"/>']
    for n, (group, amount) in enumerate(zip(groups, amounts, strict=True)):
        tall = max(abs(amount) * (DAY_HEIGHT // 2) // largest, 1 if amount else 0)
        top = middle - tall if amount > 0 else middle
        colour = "var(--more)" if amount > 0 else "var(--less)"
        label = f"{group.key}: {_signed(group.difference_usd)}"
        drawn.append(
            f'<rect x="{DAY_WIDTH * n + 4}" y="{top}" width="{DAY_WIDTH - 8}" height="{tall}" fill="{colour}" rx="2">'
            f"<title>{escape(label)}</title></rect>"
        )
        short = group.key[-2:] if group.key[-2:].isdigit() else "∑"
        drawn.append(
            f'<text class="dim" x="{DAY_WIDTH * n + DAY_WIDTH // 2}" y="{DAY_HEIGHT + 24}" text-anchor="middle">'
            f"{escape(short)}</text>"
        )
    width = max(DAY_WIDTH * len(groups), 200)
    return (
        f'<svg role="img" aria-label="Difference by day" width="{width}" height="{DAY_HEIGHT + 30}" '
        f'viewBox="0 0 {width} {DAY_HEIGHT + 30}">{"".join(drawn)}</svg>'
    )


def _bar(n: int, name: str, start: int, end: int, amount: str, colour: str) -> str:
    y = ROW * n + 5
    left, wide = min(start, end), max(abs(end - start), 2)
    return (
        f'<text x="0" y="{y + 13}">{escape(name)}</text>'
        f'<rect x="{left}" y="{y}" width="{wide}" height="{ROW - 9}" rx="2" fill="{colour}"/>'
        f'<text class="num" x="{LABEL + WIDTH + AMOUNT - 4}" y="{y + 13}" text-anchor="end">{escape(amount)}</text>'
    )


def _head(run: schemas.Run, report: schemas.Report) -> str:
    good = "good" if report.is_within else "bad"
    verdict = f"drift within {report.threshold}" if report.is_within else f"drift above {report.threshold}"
    accepted = ""
    if run.accepted is not None:
        accepted = (
            f"<p>Accepted {_at(run.accepted.accepted_at)} by {escape(run.accepted.actor)}: "
            f"{_signed(run.accepted.booked_usd)} booked.</p>"
        )
    figures = [
        ("Vendor" + (" (by our prices)" if report.is_derived else ""), f"${report.vendor_usd}"),
        ("Ledger", f"${report.ours_usd}"),
        ("Difference", _signed(report.difference_usd)),
        ("Drift", f"${report.drift_usd}"),
        ("Unexplained", f"${report.unexplained_usd}"),
    ]
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    return (
        f"<h1>{escape(run.provider)}, {escape(run.month)}</h1>"
        f'<p class="dim">Reconciliation {run.number}, {_at(run.finished_at)}, from the vendor\'s {_SOURCES[run.source]}'
        f"{', nightly' if run.is_nightly else ''}.</p>"
        f'<p><span class="verdict {good}">{escape(verdict)}</span></p>{accepted}<dl>{listed}</dl>'
    )


def _meanings(parts: Sequence[schemas.PartRow]) -> str:
    rows = "".join(
        f'<tr><td class="tag nowrap">{escape(TITLES[part.category])}</td>'
        f'<td class="num nowrap">{escape(_signed(part.amount_usd))}</td>'
        f'<td class="nowrap">{escape(part.confidence)}</td><td class="num">{part.cells}</td>'
        f"<td>{escape(MEANINGS[part.category])}</td></tr>"
        for part in parts
    )
    if not rows:
        return ""
    return (
        '<div class="scroll"><table><thead><tr><th>part</th><th class="num">USD</th><th>how sure</th>'
        f'<th class="num">cells</th><th>meaning</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cells(cells: Sequence[schemas.CellRow], report: schemas.Report) -> str:
    if not cells:
        return ""
    rows = "".join(_cell(cell) for cell in cells)
    return (
        f"<h2>The {len(cells)} largest differences of {report.cells} cells</h2>"
        '<div class="scroll"><table><thead><tr><th>day</th><th>what</th><th class="num">vendor units</th>'
        '<th class="num">our units</th><th class="num">vendor USD</th><th class="num">our USD</th>'
        f"<th>why</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: schemas.CellRow) -> str:
    name = " · ".join(each for each in (cell.model or cell.category, cell.meter, *cell.context.values()) if each)
    key = f'<br><span class="sure">key {escape(cell.key_id)}</span>' if cell.key_id else ""
    sku = f'<br><span class="sure">{escape(", ".join(cell.skus[:3]))}</span>' if cell.skus else ""
    why = "<br>".join(
        f'<span class="tag">{escape(TITLES[part.category])}</span> {escape(_signed(part.amount_usd))}: '
        f'{escape(part.reason)} <span class="sure">({escape(part.confidence)})</span>'
        for part in cell.parts
    )
    return (
        f'<tr><td class="nowrap">{_day(cell.day)}</td><td class="what">{escape(name)}{key}{sku}</td>'
        f'<td class="num">{escape(cell.vendor_quantity or "–")}</td><td class="num">{escape(cell.our_quantity)}</td>'
        f'<td class="num">{escape(cell.vendor_usd)}</td><td class="num">{escape(cell.ours_usd)}</td>'
        f'<td class="why">{why}</td></tr>'
    )


def _notes(report: schemas.Report) -> str:
    if not report.notes:
        return ""
    return f'<h2>Notes</h2><ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in report.notes)}</ul>'


def _evidence(run: schemas.Run, report: schemas.Report, documents: Sequence[schemas.Document]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.name)}</td><td class='num'>{each.bytes}</td>"
        f"<td><code>{escape(each.sha256)}</code></td></tr>"
        for each in documents
    )
    table = (
        '<div class="scroll"><table><thead><tr><th>document</th><th class="num">bytes</th><th>SHA-256</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else ""
    )
    return (
        f'<h2>Made from</h2>{table}<p class="dim">Prices: catalogue {escape(report.catalog_version)}. Days from '
        f"{report.settled_until} on were not settled. Asked for by {escape(run.actor)}.</p>"
    )


def _signed(amount: str) -> str:
    return f"−${amount[1:]}" if amount.startswith("-") else f"+${amount}" if amount != "0" else "$0"


def _day(day: date | None) -> str:
    return "month" if day is None else day.isoformat()


def _at(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"
