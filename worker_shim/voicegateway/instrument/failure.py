"""Failure: what is noted of an attempt that its vendor did not bring to a good end."""

from typing import Final

from voicegateway.health.observing import observe_attempt
from voicegateway.instrument import vendor_signals
from voicegateway.record import RequestRecord
from voicegateway.runtime import Runtime

HTTP_REFUSALS: Final = range(400, 600)
"""Statuses of a request that a vendor did not take; a websocket's close codes begin at 1000."""


def attempt_failed(record: RequestRecord, runtime: Runtime, error: BaseException | None) -> None:
    """Note what became of the running attempt, for the ledger and for the fleet; never raises."""
    if error is None:
        return
    note_error(record, error)
    vendor_signals.note_error(record, runtime, error)
    observe_attempt(record, runtime, error)


def note_error(record: RequestRecord, error: BaseException) -> None:
    """Keep what the vendor said; a later successful attempt leaves it as the reason of the retry."""
    record.error_type = type(error).__name__
    record.attempt.is_timed_out = record.error_type == "APITimeoutError"
    # A plugin may let the error of its HTTP client pass (AssemblyAI's transcription does), which has a `status`.
    status = getattr(error, "status_code", getattr(error, "status", None))
    if isinstance(status, int):
        record.status_code = status
        record.error_type = str(status) if status > 0 else record.error_type
        record.attempt.is_refused = status in HTTP_REFUSALS
