"""Watching: what changes in presence, breakers, alerts and the configuration becomes events, told once.

One replica watches for all, while somebody listens anywhere and for ten minutes after. What is known stands in Redis,
and is changed in the step that tells it: when the watcher dies, another goes on where it was.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.background import Background
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.events.event import Event, Kind, now_text
from voicegateway_controller.events.stream import EventStream
from voicegateway_controller.health import HealthBoard
from voicegateway_shared.wire import SyncRequest

LOOK_S: Final = 1.0
REST: Final = 10
"""After a long look, at a large fleet, it rests for so many times as long: a tenth of a core at most."""
WATCHER_MS: Final = 5_000
"""When the watcher is silent for so long, another replica takes over."""
PAGE: Final = 100
TIMEOUT_S: Final = 3.0
PRIMED: Final = "primed"
_SEPARATOR: Final = "\x1f"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

ReadHolders = Callable[[], Awaitable[list[SyncRequest]]]
_PREFIXES: Final = ("session", "worker", "breaker", "off")


class EventWatch:
    """Watches for one replica; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, stream: EventStream, engine: AsyncEngine, holders: ReadHolders, board: HealthBoard) -> None:
        self._stream, self._engine, self._holders, self._board = stream, engine, holders, board
        self._name = uuid.uuid4().hex
        self._known: dict[str, str] | None = None
        self._resting_until_s = float("-inf")
        self._looking = Background("events.watch", self.step, interval_s=LOOK_S)

    def start(self) -> None:
        """Begin."""
        self._looking.start()

    async def close(self) -> None:
        """Stop; another replica takes over."""
        await self._looking.close()

    async def step(self) -> None:
        """Look once. Raises RedisUnavailable or DatabaseUnavailable after telling what could be told."""
        if time.monotonic() < self._resting_until_s:
            return
        if not await self._stream.is_watcher(self._name, for_ms=WATCHER_MS):
            self._known = None
            return
        started = time.monotonic()
        if self._known is None or not await self._stream.keep_known():
            self._known = await self._stream.known()
        now = await self._states()
        if PRIMED not in self._known:
            await self._prime(now)
        else:
            for field in [*now, *(each for each in self._known if each.startswith(_PREFIXES) and each not in now)]:
                await self._tell(field, now.get(field, ""))
            await self._tell_alerts()
            await self._tell_versions()
        took_s = time.monotonic() - started
        self._resting_until_s = started + min(REST * took_s, WATCHER_MS / 2_000) if took_s > LOOK_S / REST else 0.0

    async def _prime(self, now: Mapping[str, str]) -> None:
        """Begin: what is there already is no news."""
        async with raw_connection(self._engine) as connection:
            cursors = {
                "at:alerts": str(await connection.fetchval(_sql("newest_alert"), timeout=TIMEOUT_S)),
                "at:versions": str(await connection.fetchval(_sql("newest_version"), timeout=TIMEOUT_S)),
            }
        known = {**now, **cursors, PRIMED: "1"}
        await self._stream.note_all(known)
        self._known = known

    async def _states(self) -> dict[str, str]:
        """Return what is there now, each thing by its field with what is to be told of it."""
        found: dict[str, str] = {}
        for holder in await self._holders():
            for session in holder.sessions or ():
                facts = {"agent": session.agent, "room": session.room, "started_at": session.started_at}
                found[_field("session", session.project, session.session_id)] = _text(facts)
            worker = holder.worker
            if worker is not None and worker.kind == "worker" and worker.is_drained:
                facts = {"agent": worker.agent, "host": holder.host}
                found[_field("worker", worker.worker_id or holder.incarnation)] = _text(facts)
        for target, record in self._board.known.records.items():
            if record.state != "closed":
                facts = {"cause": record.why, "since": _instant(record.since)}
                where = (target.provider, target.model, target.modality, target.account, target.region)
                found[_field("breaker", *where)] = _text(facts)
        now_ms = time.time_ns() // 1_000_000
        for each in self._board.switches.off:
            if each.until_ms is None or each.until_ms > now_ms:
                found[_field("off", each.provider, each.model)] = _text({"reason": each.reason, "by": each.by})
        return found

    async def _tell(self, field: str, value: str) -> None:
        """Tell that something is there, is otherwise, or is no more."""
        if self._known is None or self._known.get(field, "") == value:
            return
        before = self._known.get(field, "")
        # A session whose room is known by now, or a breaker that opened for another reason, is no news.
        event = _event(field, value, before) if not (before and value) else None
        await self._stream.tell_once(field, value, event)
        if value:
            self._known[field] = value
        else:
            self._known.pop(field, None)

    async def _tell_alerts(self) -> None:
        for row in await self._newer("alerts"):
            data = {
                "id": row["id"],
                "key": row["key"],
                "kind": row["kind"],
                "severity": row["severity"],
                "title": row["title"],
            }
            event = Event(kind="alert.raised", at=now_text(), project=row["project"], data=data)
            await self._advance("alerts", row["position"], event)

    async def _tell_versions(self) -> None:
        for row in await self._newer("versions"):
            data = {name: row[name] for name in ("number", "actor", "layer", "kinds", "summary", "rollback_of")}
            event = Event(kind="configuration.changed", at=now_text(), audience="fleet", data=data)
            await self._advance("versions", row["number"], event)

    async def _newer(self, what: str) -> list[asyncpg.Record]:
        last = int((self._known or {}).get(f"at:{what}", "0"))
        async with raw_connection(self._engine) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(_sql(what), last, PAGE, timeout=TIMEOUT_S)
        return rows

    async def _advance(self, what: str, position: int, event: Event) -> None:
        await self._stream.tell_once(f"at:{what}", str(position), event, compare="greater")
        if self._known is not None:
            self._known[f"at:{what}"] = str(position)


_KINDS: Final[Mapping[str, tuple[Kind, Kind]]] = {
    "session": ("session.begun", "session.ended"),
    "worker": ("worker.drained", "worker.undrained"),
    "breaker": ("breaker.opened", "breaker.closed"),
    "off": ("provider.disabled", "provider.enabled"),
}
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "session": ("session_id",),
    "worker": ("worker_id",),
    "breaker": ("provider", "model", "modality", "account", "region"),
    "off": ("provider", "model"),
}


def _event(field: str, value: str, before: str) -> Event:
    what, *names = field.split(_SEPARATOR)
    project = names.pop(0) if what == "session" else ""
    return Event(
        kind=_KINDS[what][0 if value else 1],
        at=now_text(),
        audience="project" if what == "session" else "fleet" if what == "worker" else "everybody",
        project=project,
        data={**dict(zip(_NAMES[what], names, strict=True)), **_decode(value or before)},
    )


def _field(*names: str) -> str:
    return _SEPARATOR.join(each.replace(_SEPARATOR, " ") for each in names)


def _instant(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(facts: Mapping[str, Any]) -> str:
    return _encode(facts).decode()


def _sql(name: str) -> str:
    return load_sql(__package__ or "", name)
