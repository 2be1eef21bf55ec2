"""Offline: what a holder does of its own when its lease has ended and no controller answers. Pure.

This is the one place where the fleet's bound rests on a guess: that as many holders go on as shared the limit last.
"""

from typing import Final

from voicegateway_shared.limits import PoolSpec

NS_PER_SHARE: Final = 1_000 * 1_000_000_000
"""Shares are told in units per 1,000 s."""


class OfflineShare:
    """A holder's own little bucket of a rate, empty when its lease ends. Begins anew with each lease."""

    __slots__ = ("_spent_until_ns",)

    def __init__(self) -> None:
        self._spent_until_ns = 0

    def admits(self, spec: PoolSpec, share_milli: int, units: int, *, since_ns: int, now_ns: int) -> bool:
        """Take units if the policy has them. A holder that never heard its share is not held up."""
        if spec.offline != "fair_share":
            return spec.offline == "open"
        if share_milli <= 0:
            return True
        burst_ns = spec.burst_ns
        cost_ns = units * NS_PER_SHARE // share_milli
        begins_ns = max(self._spent_until_ns, since_ns, now_ns - burst_ns)
        # A request larger than the share of a burst waits for all of that, and is paid for afterwards.
        if begins_ns + min(cost_ns, burst_ns) > now_ns:
            return False
        self._spent_until_ns = begins_ns + cost_ns
        return True


def admits_stream(spec: PoolSpec, share_milli: int, quota: int, is_open: int) -> bool:
    """Whether one more stream may be opened: up to what was held last, or a fair share where that is more."""
    if spec.offline != "fair_share":
        return spec.offline == "open"
    return share_milli <= 0 or is_open < max(quota, share_milli // 1000)
