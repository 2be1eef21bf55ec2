"""Who guesses tokens is made to wait: counted by address and by token id, in Redis, in memory while that is away."""

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis

from voicegateway_controller import metrics
from voicegateway_controller.access.errors import TooManyGuesses
from voicegateway_controller.logs import get_logger
from voicegateway_controller.redis_client import AWAY

GUESSES_MAX: Final = 20
"""Different wrong tokens in a window: people paste wrongly, and a fleet has one wrong token, again and again."""
WINDOW_S: Final = 60
"""Counted from the first wrong one, and how long who is over it waits."""
COUNTED_MAX: Final = 10_000
"""Addresses and ids remembered by one process; the oldest goes first."""
SEEN_MAX: Final = 10_000
"""Wrong tokens remembered by one process, as digests: the same one again is a mistake, and no new guess."""
SEEN_S: Final = 600.0
IPV6_PREFIX: Final = 64
"""One network of IPv6 is one address: whoever has one, has all of it."""
_KEY: Final = "voicegateway:guesses:{}"

_log = get_logger(__name__)


class Guesses:
    """Counts wrong tokens for one process; lives as long as it, and holds nothing that needs closing.

    Asking whether an address must wait costs no round trip: only a wrong token is told to Redis, which then says how
    many others the whole installation saw.
    """

    def __init__(self, redis: Redis, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._monotonic = monotonic
        self._held: OrderedDict[str, float] = OrderedDict()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def refuse_held(self, address: str) -> None:
        """Raise TooManyGuesses while an address must wait."""
        until_s = self._held.get(_by_address(address), 0.0)
        if (left_s := until_s - self._monotonic()) > 0:
            metrics.ACCESS_REFUSED.labels("held").inc()
            raise _too_many(left_s)

    async def note(self, address: str, text: str, *, token_id: str) -> None:
        """Count a wrong token; raise TooManyGuesses when there were too many, from this address or for this id.

        Who has the right token of that id is never made to wait for those who guess it.
        """
        metrics.ACCESS_REFUSED.labels("unknown").inc()
        if self._was_seen(text):
            return
        names = [_by_address(address), *([_by_id(token_id)] if token_id else [])]
        counts = [self._count_here(name) for name in names]
        try:
            shared = await self._count_in_redis(names)
            counts = [max(pair) for pair in zip(counts, shared, strict=True)]
        except AWAY as error:
            _log.warning("guesses.counted_here_alone", error=str(error) or type(error).__name__)
        if counts[0] > GUESSES_MAX:
            self._hold(names[0])
        if max(counts) > GUESSES_MAX:
            metrics.ACCESS_REFUSED.labels("held").inc()
            # Once per window and subject, not once per guess: who guesses must not fill the log as well.
            if GUESSES_MAX + 1 in counts:
                _log.warning("access.guessed", address=address, token_id=token_id[:32], guesses=max(counts))
            raise _too_many(WINDOW_S)

    def _was_seen(self, text: str) -> bool:
        digest = hashlib.sha256(text.encode(errors="replace")).digest()
        now_s = self._monotonic()
        seen_s = self._seen.get(digest)
        if seen_s is not None and now_s - seen_s < SEEN_S:
            return True
        _put(self._seen, digest, now_s, most=SEEN_MAX)
        return False

    def _count_here(self, name: str) -> int:
        now_s = self._monotonic()
        began_s, count = self._counts.get(name, (now_s, 0))
        if now_s - began_s >= WINDOW_S:
            began_s, count = now_s, 0
        _put(self._counts, name, (began_s, count + 1), most=COUNTED_MAX)
        return count + 1

    async def _count_in_redis(self, names: list[str]) -> list[int]:
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            pipeline.incr(_KEY.format(name))
            pipeline.expire(_KEY.format(name), WINDOW_S, nx=True)
        answers: list[Any] = await pipeline.execute()
        return [int(answer) for answer in answers[::2]]

    def _hold(self, name: str) -> None:
        _put(self._held, name, self._monotonic() + WINDOW_S, most=COUNTED_MAX)


def _put(entries: "OrderedDict[Any, Any]", key: Any, value: Any, *, most: int) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > most:
        entries.popitem(last=False)


def _too_many(left_s: float) -> TooManyGuesses:
    return TooManyGuesses(
        f"more than {GUESSES_MAX} different wrong tokens came within {WINDOW_S} s: wait, and check the token",
        retry_after_s=max(1, int(left_s + 0.999)),
    )


def _by_address(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False)}"
    return f"address:{parsed}"


def _by_id(token_id: str) -> str:
    """Ids come from whoever guesses: their length is bounded, and what they hold is no part of a key."""
    return f"id:{hashlib.sha256(token_id.encode(errors='replace')).hexdigest()[:32]}"
