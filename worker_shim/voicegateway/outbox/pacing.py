"""When to try again, as pure rules: full jitter, so that a fleet does not come back all at once."""

from collections.abc import Callable
from typing import Final

BACKOFF_FIRST_S: Final = 0.25
BACKOFF_S_MAX: Final = 15.0
"""After an outage of any length the controller hears of everybody within this time."""
BACKOFF_FLOOR_S: Final = 0.05
RETRY_AFTER_S_MAX: Final = 300.0
"""A controller may ask for five minutes; more is a mistake in somebody's clock."""
RETRY_AFTER_SPREAD: Final = 0.25
"""All who were told the same second come back over this much more of the wait, and over a second at least."""
REFUSED_S: Final = 30.0
"""A wrong token or address is mended by people; look again every 30 to 60 s."""
_DOUBLINGS_MAX: Final = 16

Random = Callable[[], float]
"""Uniform in [0, 1)."""


def backoff_s(failures: int, random: Random) -> float:
    """Seconds to wait after the `failures`-th failure in a row: uniform up to a doubling, capped ceiling."""
    ceiling = min(BACKOFF_S_MAX, BACKOFF_FIRST_S * 2.0 ** min(max(failures, 1) - 1, _DOUBLINGS_MAX))
    return max(BACKOFF_FLOOR_S, random() * ceiling)


def obeyed_s(retry_after_s: float, random: Random) -> float:
    """Seconds to wait when told to: never less than asked, up to our bound, plus jitter."""
    asked = min(max(retry_after_s, 0.0), RETRY_AFTER_S_MAX)
    return asked + random() * max(1.0, asked * RETRY_AFTER_SPREAD)


def refused_s(random: Random) -> float:
    """Seconds until asking again after a refusal that only people can lift."""
    return REFUSED_S * (1.0 + random())
