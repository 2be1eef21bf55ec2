"""A batch of spans to sums of comparisons, and to the requests whose counts disagree: pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from voicegateway_controller.validation.rules import Comparison, compare

if TYPE_CHECKING:
    from voicegateway_controller.ledger.rules import SpanFacts

SumKey = tuple[str, str, str, str, str, str, str, str]
"""Day, project, provider, model, modality, meter, source, finding."""
QUANTITY_MAX: Final = 2**62
"""Sums of what others say stay inside BIGINT, whatever they say."""

_decode: Final = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(slots=True)
class Validation:
    """What one batch adds to the validation tables."""

    sums: dict[SumKey, list[int]] = field(default_factory=dict)
    """Requests, our quantity, theirs."""
    discrepancies: list[tuple["SpanFacts", Comparison]] = field(default_factory=list)


def validate(spans: Sequence["SpanFacts"]) -> Validation:
    """Compare each span's counts. A span whose counts cannot be read is quarantined by rating; here it is left out."""
    found = Validation()
    for span in spans:
        if not span.reported:
            continue
        try:
            usage, opinions = _decode(span.usage), _decode(span.reported)
        except msgspec.DecodeError:
            continue
        for each in compare(span, usage, opinions):
            _add(found, span, each)
    return found


def _add(found: Validation, span: "SpanFacts", each: Comparison) -> None:
    key = (
        span.day, span.project, span.provider, span.model, span.modality, each.meter, each.source, each.finding,
    )  # fmt: skip
    sums = found.sums.get(key)
    if sums is None:
        sums = found.sums[key] = [0, 0, 0]
    sums[0] += 1
    sums[1] += min(each.ours, QUANTITY_MAX)
    sums[2] += min(each.theirs, QUANTITY_MAX)
    if each.finding != "agrees":
        found.discrepancies.append((span, each))
