"""Health in Redis: breakers and histograms of all targets under one hash tag. May vanish at any time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.health.records import Record, record_of
from voicegateway_controller.health.switches import Switches
from voicegateway_controller.logs import get_logger
from voicegateway_controller.redis_client import AWAY, unavailable
from voicegateway_shared.health import TTFB_BEYOND_MS
from voicegateway_shared.wire import HealthTarget, Observation
from voicegateway_shared.wire.routing import HEALTH_MAX, TTFB_BOUNDS_MS

# One hash tag: a script may touch several keys only when they live in one slot of a cluster.
RECORDS_KEY: Final = "voicegateway:{health}:records"
META_KEY: Final = "voicegateway:{health}:meta"
TOLD_KEY: Final = "voicegateway:{{health}}:told:{}"
COUNTS_KEY: Final = "voicegateway:{{health}}:counts:{}"
BOUNDS: Final = " ".join(map(str, (*TTFB_BOUNDS_MS, TTFB_BEYOND_MS)))

UNKNOWN: Final = Switches(revision=-1)

_log = get_logger(__name__)
_encode: Final = msgspec.json.Encoder().encode
_target: Final = msgspec.json.Decoder(HealthTarget).decode
_switches: Final = msgspec.json.Decoder(Switches).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What Redis knew at one moment."""

    version: int = -1
    now_ms: int = 0
    """By its own clock."""
    records: dict[HealthTarget, Record] = field(default_factory=dict)
    switches: Switches = UNKNOWN


class HealthStore:
    """Lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._note = redis.register_script(note_script())
        self._look = redis.register_script(look_script())
        self._publish = redis.register_script(_text("publish"))

    async def note(
        self, holder: str, number: int, observations: Sequence[Observation], known: Known
    ) -> tuple[bool, Known]:
        """Take a report, once; return whether it was news, and what is known now. Raises RedisUnavailable."""
        names = [_encode(each.target).decode() for each in observations]
        keys = [RECORDS_KEY, META_KEY, TOLD_KEY.format(holder), *map(COUNTS_KEY.format, names)]
        arguments: list[Any] = [holder, number, known.version, known.switches.revision, HEALTH_MAX, BOUNDS]
        for name, each in zip(names, observations, strict=True):
            arguments += [
                name, each.ok, each.failed, each.timed_out, each.limited, each.retry_after_ms, each.unauthorized,
                " ".join(f"{index}:{count}" for index, count in each.ttfb_counts),
            ]  # fmt: skip
        try:
            answer: Any = await self._note(keys=keys, args=arguments)
        except AWAY as error:
            raise unavailable(error) from error
        return bool(answer[0]), _known(answer, known)

    async def look(self, known: Known) -> Known:
        """Return what is known now, given what was known before. Raises RedisUnavailable."""
        try:
            answer: Any = await self._look(
                keys=[RECORDS_KEY, META_KEY], args=["", 0, known.version, known.switches.revision]
            )
        except AWAY as error:
            raise unavailable(error) from error
        return _known(answer, known)

    async def publish(self, switches: Switches) -> None:
        """Keep what is off, unless something newer is kept. Raises RedisUnavailable."""
        try:
            await self._publish(keys=[META_KEY], args=[switches.revision, _encode(switches)])
        except AWAY as error:
            raise unavailable(error) from error


def note_script() -> str:
    """The script that takes a report."""
    return "".join(map(_text, ("breaker", "times", "note", "look")))


def look_script() -> str:
    """The script that only looks."""
    return "local is_new = false\n" + _text("look")


def _known(answer: Any, before: Known) -> Known:
    _, version, now_ms, records, revision, switches = answer
    return Known(
        version=int(version),
        now_ms=int(now_ms),
        records=before.records if records is None else _records(records),
        switches=before.switches if switches is None else _decoded(switches, int(revision), before.switches),
    )


def _records(flat: Sequence[bytes]) -> dict[HealthTarget, Record]:
    found = {}
    for name, text in zip(flat[::2], flat[1::2], strict=True):
        try:
            found[_target(name)] = record_of(text)
        except (msgspec.DecodeError, ValueError) as error:
            # Written by another version during a rollout.
            _log.warning("health.unreadable", error=str(error))
    return found


def _decoded(text: bytes, revision: int, before: Switches) -> Switches:
    try:
        return _switches(text)
    except msgspec.DecodeError as error:
        _log.warning("health.switches_unreadable", revision=revision, error=str(error))
        return before


def _text(name: str) -> str:
    return (files("voicegateway_controller.health") / "lua" / f"{name}.lua").read_text()
