"""What vendors say: the limits they tell are kept for people to see, a 429 pauses the pools it is about."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller import metrics
from voicegateway_controller.limits.pools import Pools
from voicegateway_controller.redis_client import AWAY, unavailable
from voicegateway_shared.limits import PoolSpec, Selector, Target
from voicegateway_shared.wire.sync import VendorSignal

PAUSE_DEFAULT_MS: Final = 1_000
"""When a vendor answered 429 and did not say for how long."""
PAUSE_MAX_MS: Final = 300_000
"""A vendor that asks for more, or a worker that lies, stops nobody for longer than this."""
LEARNED_TTL_MS: Final = 3_600_000
LEARNED_MAX: Final = 200
"""A fleet uses a few dozen models and accounts; the oldest goes first."""
KEYS: Final = ("voicegateway:{learned}:limits", "voicegateway:{learned}:heard")


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that a vendor told in an answer."""

    provider: str
    model: str
    modality: str
    account: str
    meter: str
    limit: int
    period_ms: int
    """0 where the vendor does not tell it."""
    remaining: int
    """-1 where the vendor does not tell it."""
    reset_ms: int
    header: str
    age_ms: int = 0

    def concerns(self, pool: PoolSpec) -> bool:
        """Say whether this may stand beside a pool: the same meter, and requests that both are about."""
        return self.meter == pool.meter and _vendor_part(pool.selector).matches(
            Target(provider=self.provider, model=self.model, modality=self.modality, account=self.account)
        )


_decode: Final = msgspec.json.Decoder(Learned).decode


class Signals:
    """Hears vendors through workers; lives as long as the client it is given."""

    def __init__(self, redis: Redis, pools: Pools) -> None:
        self._pools = pools
        self._learn = redis.register_script(_script("learn"))
        self._learned = redis.register_script(_script("learned"))

    async def hear(self, signals: Sequence[VendorSignal], pools: Iterable[PoolSpec]) -> None:
        """Keep the limits told, pause the pools refused. Any number of times. Raises RedisUnavailable."""
        for signal in signals:
            metrics.LIMIT_SIGNALS.labels(signal.kind).inc()
        for pool_id, pause_ms in pauses(signals, pools).items():
            await self._pools.pause(pool_id, pause_ms)
            metrics.LIMIT_PAUSES.inc()
        await self._keep([signal for signal in signals if signal.kind == "limit"])

    async def learned(self) -> list[Learned]:
        """Return what vendors told within LEARNED_TTL_MS, by provider and model. Raises RedisUnavailable."""
        try:
            answer: Any = await self._learned(keys=list(KEYS))
        except AWAY as error:
            raise unavailable(error) from error
        texts, heard, now_ms = _pairs(answer[0]), _pairs(answer[1]), int(answer[2])
        found = []
        for field, heard_ms in heard.items():
            age_ms = max(0, now_ms - int(heard_ms))
            if field in texts and age_ms < LEARNED_TTL_MS:
                found.append(msgspec.structs.replace(_decode(texts[field]), age_ms=age_ms))
        return sorted(found, key=lambda each: (each.provider, each.model, each.account, each.meter, each.period_ms))

    async def _keep(self, signals: Sequence[VendorSignal]) -> None:
        if not signals:
            return
        arguments: list[Any] = [LEARNED_TTL_MS, LEARNED_MAX]
        for signal in signals:
            told = _learned(signal)
            of = (told.provider, told.model, told.modality, told.account, told.meter, told.period_ms)
            arguments += [msgspec.json.encode(of), msgspec.json.encode(told)]
        try:
            await self._learn(keys=list(KEYS), args=arguments)
        except AWAY as error:
            raise unavailable(error) from error


def pauses(signals: Iterable[VendorSignal], pools: Iterable[PoolSpec]) -> dict[str, int]:
    """Return which pools the 429s among these are about, and for how many ms each must rest."""
    found: dict[str, int] = {}
    refusals = [signal for signal in signals if signal.kind == "refused"]
    if not refusals:
        return found
    for pool in pools:
        for signal in refusals:
            if _is_a_vendors(pool.selector) and pool.selector.matches(signal.target):
                pause_ms = min(signal.retry_after_ms or PAUSE_DEFAULT_MS, PAUSE_MAX_MS)
                found[pool.id] = max(found.get(pool.id, 0), pause_ms)
    return found


def _script(name: str) -> str:
    return (files("voicegateway_controller.limits") / "lua" / f"{name}.lua").read_text()


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _is_a_vendors(selector: Selector) -> bool:
    """A limit on projects or agents alone is our own: a vendor's 429 says nothing about it."""
    return bool(selector.provider or selector.account or selector.model)


def _learned(signal: VendorSignal) -> Learned:
    return Learned(
        provider=signal.target.provider,
        model=signal.target.model,
        modality=signal.target.modality,
        account=signal.target.account,
        meter=signal.meter,
        limit=signal.limit,
        period_ms=signal.period_ms,
        remaining=signal.remaining,
        reset_ms=signal.reset_ms,
        header=signal.header,
    )


def _vendor_part(selector: Selector) -> Selector:
    """A vendor knows nothing of our projects and agents."""
    return msgspec.structs.replace(selector, project="", agent="")
