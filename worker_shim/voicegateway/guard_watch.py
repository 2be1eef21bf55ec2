"""What one session has done under the guards of one budget. Pure: records and the time in, crossed guards out."""

import hashlib
import json
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from voicegateway.limits.lease import NS_PER_S
from voicegateway.record import RequestRecord
from voicegateway_shared.budgets import Guards, LoopGuard

TURNS_MAX: Final = 256
"""Different turns remembered of a session: one that comes back after so many others is no loop."""
MINUTE_S: Final = 60

Guard = Literal["max_cost", "max_cost_per_min", "max_duration_s", "loop"]


@dataclass(slots=True, kw_only=True)
class Loop:
    """When each turn of a session was seen, the last few times. Pure; bounded by `TURNS_MAX` × repeats."""

    turns: "OrderedDict[bytes, deque[int]]" = field(default_factory=OrderedDict)

    def repeats(self, turn: bytes, guard: LoopGuard, now_ns: int) -> bool:
        """Note a turn; say whether it has now been seen `repeats` times within the guard's time."""
        seen = self.turns.pop(turn, None)
        if seen is None or seen.maxlen != guard.repeats:
            seen = deque(seen or (), maxlen=guard.repeats)
        seen.append(now_ns)
        self.turns[turn] = seen
        if len(self.turns) > TURNS_MAX:
            self.turns.popitem(last=False)
        return len(seen) == guard.repeats and now_ns - seen[0] <= guard.within_s * NS_PER_S


@dataclass(slots=True, kw_only=True)
class Watch:
    """What one session has done under the guards of one budget. Pure state, the caller passes the time."""

    since_ns: int
    cost_nano_usd: int = 0
    recent: "deque[tuple[int, int]]" = field(default_factory=deque)
    """Second and cost: at most a minute of them."""
    loop: Loop = field(default_factory=Loop)
    crossed: set[Guard] = field(default_factory=set)
    """Each guard befalls a session once."""

    def spend(self, cost_nano_usd: int, guards: Guards, now_ns: int) -> Iterator[Guard]:
        """Count a cost; yield the guards that it crosses."""
        self.cost_nano_usd += cost_nano_usd
        if guards.max_cost_nano_usd and self.cost_nano_usd >= guards.max_cost_nano_usd:
            yield from self._cross("max_cost")
        most = guards.max_cost_per_min_nano_usd
        if most and self._last_minute(cost_nano_usd, now_ns) >= most:
            yield from self._cross("max_cost_per_min")

    def take_turn(self, turns: Iterable[bytes], guards: Guards, now_ns: int) -> Iterator[Guard]:
        """Note what a language model said and called in one turn; yield the guards that it crosses."""
        if guards.loop is None:
            return
        # All of them are noted, whichever is the one too many.
        repeated = [turn for turn in turns if self.loop.repeats(turn, guards.loop, now_ns)]
        if repeated:
            yield from self._cross("loop")

    def last(self, guards: Guards, now_ns: int) -> Iterator[Guard]:
        """Yield the guards that time alone has crossed."""
        if guards.max_duration_s and now_ns - self.since_ns >= guards.max_duration_s * NS_PER_S:
            yield from self._cross("max_duration_s")

    def _last_minute(self, cost_nano_usd: int, now_ns: int) -> int:
        second = now_ns // NS_PER_S
        if self.recent and self.recent[-1][0] == second:
            cost_nano_usd += self.recent.pop()[1]
        self.recent.append((second, cost_nano_usd))
        while self.recent[0][0] <= second - MINUTE_S:
            self.recent.popleft()
        return sum(cost for _, cost in self.recent)

    def _cross(self, guard: Guard) -> Iterator[Guard]:
        if guard not in self.crossed:
            self.crossed.add(guard)
            yield guard


def turns_of(record: RequestRecord) -> set[bytes]:
    """What a language model said, and each tool it called with which arguments, as short digests."""
    words: list[str] = []
    turns: set[bytes] = set()
    for chunk in record.llm_chunks[record.attempt.chunks_before :]:
        if chunk.delta is None:
            continue
        words.append(chunk.delta.content or "")
        turns |= {_digest(f"{call.name}({_canonical(call.arguments)})") for call in chunk.delta.tool_calls}
    text = " ".join("".join(words).split()).casefold()
    return turns | {_digest(text)} if text else turns


def _canonical(arguments: Any) -> str:
    """Arguments as JSON in one order, or as they are."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, TypeError, RecursionError):
        return str(arguments)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
