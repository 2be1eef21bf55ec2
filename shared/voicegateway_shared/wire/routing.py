"""What `POST /v1/sync` says of routing: how vendors fare at each holder, how they fare at all of them, and the chains.

A report is numbered: said again under the same number it counts once.
"""

from typing import Final, Literal

import msgspec

from voicegateway_shared.routing.chain import Routing

OBSERVED_MAX: Final = 64
"""Targets of one report; a job process meets a handful."""
HEALTH_MAX: Final = 512
"""Targets of one answer; a fleet uses a few dozen."""

BreakerState = Literal["closed", "open", "half_open"]
BreakerCause = Literal["", "errors", "timeouts", "rate_limited", "unauthorized", "disabled"]

TTFB_BOUNDS_MS: Final = (
    10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 126, 158, 200, 251, 316, 398, 501, 631, 794, 1_000, 1_259, 1_585,
    1_995, 2_512, 3_162, 3_981, 5_012, 6_310, 7_943, 10_000, 15_849, 25_119,
)  # fmt: skip
"""Upper bounds of the buckets in which times to first byte are counted, ten to a decade; one more holds the rest."""


class HealthTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a breaker is about: one model at one vendor, reached in one region with one key."""

    provider: str
    model: str = ""
    """Empty: the account as a whole, whose key was refused."""
    modality: str = ""
    account: str = ""
    """The vendor key's fingerprint."""
    region: str = ""
    """Host of an address that is not the vendor's usual one; empty else."""


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the attempts at one target went since the last report that was acknowledged."""

    target: HealthTarget
    ok: int = 0
    failed: int = 0
    """The vendor's fault: 5xx, a connection refused or broken, an answer that made no sense."""
    timed_out: int = 0
    limited: int = 0
    """429."""
    retry_after_ms: int = 0
    """The longest that a vendor told us to stay away; 0: it did not say."""
    unauthorized: int = 0
    """401, 402 or 403: nobody who uses this key fares better."""
    ttfb_counts: tuple[tuple[int, int], ...] = ()
    """(index of the bucket in `TTFB_BOUNDS_MS`, how many), of those that answered."""
    is_probe: bool = False
    """The holder was the prober, and these include its probe."""


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one target fares, by all holders. Times count from the moment the holder sent its message."""

    target: HealthTarget
    state: BreakerState = "closed"
    cause: BreakerCause = ""
    retry_ms: int = 0
    """Open: when the next probe is due, or a disabled one is back (0: when somebody says so). Half open: how long the
    holder who may probe still may; 0 for the others."""
    is_prober: bool = False
    """Half open: this holder, and no other, sends the next request there."""
    is_degraded: bool = False
    """It answers far slower than it did before, while it answers."""
    ttfb_p50_ms: int = 0
    """Of late; 0 while there are too few to tell."""
    ttfb_p95_ms: int = 0
    samples: int = 0


class RoutingReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a sync request that is about routing."""

    tag: str = ""
    """Of the chains the holder knows; empty when it knows none."""
    health_version: int = -1
    """Of the health it knows; -1 when it knows none."""
    number: int = 0
    """Of this report, from 1 up; one that was not acknowledged is said again as it was. 0: nothing is observed."""
    observations: tuple[Observation, ...] = ()


class RoutingAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a sync response that is about routing."""

    tag: str = ""
    routing: Routing | None = None
    """All chains this holder may meet, when the tag it named is not ours."""
    health_version: int = -1
    health: tuple[ModelHealth, ...] | None = None
    """Of every target that is not simply well, or whose times are known; None when the holder's version is ours."""
    number: int = 0
    """The report that was taken."""
