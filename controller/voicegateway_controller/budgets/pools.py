"""The pools of budgets in Redis: one script per claim, all keys of a pool in one slot. May vanish at any time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal

from redis.asyncio import Redis

from voicegateway_controller.limits.scripts import Call, Scripts
from voicegateway_controller.redis_client import AWAY, unavailable
from voicegateway_shared.wire.money import MONEY_KEEP_MS, MoneyClaim, MoneyLease

KEY: Final = "voicegateway:{{budget:{}}}:{}"
PARTS: Final = ("pool", "holders", "expiry", "seeds", "slices", "silent")
SCRIPTS: Final = ("money", "open", "raise_ceiling", "forget", "merge", "release", "look")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what a pool is asked: what is declared of it, as the asker knows it."""

    pool: str
    limit: int
    revision: int
    is_stopping: bool
    is_rolling: bool
    live_ms: int
    """How long the pool's keys are kept from now on."""
    grows: bool = True
    """False for a window that is over: nothing more is granted from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One holder's claim on one pool."""

    claim: MoneyClaim
    terms: Terms
    seed: int | None = None
    """What the ledger has of the holder, where the pool asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cold:
    """The pool was never opened, or lost its memory."""

    seen_us: int
    """The server's time; what is opened must not be opened much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseeded:
    """The pool lost its memory and does not know how much of the holder's counter is counted already."""

    until_us: int
    """What the ledger has of it until this instant is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """The answer to a claim, and what the pool would need to give more."""

    lease: MoneyLease
    epoch: int
    ceiling: int
    needs: int
    """The ceiling that all that is fair would take; 0 when it is high enough."""
    is_short: bool
    """True when the waiting request went without only because the ceiling is too low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """With what a pool is opened."""

    seen_us: int
    epoch: int
    ceiling: int
    unknown: int
    spent: int
    seeds: Mapping[str, int]
    """What the ledger has of each holder that was charged anything lately."""
    slices: Mapping[int, int]
    """What the ledger has of each slice, of a rolling day."""
    gone: int = 0
    """What a rolling day has forgotten since it was first opened; the ceiling counts it, the amount does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A pool at one instant, for people; amounts in nano-dollars."""

    limit: int
    spent: int
    outstanding: int
    """Leased and not yet told as spent."""
    unknown: int
    """What may have been leased before the pool lost its memory, and has not been heard of since."""
    ceiling: int
    """No more than this was ever released."""
    epoch: int
    revision: int
    holders: int
    silent: int
    """Holders that said nothing for so long that they lost their leases."""
    opened_at_us: int
    """When this epoch began, by the server's clock."""
    is_unbacked: bool
    """The ceiling was raised while Postgres was away."""
    is_cold: bool = False
    """The pool lost its memory, and nobody has asked since: these are numbers of before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A pool after the ledger's sum was merged in."""

    state: BudgetState
    silent: tuple[str, ...]
    """Some of the holders whose own sums the pool would like to know."""


class BudgetPools:
    """All budgets' pools of one Redis. Lives as long as the client it is given; holds no state of its own."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis, {name: script_text(name) for name in SCRIPTS})

    @property
    def is_overloaded(self) -> bool:
        """Whether a claim that comes now would be refused."""
        return self._scripts.is_full

    async def lease(
        self, incarnation: str, seq: int, asked: Sequence[Asked], *, is_leaving: bool = False
    ) -> list[Leased | Cold | Unseeded]:
        """Hear a holder's claims and answer each, in their order; idempotent by (incarnation, seq). One round trip.

        Raises:
            RedisUnavailable: nothing is known of what became of them; the holder says them again.
            Overloaded: nothing was done.
        """
        calls = [
            Call("money", keys(each.terms.pool), money_arguments(incarnation, seq, each, is_leaving=is_leaving))
            for each in asked
        ]
        answers = await self._scripts.run(calls)
        return [read_money(each.claim, answer) for each, answer in zip(asked, answers, strict=True)]

    async def open(self, terms: Terms, opening: Opening) -> Literal["opened", "open", "late"]:
        """Open a cold pool. `open`: it is already; `late`: ask again whether it is cold. Raises RedisUnavailable."""
        [answer] = await self._scripts.run([Call("open", keys(terms.pool), open_arguments(terms, opening))])
        found: Literal["opened", "open", "late"] = answer.decode()
        return found

    async def raise_ceiling(self, pool: str, *, epoch: int, ceiling: int, is_backed: bool = True) -> bool:
        """Release more; say whether the pool is still the one of that epoch. Raises RedisUnavailable."""
        arguments = [epoch, ceiling, int(is_backed)]
        [(is_ours, _)] = await self._scripts.run([Call("raise_ceiling", keys(pool), arguments)])
        return bool(is_ours)

    async def forget(self, pool: str, *, epoch: int) -> None:
        """Make a pool cold, unless it is of another epoch by now. Raises RedisUnavailable."""
        await self._scripts.run([Call("forget", keys(pool), [epoch])])

    async def merge(self, sums: Iterable[tuple[Terms, int]]) -> list[Merged | None]:
        """Raise what is spent to what the ledger has; None for a pool that is cold. Raises RedisUnavailable."""
        calls = [Call("merge", keys(terms.pool), [max(0, total), terms.revision, terms.limit]) for terms, total in sums]
        return [read_merged(answer) for answer in await self._scripts.run(calls)]

    async def release(self, pool: str, incarnation: str, *, total: int, before: int, is_dead: bool) -> bool:
        """Raise what a dead or silent holder has used to what the ledger has; the dead give back all they held.

        `before` is its sum until shortly before the pool was opened. Raises RedisUnavailable.
        """
        arguments = [incarnation, max(0, total), max(0, before), int(is_dead)]
        [answer] = await self._scripts.run([Call("release", keys(pool), arguments)])
        return bool(answer)

    async def known_of(self, pool: str, incarnations: Sequence[str]) -> list[str]:
        """Return those of some holders that a pool has a record of. Raises RedisUnavailable."""
        if not incarnations:
            return []
        try:
            records = await self._redis.hmget(keys(pool)[1], list(incarnations))
        except AWAY as error:
            raise unavailable(error) from error
        return [name for name, record in zip(incarnations, records, strict=True) if record is not None]

    async def look(self, pool: str) -> BudgetState | None:
        """Return how a pool is, None when it was never opened or has expired. Raises RedisUnavailable."""
        return (await self.look_at([pool]))[0]

    async def look_at(self, pools: Sequence[str]) -> list[BudgetState | None]:
        """Return how some pools are, in one round trip. Raises RedisUnavailable."""
        answers = await self._scripts.run([Call("look", keys(pool), []) for pool in pools])
        return [_state(flat, silent=silent, is_cold=not is_open) for flat, is_open, silent, _ in answers]

    async def now_us(self, pool: str) -> tuple[bool, int]:
        """Say whether a pool is open, and what its server's clock shows. Raises RedisUnavailable."""
        [(_, is_open, _, now)] = await self._scripts.run([Call("look", keys(pool), [])])
        return bool(is_open), int(now)


def script_text(name: str) -> str:
    """Return a script as Redis gets it: what all of them begin with, then itself."""
    folder = files("voicegateway_controller.budgets") / "lua"
    return (folder / "pool.lua").read_text() + (folder / f"{name}.lua").read_text()


def keys(pool: str) -> list[str]:
    """Return the keys of a pool, in the order in which every script wants them."""
    return [KEY.format(pool, part) for part in PARTS]


def money_arguments(incarnation: str, seq: int, asked: Asked, *, is_leaving: bool) -> list[Any]:
    """Return the arguments of money.lua."""
    claim, terms = asked.claim, asked.terms
    seed = "" if asked.seed is None else asked.seed
    return [
        incarnation, seq, claim.used, claim.granted, claim.target, claim.need, claim.waiters, claim.refused, seed,
        terms.revision, terms.limit, int(terms.is_stopping), int(is_leaving), int(terms.grows), terms.live_ms,
    ]  # fmt: skip


def open_arguments(terms: Terms, opening: Opening) -> list[Any]:
    """Return the arguments of open.lua."""
    pairs = (part for each in (opening.seeds, opening.slices) for pair in each.items() for part in pair)
    return [
        opening.seen_us, opening.epoch, opening.ceiling, opening.unknown, opening.spent, opening.gone, terms.limit,
        terms.revision, int(terms.is_rolling), terms.live_ms, len(opening.seeds), *pairs,
    ]  # fmt: skip


def read_money(claim: MoneyClaim, answer: Sequence[Any]) -> Leased | Cold | Unseeded:
    """Return the answer of money.lua."""
    state = answer[0].decode()
    if state == "cold":
        return Cold(seen_us=int(answer[1]))
    if state == "unseeded":
        return Unseeded(until_us=int(answer[1]))
    granted, retry_ms, is_scarce, is_over, needs, ceiling, epoch = map(int, answer[1:])
    lease = MoneyLease(
        pool=claim.pool,
        state=state,
        granted=granted,
        ttl_ms=MONEY_KEEP_MS,
        retry_ms=retry_ms,
        is_scarce=bool(is_scarce),
        is_over=bool(is_over),
    )
    is_short = state == "ok" and granted < claim.need and needs > 0
    return Leased(lease=lease, epoch=epoch, ceiling=ceiling, needs=needs, is_short=is_short)


def read_merged(answer: Sequence[Any]) -> Merged | None:
    """Return the answer of merge.lua."""
    if answer[0] == b"cold":
        return None
    _, flat, silent = answer
    state = _state(flat, silent=len(silent), is_cold=False)
    return None if state is None else Merged(state=state, silent=tuple(name.decode() for name in silent))


def _state(flat: Sequence[bytes], *, silent: int, is_cold: bool) -> BudgetState | None:
    fields = {flat[index].decode(): flat[index + 1].decode() for index in range(0, len(flat), 2)}
    if "boot" not in fields:
        return None
    numbers = {name: int(value) for name, value in fields.items() if name != "boot"}
    return BudgetState(
        **{name: numbers[name] for name in ("limit", "spent", "outstanding", "unknown", "ceiling")},
        **{name: numbers[name] for name in ("epoch", "revision", "holders")},
        silent=silent,
        opened_at_us=numbers["opened_at"],
        is_unbacked=bool(numbers["unbacked"]),
        is_cold=is_cold,
    )
