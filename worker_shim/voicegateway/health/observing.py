"""Observing: what the end of an attempt says of its vendor. Called by the hooks of requests; never raises.

Only what is the vendor's doing counts: a request that it rightly refused, one that we refused, and one that was
cancelled before its first byte say nothing.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from voicegateway.causes import causes
from voicegateway.health.breaker import Observed
from voicegateway.health.target import target_of
from voicegateway.limits.vendor_headers import told_to_wait_ms
from voicegateway.record import RequestRecord
from voicegateway.runtime import Runtime

KEY_STATUSES: Final = frozenset((401, 402, 403))
LIMIT_STATUS: Final = 429
TIMEOUT_STATUSES: Final = frozenset((408, 504))
HTTP_STATUSES: Final = range(100, 600)
KEY_CLOSES: Final = frozenset((4001, 4002, 4003))
"""Close codes of websockets with which vendors refuse a key, or its balance."""
LIMIT_CLOSES: Final = frozenset((1013, 4029))
OUR_CLOSES: Final = frozenset((1000, 1003, 1007, 1008, 1009))
"""What was sent was wrong, or all is well."""
OWN_CLOSES: Final = range(3000, 5000)
"""A vendor's own: most are about what was sent."""


def attempt_began(record: RequestRecord, runtime: Runtime) -> None:
    """A vendor is about to be asked: if this is the probe of an open breaker, it is the only one."""
    if runtime.health.is_all_well:
        return
    try:
        runtime.health.began(target_of(record.facts, record.model))
    except Exception as error:  # noqa: BLE001 - what is known of vendors must not fail a call
        runtime.hook_failed("health.began", error)


def observe_attempt(record: RequestRecord, runtime: Runtime, error: BaseException | None) -> None:
    """Note how an attempt ended: `error` is what it raised, None when it ended well. Said twice it counts once."""
    try:
        outcome = _outcome(record, error)
        attempt = record.attempt
        if outcome is None or outcome == attempt.observed or (outcome == "ok" and attempt.observed):
            return
        attempt.observed = outcome
        wait_ms = 0 if outcome != "limited" or error is None else _wait_ms(error)
        runtime.health.observe(
            target_of(record.facts, record.model),
            outcome=outcome,
            ttfb_ns=_ttfb_ns(record) if outcome == "ok" else -1,
            retry_after_ms=wait_ms,
        )
    except Exception as ours:  # noqa: BLE001 - what is known of vendors must not fail a call
        runtime.hook_failed("health.observe", ours)


def _outcome(record: RequestRecord, error: BaseException | None) -> Observed | None:
    if error is None:
        # One that was overtaken was stopped by us.
        return "ok" if is_answered(record) and not (record.is_turned_away or record.passed_on) else None
    if isinstance(error, asyncio.CancelledError):
        return "ok" if is_answered(record) else None
    status = next((found for each in causes(error) if (found := _status(each)) is not None), None)
    if status is not None:
        return outcome_of_status(status)
    name = type(error).__name__
    if name == "APITimeoutError" or isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "timed_out"
    # Everything else of LiveKit's is a connection that broke, or an answer that was none.
    is_vendors = name.startswith("API") or isinstance(error, OSError)
    return "failed" if is_vendors else None


def is_answered(record: RequestRecord) -> bool:
    """Whether its vendor brought something: a stream may end before it was given anything to answer to."""
    return record.ttfb_ns >= 0 or record.attempt.is_answered or (record.modality == "stt" and record.chunks > 0)


def _ttfb_ns(record: RequestRecord) -> int:
    """From asking the vendor; -1 where that is not known: a retry, or speech that is heard as it is spoken."""
    if record.attempts != 1 or record.ttfb_ns < 0 or (record.modality == "stt" and record.mode != "batch"):
        return -1
    # Of speech the time counts from when the text was sent.
    waited_ns = 0 if record.modality == "tts" else record.admission_wait_ns
    return max(0, record.ttfb_ns - waited_ns)


def outcome_of_status(status: int) -> Observed | None:
    """What a status of an answer, or the code with which a websocket was closed, says of the vendor."""
    if status in KEY_STATUSES or status in KEY_CLOSES:
        return "unauthorized"
    if status == LIMIT_STATUS or status in LIMIT_CLOSES:
        return "limited"
    if status in TIMEOUT_STATUSES:
        return "timed_out"
    if status in HTTP_STATUSES:
        return "failed" if status >= 500 else None
    return None if status in OUR_CLOSES or status in OWN_CLOSES else "failed"


def _status(error: BaseException) -> int | None:
    for name in ("status_code", "status"):
        found = getattr(error, name, None)
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return None


def _wait_ms(error: BaseException) -> int:
    """How long the vendor wants us away, where its answer is kept; 0 when it did not say."""
    for each in causes(error):
        for holder in (each, getattr(each, "response", None)):
            headers = getattr(holder, "headers", None)
            if isinstance(headers, Mapping):
                return told_to_wait_ms(headers, now=datetime.now(UTC))
    return 0
