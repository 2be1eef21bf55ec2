"""When the next message to the controller may leave, after a failure or when told to wait. Pure."""

from collections.abc import Callable
from typing import Final

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_S_MAX: Final = 2.0
"""A rate's lease lasts 3 s: a controller that is back is heard before most leases have run out."""
RETRY_AFTER_S_MAX: Final = 5.0
"""As long as slots outlive a silent holder; longer, and a busy controller would take them from all."""
RETRY_AFTER_SPREAD: Final = 0.25
_DOUBLINGS_MAX: Final = 8

Random = Callable[[], float]
"""Uniform in [0, 1)."""


def pause_s(failures: int, retry_after_s: float | None, random: Random) -> float:
    """Seconds to be silent after the `failures`-th failure in a row; what the controller asked for comes first."""
    if retry_after_s is not None:
        asked_s = min(max(retry_after_s, 0.0), RETRY_AFTER_S_MAX)
        return min(asked_s * (1.0 + random() * RETRY_AFTER_SPREAD), RETRY_AFTER_S_MAX)
    ceiling_s = min(BACKOFF_S_MAX, BACKOFF_FIRST_S * 2.0 ** min(max(failures, 1), _DOUBLINGS_MAX))
    return BACKOFF_FIRST_S + random() * (ceiling_s - BACKOFF_FIRST_S)
