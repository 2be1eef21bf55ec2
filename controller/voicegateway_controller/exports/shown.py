"""Reports as the API shows them. Pure."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from voicegateway_controller.exports import schemas
from voicegateway_controller.exports.margins import MarginRow, Margins
from voicegateway_controller.exports.markups.rules import shown_usd
from voicegateway_controller.exports.statement import Statement
from voicegateway_controller.exports.statement_csv import COLUMNS, PRICE_COLUMNS, statement_rows
from voicegateway_shared.money import format_usd

_TENTH: Final = Decimal("0.1")


def statement_report(statement: Statement) -> schemas.StatementReport:
    """Return a statement's JSON."""
    current, facts = statement.current, statement.facts
    columns = (*COLUMNS, *PRICE_COLUMNS) if statement.is_priced else COLUMNS
    return schemas.StatementReport(
        project=statement.project,
        month=f"{statement.month:%Y-%m}",
        made_at=statement.made_at,
        is_closed=statement.is_closed,
        cost_usd=format_usd(current.total.pico_usd),
        list_usd=format_usd(current.total.list_pico_usd),
        previous_cost_usd=format_usd(statement.before.total.pico_usd),
        price_usd=shown_usd(current.price) if statement.is_priced else None,
        margin_usd=shown_usd(current.price - current.total.pico_usd) if statement.is_priced else None,
        requests=facts.requests,
        estimated_requests=facts.estimated,
        unrated_requests=facts.unrated,
        corrections=[
            schemas.StatementCorrection(
                id=each.id, kind=each.kind, reason=each.reason, actor=each.actor, created_at=each.created_at
            )
            for each in facts.corrections
        ],
        rows=[{name: row[name] for name in columns} for row in statement_rows(statement)],
    )


def margins_report(margins: Margins, *, month: str, thin_percent: int) -> schemas.MarginsReport:
    """Return the margins' JSON."""
    return schemas.MarginsReport(
        month=month,
        thin_percent=thin_percent,
        rows=[_margin(row) for row in margins.rows],
        total=_margin(margins.total),
        is_cut=margins.is_cut,
    )


def _margin(row: MarginRow) -> schemas.Margin:
    percent = row.margin_percent
    shown = None
    if percent is not None:
        exact = Decimal(percent.numerator) / Decimal(percent.denominator)
        shown = f"{exact.quantize(_TENTH, rounding=ROUND_HALF_EVEN):f}"
    return schemas.Margin(
        project=row.project,
        provider=row.provider,
        model=row.model,
        cost_usd=shown_usd(row.cost),
        price_usd=shown_usd(row.price),
        margin_usd=shown_usd(row.margin),
        margin_percent=shown,
        is_thin=row.is_thin,
    )
