"""What may stand in the part of a sync message that is about money. Pure."""

from collections.abc import Iterable
from typing import Final

from voicegateway_controller.errors import BadRequest
from voicegateway_shared.wire.money import (
    DIRECTIVES_MAX,
    MODELS_MAX,
    MONEY_CLAIMS_MAX,
    RECOVERED_MAX,
    MoneyClaim,
    MoneyReport,
)

TEXT_CHARS_MAX: Final = 256
NUMBER_MAX: Final = 2**53 - 1
"""Beyond this the numbers of Redis' scripts are no longer exact."""


def check(report: MoneyReport, *, incarnation: str, seq: int) -> None:
    """Raise BadRequest for what is out of bounds."""
    for given, most, what in (
        (report.claims, MONEY_CLAIMS_MAX, "claims on budgets"),
        (report.models, MODELS_MAX, "models"),
        (report.recovered, RECOVERED_MAX, "recovered incarnations"),
        (report.done, DIRECTIVES_MAX, "directives"),
    ):
        if len(given) > most:
            raise BadRequest(f"more than {most} {what} in one message")
    if not 0 <= seq <= NUMBER_MAX:
        raise BadRequest("seq must be from 0 to 2^53 - 1")
    if not incarnation.isprintable():
        raise BadRequest("incarnation must be printable")
    seen = set()
    for claim in report.claims:
        _check_claim(claim)
        if claim.pool in seen:
            raise BadRequest(f"two claims on {claim.pool!r}")
        seen.add(claim.pool)
    models = (text for each in report.models for text in (each.provider, each.model, each.modality))
    _texts((report.tag, *models, *report.recovered, *report.done))


def _check_claim(claim: MoneyClaim) -> None:
    _texts((claim.pool,))
    numbers = (claim.used, claim.granted, claim.target, claim.need, claim.waiters, claim.refused)
    if min(numbers) < 0 or max(numbers) > NUMBER_MAX:
        raise BadRequest(f"the numbers of the claim on {claim.pool!r} must be from 0 to 2^53 - 1")


def _texts(texts: Iterable[str]) -> None:
    for text in texts:
        if len(text) > TEXT_CHARS_MAX or (text and not text.isprintable()):
            raise BadRequest(f"a report on money must have texts of at most {TEXT_CHARS_MAX} printable characters")
