"""How one attempt to deliver ended, and when the next one is due. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from voicegateway_controller.errors import ControllerError

ATTEMPTS_MAX: Final = 16
"""With the pauses below some seven hours: a night's outage of a mail server is survived, a dead address is not."""
PAUSE_FIRST_S: Final = 5.0
PAUSE_MAX_S: Final = 3_600.0
RETRY_AFTER_MAX_S: Final = 86_400.0
"""Whoever asks for more is asked again after a day."""
ERROR_CHARS_MAX: Final = 500


class NotDelivered(ControllerError):
    """A channel did not take an alert. `is_final`: sending it again unchanged cannot help."""

    code = "alert_not_delivered"

    def __init__(self, message: str, *, is_final: bool, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds."""

    after_s: float


def next_attempt(error: NotDelivered, *, attempts: int, chance: Callable[[], float]) -> Retry | None:
    """Return when to try again after so many attempts, None when it is given up. `chance` is from 0 to 1."""
    if error.is_final or attempts >= ATTEMPTS_MAX:
        return None
    pause_s = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** (attempts - 1)) * (0.5 + chance() / 2)
    return Retry(max(pause_s, min(error.retry_after_s, RETRY_AFTER_MAX_S)))


def is_final_status(status: int) -> bool:
    """Say whether an answer other than 2xx can never change by itself: redirects and most of 4xx."""
    return 300 <= status < 500 and status not in (408, 429)


def retry_after_s(header: str | None, *, now: datetime) -> float:
    """Read `Retry-After`, seconds or a date; 0 for none and for what is neither."""
    if not header:
        return 0.0
    text = header.strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
