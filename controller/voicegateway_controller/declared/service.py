"""Declared sets: which one holds, declared by people, learned by every replica within a second, outages or not."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Generic, Protocol, TypeVar

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.background import Background
from voicegateway_controller.configuration.layering import Layer, Merged, Section, differences, merge
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.declared.changing import Changed, LayerChange, Planned, change_layer
from voicegateway_controller.declared.copy import SetCopy
from voicegateway_controller.declared.rules import Declared, refuse_odd_texts
from voicegateway_controller.declared.store import SetTable, StoredSet
from voicegateway_controller.errors import (
    BadRequest,
    Conflict,
    ControllerError,
    DatabaseUnavailable,
    RedisUnavailable,
)
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError

POLL_S: Final = 0.5
"""How often a replica asks Postgres for a newer revision: what one replica declares holds at the others by then."""
SCREEN_TEXT_CHARS_MAX: Final = 1_024
SCREEN_DEPTH_MAX: Final = 12
"""What the deepest kind allows: a project's chain's model's option, which may be a mapping of mappings."""
START_WAIT_S: Final = 2.0
"""How long a start waits to know the set, so that the first workers need not be sent away."""

_log = get_logger(__name__)


class Read(Protocol):
    """A set that was read into what it means."""

    @property
    def revision(self) -> int:
        """Its number; 0 where nothing was ever declared."""
        ...


Meaning = TypeVar("Meaning", bound=Read)
_NOTHING: Final = StoredSet(revision=0, document=(), created_at=None, created_by="")


class DeclaredSets(ABC, Generic[Meaning]):
    """The set in force, of one kind. Lives as long as the process; `start` and `close` are its owner's.

    Postgres is the truth whenever it answers. The copy in Redis is for a process that has not heard Postgres yet.
    A set is what its layers declare together; a change of any layer is a new set.
    """

    def __init__(self, kind: Section, engine: AsyncEngine, table: SetTable, copy: SetCopy, *, revision: Gauge) -> None:
        self.kind: Final[Section] = kind
        self.taking: Final = asyncio.Lock()
        """Held while the set in force is being exchanged."""
        self._engine = engine
        self._table = table
        self._copy = copy
        self._revision_gauge = revision
        self._current: Meaning | None = None
        self._stored = _NOTHING
        self._is_from_postgres = False
        self._refused_revision = 0
        self._merged: Merged | None = None
        self._polling = Background(kind, self.refresh, interval_s=POLL_S)

    async def start(self) -> None:
        """Learn the set, if that is possible within START_WAIT_S, and go on asking for newer ones."""
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self.refresh()
        except (ControllerError, TimeoutError) as error:
            _log.warning(f"{self.kind}.start_without_postgres", error=str(error) or type(error).__name__)
        self._polling.start()

    async def close(self) -> None:
        """Stop asking."""
        await self._polling.close()

    @property
    def known(self) -> Meaning | None:
        """What holds; None while neither Postgres nor Redis has told us."""
        return self._current

    def current(self) -> Meaning:
        """Return what holds; DatabaseUnavailable while nobody has told us."""
        if self._current is None:
            raise DatabaseUnavailable(
                f"the {self.kind} are not known yet: neither Postgres nor the copy in Redis answered"
            )
        return self._current

    def layers(self) -> Mapping[Layer, Any]:
        """Return what each layer says, as given; DatabaseUnavailable while nobody has told us."""
        self.current()
        return self._layers_of(self._stored)

    def managed(self) -> Any:
        """Return what is managed, as given: what a PUT replaces. DatabaseUnavailable while nobody has told us."""
        said = self.layers().get("db")
        return self._written(()) if said is None else said

    def merged(self) -> Merged:
        """Return what holds, each resource with its layer; DatabaseUnavailable while nobody has told us."""
        if self._merged is None:
            self._merged = merge(self.kind, self.layers())
        return self._merged

    async def refresh(self) -> None:
        """Take what Postgres says, or, as long as it never answered, what Redis says; keep the copy in Redis.

        Raises DatabaseUnavailable or RedisUnavailable after doing what could be done.
        """
        try:
            async with self.taking, raw_connection(self._engine) as connection:
                revision = await self._table.newest_revision(connection)
                if not self._is_from_postgres or self._current is None or revision != self._current.revision:
                    self._adopt(await self._table.newest(connection) or _NOTHING, is_from_postgres=True)
        except ControllerError:
            if not self._is_from_postgres:
                await self._take_copy()
            raise
        if self._current is not None and await self._copy.revision() != self._stored.revision:
            await self._copy.write(self._stored)

    @abstractmethod
    def _read(self, stored: StoredSet) -> Meaning:
        """Return what a set that was in force already means; ConfigurationError when a newer version wrote it."""

    async def _prepare(self, made: StoredSet, before: StoredSet | None) -> None:
        """Do what must be done before a new set is committed, and other replicas can know it."""

    def _written(self, sections: Sequence[Declared]) -> Any:
        """Return a stored set as a layer's document says it."""
        return [dict(each) for each in sections]

    def _sections(self, document: Any) -> Sequence[Declared]:
        """Return a document as it is stored."""
        return list(document)

    @abstractmethod
    def validate(self, document: object) -> object:
        """Return what a document would mean; BadRequest with the reason when nobody may declare it."""

    def _check(self, document: object, merged: Merged) -> None:
        """Refuse what a layer must not say, whatever the others say; BadRequest names the place in its document."""
        self.validate(document)

    async def _refuse(self, connection: Connection, merged: Merged) -> None:
        """Refuse a set for what was before it; BadRequest says why."""

    async def _append(self, document: object, *, by: str, expected: int | None) -> tuple[int, bool]:
        """Let a document be what is managed; return the revision that holds from now on, and whether it is a new one.

        Raises BadRequest with the reason when the set that it would make with the other layers is wrong, Conflict when
        `expected` is not the revision in force, DatabaseUnavailable when it could not be stored: then nothing has
        changed.
        """
        made = await self._change(document, by=by, expected=expected)
        return made.revisions[self.kind], made.is_changed

    async def _change(self, document: object, *, by: str, expected: int | None) -> Changed:
        wanted = LayerChange(
            layer="db",
            documents={self.kind: self._written(()) if document is None else document},
            by=by,
            expected={} if expected is None else {self.kind: expected},
        )
        return await change_layer(self._engine, [self], wanted)

    async def plan(self, connection: Connection, wanted: LayerChange) -> Planned:
        """Return this kind's part of a change, checked; until the transaction ends nobody else changes this kind.

        Raises BadRequest, Conflict.
        """
        await self._table.lock(connection)
        before = await self._table.newest(connection)
        held = before.revision if before is not None else 0
        if wanted.expected.get(self.kind, held) != held:
            raise Conflict(
                f"the {self.kind} are at revision {held}, not {wanted.expected[self.kind]}: read them and decide again"
            )
        held_layers = self._layers_of(before) if before is not None else {}
        document, said = wanted.documents[self.kind], held_layers.get(wanted.layer)
        layers: dict[Layer, Any] = {**held_layers, wanted.layer: document}
        effective = self._written(before.document) if before is not None else None
        # Of any kind, and before anything else looks at it; `validate` is stricter.
        refuse_odd_texts(document, self.kind, text_chars_max=SCREEN_TEXT_CHARS_MAX, depth_max=SCREEN_DEPTH_MAX)
        try:
            merged = merge(self.kind, layers)
            is_changed = said != document or (before is not None and effective != merged.document)
            if is_changed:
                await self._refuse_wrong(connection, document, merged, wanted.layer)
            return Planned(
                sets=self,
                before=before,
                layers=layers,
                said=said,
                merged=merged,
                is_changed=is_changed,
                changes=tuple(differences(self.kind, said, document)),
                effective_changes=tuple(differences(self.kind, effective, merged.document)),
            )
        except ConfigurationError as error:
            raise BadRequest(str(error)) from error

    async def store(self, connection: Connection, plan: Planned, *, by: str) -> StoredSet:
        """Store the set that a plan makes, in the open transaction."""
        sections = self._sections(plan.merged.document)
        made = await self._table.append(connection, sections, by=by, above=await self._revision_in_redis())
        made = replace(made, layers=plan.layers, is_layered=True)
        await self._prepare(made, plan.before)
        return made

    def adopt(self, stored: StoredSet) -> None:
        """Go by a set that was committed just now."""
        self._adopt(stored, is_from_postgres=True)

    async def tell(self, stored: StoredSet, wanted: LayerChange) -> None:
        """Let the other replicas know soon."""
        await self._write_copy()
        _log.info(
            f"{self.kind}.declared",
            revision=stored.revision,
            declarations=len(stored.document),
            layer=wanted.layer,
            by=wanted.by,
        )

    async def _refuse_wrong(self, connection: Connection, document: Any, merged: Merged, layer: Layer) -> None:
        """Refuse a layer that is wrong by itself, or makes the whole wrong; BadRequest names the place."""
        try:
            if document is not None:
                self._check(document, merged)
            self._read(StoredSet(revision=0, document=self._sections(merged.document), created_at=None, created_by=""))
        except ConfigurationError as error:
            blamed, told = merged.blamed(str(error))
            whose = "" if blamed in (None, layer) else f" (declared by the {blamed} layer)"
            raise BadRequest(f"{told}{whose}") from error
        await self._refuse(connection, merged)

    def _layers_of(self, stored: StoredSet) -> Mapping[Layer, Any]:
        """Return the layers of a set; what an older release declared was managed."""
        said: dict[Layer, Any] = {layer: document for layer, document in stored.layers.items() if document is not None}
        if stored.is_layered or stored.revision == 0:
            return said
        said["db"] = self._written(stored.document)
        return said

    def _understood(self, stored: StoredSet) -> Meaning | None:
        try:
            return self._read(stored)
        except ConfigurationError as error:
            # A newer version declared something this one does not know, during a rollout: keep what we understand.
            if self._refused_revision != stored.revision:
                _log.error(f"{self.kind}.not_understood", revision=stored.revision, error=str(error))
            self._refused_revision = stored.revision
            return None

    async def _take_copy(self) -> None:
        copied = await self._copy.read()
        if copied is not None and (self._current is None or copied.revision > self._current.revision):
            self._adopt(copied, is_from_postgres=False)

    def _adopt(self, stored: StoredSet, *, is_from_postgres: bool) -> None:
        if (made := self._understood(stored)) is None:
            return
        self._current, self._stored, self._is_from_postgres = made, stored, is_from_postgres
        self._merged = None
        self._revision_gauge.set(stored.revision)

    async def _revision_in_redis(self) -> int:
        try:
            return await self._copy.revision() or 0
        except RedisUnavailable:
            # The sequence in Postgres goes on from its own last number, which only a restored backup sets back.
            return 0

    async def _write_copy(self) -> None:
        try:
            await self._copy.write(self._stored)
            await self._copy.announce()
        except RedisUnavailable as error:
            # The next poll writes it.
            _log.warning(f"{self.kind}.not_copied", error=str(error))
