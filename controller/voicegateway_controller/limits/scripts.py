"""The pools' scripts: whatever is asked for while Redis is answering goes there together as soon as it has.

One message's scripts cost most of their time in the client. Sent together with those of others they cost a third, and
a process needs two connections instead of one for each message.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from voicegateway_controller.errors import Overloaded
from voicegateway_controller.redis_client import AWAY, unavailable

_NAMES: Final = ("rate", "slots", "pause", "provision", "look")
TOGETHER_MAX: Final = 128
"""Scripts in one round trip: some ten milliseconds of Redis, in which it serves nobody else."""
SENDERS_MAX: Final = 2
"""Round trips at once, so that Redis works while the next batch is packed."""
WAITING_MAX: Final = 1_024
"""Scripts that wait, some tenths of a second: who comes later would hear the answer too late to use it."""
RETRY_AFTER_S: Final = 1


@dataclass(frozen=True, slots=True)
class Call:
    """One script with its keys, which are all of one pool, and arguments."""

    name: str
    keys: Sequence[str]
    arguments: Sequence[Any]


@dataclass(slots=True)
class _Lane:
    """What waits for one server."""

    waiting: deque[tuple[Call, "asyncio.Future[Any]"]] = field(default_factory=deque)
    senders: set["asyncio.Task[None]"] = field(default_factory=set)


class Scripts:
    """Lives as long as the client it is given; used from one event loop. `texts` are Lua by name: the limits' own."""

    def __init__(self, redis: Redis, texts: Mapping[str, str] | None = None) -> None:
        self._redis = redis
        folder = files("voicegateway_controller.limits") / "lua"
        known = texts or {name: (folder / f"{name}.lua").read_text() for name in _NAMES}
        self._scripts = {name: redis.register_script(text) for name, text in known.items()}
        self._lanes: dict[str, _Lane] = {}

    @property
    def is_full(self) -> bool:
        """Whether more waits for some server than could be answered in time."""
        return any(len(lane.waiting) >= WAITING_MAX for lane in self._lanes.values())

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Return each script's answer, in their order.

        Raises:
            RedisUnavailable: no answer to at least one of them; nothing is known of what became of it.
            Overloaded: more waits than could be answered in time; nothing was done.
        """
        loop = asyncio.get_running_loop()
        lanes = [self._lane_of(call) for call in calls]
        if any(len(lane.waiting) >= WAITING_MAX for lane in lanes):
            raise Overloaded("more leases are asked for than Redis can give in time", retry_after_s=RETRY_AFTER_S)
        answers: list[asyncio.Future[Any]] = []
        for call, lane in zip(calls, lanes, strict=True):
            answers.append(loop.create_future())
            lane.waiting.append((call, answers[-1]))
            if len(lane.senders) < SENDERS_MAX:
                sender = loop.create_task(self._send(lane))
                lane.senders.add(sender)
                sender.add_done_callback(lane.senders.discard)
        return await asyncio.gather(*answers)

    def _lane_of(self, call: Call) -> _Lane:
        """A cluster's servers are sent to apart, so that a silent one holds up its own pools only."""
        node = getattr(self._redis, "get_node_from_key", None)
        if node is None:
            name = ""
        else:
            try:
                name = node(call.keys[0]).name
            except AWAY as error:
                raise unavailable(error) from error
        return self._lanes.setdefault(name, _Lane())

    async def _send(self, lane: _Lane) -> None:
        while lane.waiting:
            taken = [lane.waiting.popleft() for _ in range(min(TOGETHER_MAX, len(lane.waiting)))]
            # Whoever has gone meanwhile, gone is its holder: what it would lease would be lost.
            batch = [(call, answer) for call, answer in taken if not answer.done()]
            if not batch:
                continue
            try:
                found = await self._round_trip([call for call, _ in batch])
            except AWAY as error:
                found = [error] * len(batch)
            except BaseException:
                for _, answer in batch:
                    answer.cancel()
                raise
            for (_, answer), each in zip(batch, found, strict=True):
                if answer.done():
                    continue
                if isinstance(each, BaseException):
                    answer.set_exception(unavailable(each))
                else:
                    answer.set_result(each)

    async def _round_trip(self, calls: Sequence[Call]) -> list[Any]:
        answers = await self._pipelined(calls, is_in_full=False)
        lacking = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lacking:
            # In full, so that each server of a cluster learns what it lacks, and no other is asked.
            again = await self._pipelined([calls[index] for index in lacking], is_in_full=True)
            for index, answer in zip(lacking, again, strict=True):
                answers[index] = answer
        return answers

    async def _pipelined(self, calls: Sequence[Call], *, is_in_full: bool) -> list[Any]:
        pipeline: Any = self._redis.pipeline(transaction=False)
        for call in calls:
            script = self._scripts[call.name]
            what = ("EVAL", script.script) if is_in_full else ("EVALSHA", script.sha)
            # As a command, for redis-py refuses the method in a cluster's pipeline although it can route it.
            pipeline.execute_command(*what, len(call.keys), *call.keys, *call.arguments)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers
