"""Pool: the fleet-wide quantity behind one limit, as the controller tells it to holders."""

from collections.abc import Mapping
from math import gcd
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from voicegateway_shared.limits.selector import Selector

LimitMeter = Literal["requests", "tokens", "characters", "audio_ms", "sessions", "slots"]
METERS: Final[tuple[LimitMeter, ...]] = ("requests", "tokens", "characters", "audio_ms", "sessions", "slots")
METERS_OF: Final[Mapping[str, frozenset[LimitMeter]]] = MappingProxyType(
    {
        "llm": frozenset(("requests", "tokens", "slots")),
        "stt": frozenset(("requests", "audio_ms", "sessions", "slots")),
        "tts": frozenset(("requests", "characters", "sessions", "slots")),
        "realtime": frozenset(("requests", "tokens", "audio_ms", "sessions", "slots")),
    }
)
"""What a request of a modality can spend: a provider's limit of characters does not stop its language models."""
OfflinePolicy = Literal["fair_share", "open", "closed"]

RATE_LEASE_MS: Final = 3_000
"""How long leased units of a rate may be spent. Also the pause of new grants after Redis lost its memory."""
SLOT_LEASE_MS: Final = 5_000
"""How long slots outlive a silent holder."""
EXACT_MAX: Final = 2**52
"""Lua's numbers are doubles, exact up to 2^53; a level is at most a burst, and a debt as large."""


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pool. A rate has `units` per `period_ms` and a `burst`; a concurrency limit has `slots`."""

    id: str
    """`<limit's name>:<key>`, such as `openai-mini:tokens_per_min`; the hash tag of its keys in Redis."""
    limit: str
    meter: LimitMeter
    selector: Selector
    units: int = 0
    period_ms: int = 0
    burst: int = 0
    slots: int = 0
    weights: dict[str, int] = {}
    """Project: weight; 1 for a project that is not named."""
    min_shares_permille: dict[str, int] = {}
    """Project: its share of the limit that others use only while it does not ask for it."""
    offline: OfflinePolicy = "fair_share"
    """What holders do when no controller can be reached."""

    @property
    def is_rate(self) -> bool:
        """True for units per time, False for slots."""
        return self.meter != "slots"

    @property
    def lease_ms(self) -> int:
        """How long a lease of this pool lasts."""
        return RATE_LEASE_MS if self.is_rate else SLOT_LEASE_MS

    @property
    def rate_per_s(self) -> float:
        """For display and advice; what is enforced is `scaled_rate`."""
        return self.units * 1000 / self.period_ms if self.period_ms else 0.0

    @property
    def burst_ns(self) -> int:
        """How long a rate's whole burst takes to accrue; slots have none."""
        return self.burst * self.period_ms * 1_000_000 // self.units

    def scaled_rate(self) -> tuple[int, int]:
        """Return (n, d): n / d units accrue per microsecond, so that levels counted in 1/d units stay whole.

        Reduced, and where burst × d would leave the whole numbers of a double, rounded down to a d that does not.
        """
        period_us = self.period_ms * 1000
        common = gcd(self.units, period_us)
        n, d = self.units // common, period_us // common
        d_max = EXACT_MAX // (4 * max(1, self.burst))
        if d > d_max:
            n, d = n * d_max // d, d_max
        return n, d
