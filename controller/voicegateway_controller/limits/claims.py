"""What may stand in a sync message about limits, and for whom the sender may speak. Pure."""

from collections.abc import Callable, Iterable
from typing import Final

from voicegateway_controller.errors import BadRequest, Forbidden
from voicegateway_shared.limits import METERS
from voicegateway_shared.wire import Claim, SyncRequest
from voicegateway_shared.wire.sync import CLAIMS_MAX, SIGNALS_MAX, VendorSignal

TEXT_CHARS_MAX: Final = 256
NUMBER_MAX: Final = 2**53 - 1
"""Beyond this the numbers of Redis' scripts are no longer exact."""


def check(message: SyncRequest, *, allows: Callable[[str], bool]) -> None:
    """Raise BadRequest for claims or signals out of bounds, Forbidden for a project the sender may not speak for."""
    if len(message.claims) > CLAIMS_MAX:
        raise BadRequest(f"more than {CLAIMS_MAX} claims in one message")
    if len(message.signals) > SIGNALS_MAX:
        raise BadRequest(f"more than {SIGNALS_MAX} signals in one message")
    if not 0 <= message.seq <= NUMBER_MAX:
        raise BadRequest("seq must be from 0 to 2^53 - 1")
    if message.claims and ("|" in message.incarnation or not message.incarnation.isprintable()):
        raise BadRequest("incarnation must be printable and without '|'")
    seen = set()
    for claim in message.claims:
        _check_claim(claim)
        key = (claim.pool, claim.project, claim.priority)
        if key in seen:
            raise BadRequest(f"two claims on pool {claim.pool!r} for the same project and priority")
        seen.add(key)
        if not allows(claim.project):
            raise Forbidden(f"the token may not claim for project {claim.project!r}")
    for signal in message.signals:
        _check_signal(signal)
        if not allows(signal.target.project):
            raise Forbidden(f"the token may not speak for project {signal.target.project!r}")


def _check_claim(claim: Claim) -> None:
    _texts((claim.pool, claim.project), "a claim")
    numbers = (
        claim.used, claim.target, claim.need, claim.wait_ms, claim.demand_milli, claim.waiters, claim.refused
    )  # fmt: skip
    if min(numbers) < 0 or max(numbers) > NUMBER_MAX:
        raise BadRequest(f"the numbers of the claim on pool {claim.pool!r} must be from 0 to 2^53 - 1")


def _check_signal(signal: VendorSignal) -> None:
    target = signal.target
    texts = (target.provider, target.model, target.modality, target.account, target.project, target.agent)
    _texts((*texts, signal.meter, signal.header), "a signal")
    if signal.kind == "limit" and signal.meter not in METERS:
        raise BadRequest(f"a signal's meter must be one of {', '.join(METERS)}, not {signal.meter!r}")
    numbers = (signal.limit, signal.period_ms, signal.remaining + 1, signal.reset_ms, signal.retry_after_ms)
    if min(numbers) < 0 or max(numbers) > NUMBER_MAX:
        raise BadRequest("the numbers of a signal must be from 0 to 2^53 - 1 (remaining: -1 when not told)")


def _texts(texts: Iterable[str], what: str) -> None:
    for text in texts:
        if len(text) > TEXT_CHARS_MAX or (text and not text.isprintable()):
            raise BadRequest(f"{what} must have texts of at most {TEXT_CHARS_MAX} printable characters")
