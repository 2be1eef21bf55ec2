"""What an HTTP answer to a delivery means for its rows. Pure: status, headers and body in, verdict out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final

_MESSAGE_CHARACTERS_MAX: Final = 300


class Verdict(Enum):
    """What to do with the rows that were sent."""

    ACCEPTED = auto()
    """They are the controller's now: delete."""
    MALFORMED = auto()
    """At least one of them cannot be read: find it."""
    TOO_LARGE = auto()
    """Send fewer at once."""
    BUSY = auto()
    """Come back when told."""
    FAILED = auto()
    """Nobody knows whether they arrived: send again later."""
    DENIED = auto()
    """The token is wrong: people must act."""
    MISDIRECTED = auto()
    """Whoever answers there is no controller: people must act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One delivery's outcome."""

    verdict: Verdict
    cause: str = ""
    """In a word or two; the same for the same trouble, so that it is logged once."""
    message: str = ""
    retry_after_s: float | None = None
    rejected: int = 0


_BY_STATUS: Final = {
    400: Verdict.MALFORMED,
    422: Verdict.MALFORMED,
    413: Verdict.TOO_LARGE,
    429: Verdict.BUSY,
    503: Verdict.BUSY,
    401: Verdict.DENIED,
    403: Verdict.DENIED,
    408: Verdict.FAILED,
}


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Answer:
    """Return the verdict on an answer; `headers` looks names up without regard to case."""
    if 200 <= status < 300:
        return _judge_success(headers, body)
    verdict = _BY_STATUS.get(status, Verdict.FAILED if status >= 500 else Verdict.MISDIRECTED)
    text = body[:_MESSAGE_CHARACTERS_MAX].decode("utf-8", "replace")
    return Answer(
        verdict=verdict,
        cause=f"HTTP {status}",
        message=f"HTTP {status} {text}".strip(),
        retry_after_s=_retry_after_s(headers.get("Retry-After"), now=now),
    )


def _judge_success(headers: Mapping[str, str], body: bytes) -> Answer:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    # A login page answers 200 as well; deleting rows on its word would lose them.
    content_type = headers.get("Content-Type", "")
    if content_type.startswith("text/"):
        return _misdirected(f"a {content_type} page instead of an OTLP answer")
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        # JSON, say: the status alone has to do.
        return Answer(verdict=Verdict.ACCEPTED)
    return Answer(
        verdict=Verdict.ACCEPTED,
        rejected=max(0, partial.rejected_spans),
        message=partial.error_message[:_MESSAGE_CHARACTERS_MAX],
    )


def _misdirected(message: str) -> Answer:
    return Answer(verdict=Verdict.MISDIRECTED, cause="not a controller", message=message)


def _retry_after_s(value: str | None, *, now: datetime) -> float | None:
    """Read Retry-After in both its forms, seconds and date; None when absent or nonsense."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None
