"""The pools in Redis: one script per claim, every pool's keys in one slot of a cluster. May vanish at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from redis.asyncio import Redis

from voicegateway_controller.limits.scripts import Call, Scripts
from voicegateway_shared.limits import PoolSpec
from voicegateway_shared.wire import Claim, Lease
from voicegateway_shared.wire.sync import LeaseState

KEY: Final = "voicegateway:{{pool:{}}}:{}"
PARTS: Final = ("bucket", "holders", "expiry", "classes")
PRIORITIES: Final = {"live": "0", "batch": "1"}
"""First character of a class: the lower is served first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """What a pool looks like at one instant, for people; units are the pool's meter's."""

    outstanding: int
    """Leased and not yet reported spent; for slots, leased."""
    level: int
    """What can be granted now, negative while a debt is repaid; for slots, how many are free."""
    spent: int
    holders: int
    learning_ms: int
    paused_ms: int


class Pools:
    """All pools of one Redis. Lives as long as the client it is given; holds no state of its own."""

    def __init__(self, redis: Redis) -> None:
        self._scripts = Scripts(redis)

    @property
    def is_overloaded(self) -> bool:
        """Whether a claim that comes now would be refused."""
        return self._scripts.is_full

    async def lease(
        self, incarnation: str, seq: int, claims: Sequence[Claim], specs: Mapping[str, PoolSpec], *, revision: int
    ) -> list[Lease]:
        """Hear a holder's claims and answer each, in their order; idempotent by (incarnation, seq).

        A claim on a pool that `specs` does not have is answered `unknown`. One round trip for all.

        Raises:
            RedisUnavailable: nothing is known of what became of them; the holder says them again.
        """
        known = [(claim, specs[claim.pool]) for claim in claims if claim.pool in specs]
        answers = iter(
            await self._scripts.run(
                [
                    Call(
                        "rate" if spec.is_rate else "slots",
                        _keys(spec.id),
                        _arguments(incarnation, seq, claim, spec, revision),
                    )
                    for claim, spec in known
                ]
            )
        )
        return [
            _lease(claim, specs[claim.pool], next(answers))
            if claim.pool in specs
            else Lease(pool=claim.pool, project=claim.project, priority=claim.priority, state="unknown")
            for claim in claims
        ]

    async def provision(self, spec: PoolSpec, *, revision: int) -> bool:
        """Make a pool that was just declared begin full; does nothing when it exists. Raises RedisUnavailable.

        Only for a limit that is new: a pool that lost its memory must learn first, and does so by itself.
        """
        n, d = spec.scaled_rate() if spec.is_rate else (spec.slots, 1)
        kind = "rate" if spec.is_rate else "slots"
        [made] = await self._scripts.run([Call("provision", _keys(spec.id)[:3], [kind, revision, n, d, spec.burst])])
        return bool(made)

    async def pause(self, pool_id: str, pause_ms: int) -> None:
        """Grant nothing from a pool for a while, whoever asks. Raises RedisUnavailable."""
        await self._scripts.run([Call("pause", _keys(pool_id)[:1], [pause_ms])])

    async def look(self, spec: PoolSpec) -> PoolState | None:
        """Return how a pool is now, None when it was never used or is forgotten. Raises RedisUnavailable."""
        bucket, _, expiry, _ = _keys(spec.id)
        [(flat, holders, seconds, microseconds)] = await self._scripts.run([Call("look", [bucket, expiry], [])])
        fields = [each.decode() for each in flat]
        state = dict(zip(fields[::2], fields[1::2], strict=True))
        if "boot" not in state:
            return None
        now_us = int(seconds) * 1_000_000 + int(microseconds)
        outstanding = int(state["outstanding"])
        level = int(state["level"]) // int(state["d"]) if spec.is_rate else int(state["slots"]) - outstanding
        if spec.is_rate and int(state["learn_until"]) <= now_us:
            accrued = int(state["n"]) * max(0, now_us - int(state["at"])) // int(state["d"])
            level = max(level, min(level + accrued, int(state["burst"]) - outstanding))
        return PoolState(
            outstanding=outstanding,
            level=level,
            spent=int(state.get("spent", 0)),
            holders=holders,
            learning_ms=max(0, int(state["learn_until"]) - now_us) // 1000,
            paused_ms=max(0, int(state["pause_until"]) - now_us) // 1000,
        )


def _keys(pool_id: str) -> list[str]:
    return [KEY.format(pool_id, part) for part in PARTS]


def _arguments(incarnation: str, seq: int, claim: Claim, spec: PoolSpec, revision: int) -> list[Any]:
    class_name = f"{PRIORITIES[claim.priority]}|{claim.project}"
    weight = spec.weights.get(claim.project, 1)
    min_share = spec.min_shares_permille.get(claim.project, 0)
    if spec.is_rate:
        n, d = spec.scaled_rate()
        return [
            class_name, incarnation, seq, claim.used, claim.target, claim.need, claim.wait_ms, claim.demand_milli,
            claim.waiters, claim.refused, revision, n, d, spec.burst, spec.lease_ms, weight, min_share,
        ]  # fmt: skip
    return [
        class_name, incarnation, seq, claim.used, claim.target, claim.waiters, claim.refused, revision, spec.slots,
        spec.lease_ms, weight, min_share,
    ]  # fmt: skip


def _lease(claim: Claim, spec: PoolSpec, answer: Sequence[Any]) -> Lease:
    state, granted, ttl_ms, own_ms, retry_ms, share_milli = answer
    return Lease(
        pool=claim.pool,
        project=claim.project,
        priority=claim.priority,
        state=cast(LeaseState, state.decode()),
        granted=int(granted),
        ttl_ms=ttl_ms,
        ready_ms=own_ms if spec.is_rate else 0,
        keep_ms=0 if spec.is_rate else own_ms,
        retry_ms=retry_ms,
        share_milli=share_milli,
    )
