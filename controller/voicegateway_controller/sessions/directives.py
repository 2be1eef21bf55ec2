"""What workers must do about sessions, kept in Redis until they have: bounded, forgotten after an hour.

A flushed Redis forgets it: whoever ordered it sees the session still live and orders it again.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller import metrics
from voicegateway_controller.alerts.alert import one_line
from voicegateway_controller.errors import Overloaded
from voicegateway_controller.logs import get_logger
from voicegateway_controller.redis_client import AWAY, read_hash, unavailable
from voicegateway_controller.sessions.ending import (
    REASON_CHARS_MAX,
    SENTENCE_CHARS_MAX,
    Ending,
    patience_ms,
)
from voicegateway_shared.wire.money import DIRECTIVES_MAX, Directive

# One hash tag: a script may touch several keys only when they live in one slot of a cluster.
RECORDS_KEY: Final = "voicegateway:{sessions}:endings"
DUE_KEY: Final = "voicegateway:{sessions}:due"
FORGET_KEY: Final = "voicegateway:{sessions}:forget"

ENDINGS_MAX: Final = 20_000
"""Every session of the fleet that one controller is meant for, twice."""
KEEP_MS: Final = 3_600_000
"""How long a worker is told, and the outcome shown."""
FORGET_AT_ONCE: Final = 100
"""Old ones forgotten beside each new one, so that no order waits for thousands."""
LOOK_S: Final = 0.25
"""How long it is believed that nobody must do anything: what a message costs while that is so is nothing."""
ID_CHARS: Final = 16
SESSION_CHARS: Final = 200
"""Of a session's id that its directive's id repeats; a worker's report has texts of at most 256."""
RETRY_AFTER_S: Final = 30
SCAN: Final = 500

_log = get_logger(__name__)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Ending).decode


class Directives:
    """The directives of the fleet; lives as long as the client it is given."""

    def __init__(
        self,
        redis: Redis,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._tell = redis.register_script(_script("tell"))
        self._change = redis.register_script(_script("change"))
        self._claim = redis.register_script(_script("claim"))
        self._none_until_s = float("-inf")

    async def end(self, session_id: str, sentence: str, reason: str, by: str, project: str = "") -> Directive:
        """Tell the session's worker to speak the sentence and to end the session. Told already: that order holds.

        Raises RedisUnavailable, or Overloaded while ENDINGS_MAX sessions are being ended.
        """
        now_ms = self._now_ms()
        ordered = Ending(
            id=f"{secrets.token_hex(ID_CHARS // 2)}:{_field(session_id, project)}",
            session_id=session_id,
            project=project,
            sentence=one_line(sentence, chars_max=SENTENCE_CHARS_MAX),
            reason=one_line(reason, chars_max=REASON_CHARS_MAX),
            by=by,
            told_ms=now_ms,
        )
        due_ms = now_ms + patience_ms(ordered.sentence)
        try:
            held: Any = await self._tell(
                keys=[RECORDS_KEY, DUE_KEY, FORGET_KEY],
                args=[
                    _field_of(ordered.id), _encode(ordered), now_ms, due_ms, now_ms + KEEP_MS, ENDINGS_MAX, 2 * KEEP_MS,
                    FORGET_AT_ONCE,
                ],
            )  # fmt: skip
        except AWAY as error:
            raise unavailable(error) from error
        if held is None:
            raise Overloaded(f"{ENDINGS_MAX} sessions are being ended already", retry_after_s=RETRY_AFTER_S)
        self._none_until_s = float("-inf")
        ending = _decode(held)
        if ending.id == ordered.id:
            metrics.SESSIONS_TOLD_TO_END.inc()
            _log.info("session.told_to_end", session_id=session_id, project=project, by=by, reason=ordered.reason)
        return ending.directive

    async def pending_for(self, carried: Mapping[str, str]) -> tuple[Directive, ...]:
        """Return what the worker that carries these sessions, each with its project, must still do.

        An order for another project's session of the same id is none of its business. While there is nothing for
        anybody, Redis is asked once in LOOK_S, whatever the number of messages. Raises RedisUnavailable.
        """
        if not carried or self._monotonic() < self._none_until_s:
            return ()
        try:
            if not await self._redis.exists(RECORDS_KEY):
                self._none_until_s = self._monotonic() + LOOK_S
                return ()
            commands: Any = self._redis
            # An order that names no project is about whoever carries the session.
            fields = {*carried, *(_field(*each) for each in carried.items())}
            records = await commands.hmget(RECORDS_KEY, sorted(fields))
        except AWAY as error:
            raise unavailable(error) from error
        endings = [_decode(record) for record in records if record is not None]
        oldest_ms = self._now_ms() - KEEP_MS
        pending = [
            each.directive
            for each in endings
            if each.is_pending and each.told_ms > oldest_ms and each.project in ("", carried.get(each.session_id))
        ]
        return tuple(pending[:DIRECTIVES_MAX])

    async def done(self, ids: Iterable[str]) -> None:
        """Note that workers obeyed. Any number of times, in any order. Raises RedisUnavailable."""
        for directive_id in list(ids)[:DIRECTIVES_MAX]:
            commands: Any = self._redis
            try:
                record = await commands.hget(RECORDS_KEY, _field_of(directive_id))
            except AWAY as error:
                raise unavailable(error) from error
            ending = None if record is None else _decode(record)
            if ending is None or ending.id != directive_id or ending.done_ms:
                continue
            now_ms = self._now_ms()
            due_ms = None if ending.outcome else now_ms + patience_ms(ending.sentence)
            if await self.change(ending, msgspec.structs.replace(ending, done_ms=now_ms), due_ms=due_ms):
                _log.info("session.obeyed", session_id=ending.session_id, after_ms=now_ms - ending.told_ms)

    async def claim(self, *, limit: int, lease_ms: int) -> list[Ending]:
        """Return endings whose time has come; nobody else gets them for `lease_ms`. Raises RedisUnavailable."""
        now_ms = self._now_ms()
        try:
            records: Any = await self._claim(keys=[RECORDS_KEY, DUE_KEY], args=[now_ms, now_ms + lease_ms, limit])
        except AWAY as error:
            raise unavailable(error) from error
        return [_decode(record) for record in records]

    async def change(self, held: Ending, changed: Ending, *, due_ms: int | None) -> bool:
        """Write what became of an ending unless another did; say whether. `due_ms` None: it is settled."""
        try:
            done: Any = await self._change(
                keys=[RECORDS_KEY, DUE_KEY],
                args=[_field_of(held.id), _encode(held), _encode(changed), "" if due_ms is None else due_ms],
            )
        except AWAY as error:
            raise unavailable(error) from error
        return bool(done)

    async def look_again(self, held: Ending, changed: Ending, *, after_ms: int) -> bool:
        """Write what became of an ending that is looked at again; say whether nobody else had."""
        return await self.change(held, changed, due_ms=self._now_ms() + after_ms)

    async def endings(self) -> list[Ending]:
        """Return what was ordered within the last hour, the newest first. Raises RedisUnavailable."""
        found = await read_hash(self._redis, RECORDS_KEY, chunk=SCAN, most=ENDINGS_MAX)
        oldest_ms = self._now_ms() - KEEP_MS
        endings = [each for each in map(_decode, found.values()) if each.told_ms > oldest_ms]
        return sorted(endings, key=lambda each: each.told_ms, reverse=True)


def _field(session_id: str, project: str) -> str:
    """Where an order is kept: nobody may end, or shield from its end, another project's session by naming its id.

    It stands in the directive's id, which workers repeat and which must not be longer than their other texts.
    """
    if not project and len(session_id) <= SESSION_CHARS:
        return session_id
    told = hashlib.blake2s(f"{project}\x1f{session_id}".encode(), digest_size=ID_CHARS // 2).hexdigest()
    return f"{session_id[:SESSION_CHARS]}@{told}"


def _field_of(directive_id: str) -> str:
    return directive_id.partition(":")[2]


def _script(name: str) -> str:
    return (files("voicegateway_controller.sessions") / "lua" / f"{name}.lua").read_text()
