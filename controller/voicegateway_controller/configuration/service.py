"""Configuration: all kinds together, by layer and by version; what this process reads and publishes of it."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.configuration import store
from voicegateway_controller.configuration.document import Problem
from voicegateway_controller.configuration.files import Reading, Source, sections_of
from voicegateway_controller.configuration.following import Followed, Following
from voicegateway_controller.configuration.layering import LAYERS, SECTIONS, Layer, Section
from voicegateway_controller.configuration.replicas import REPORT_S, File, Replica, Replicas
from voicegateway_controller.configuration.store import HeldLayer, Version
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.declared import Changed, DeclaredSets, LayerChange, change_layer
from voicegateway_controller.declared.copy import CHANGED
from voicegateway_controller.errors import (
    BadRequest,
    ControllerError,
    DatabaseUnavailable,
    NotFound,
    RedisUnavailable,
)
from voicegateway_controller.logs import get_logger
from voicegateway_controller.redis_client import AWAY, unavailable
from voicegateway_controller.settings import Settings
from voicegateway_shared.ids import new_incarnation

LISTEN_S: Final = 0.25
"""How often a replica looks in Redis whether another one changed something; without Redis it hears it in a second."""
START_WAIT_S: Final = 3.0
"""How long a start waits for its own files to be published, so that its first answers go by them."""

Sets = DeclaredSets[Any]
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProblem:
    """One thing that is wrong with a document; immutable."""

    layer: Layer
    section: str
    place: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the layers stand, and the replicas; immutable."""

    version: int
    layers: Sequence[HeldLayer]
    replicas: Sequence[Replica]
    is_live: bool
    """False while Redis is away: then only this replica is told of."""


class Configuration:
    """Lives as long as the process; `start`, after its sets', and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, redis: Redis, sets: Sequence[Sets], settings: Settings) -> None:
        self._engine = engine
        self._redis: Any = redis
        self.sets: Final[Mapping[Section, Sets]] = {
            each.kind: each for each in sorted(sets, key=lambda each: SECTIONS.index(each.kind))
        }
        self._replicas = Replicas(redis)
        self._id = new_incarnation()
        self._host = socket.gethostname()
        self._heard: bytes | None = None
        self._version = 0
        self._env = Following(Source.of_overrides(settings.overrides), self._publish_env)
        self._yaml = Following(Source.of_file(settings.config, home=settings.home), self._publish_yaml)
        self._listening = Background("configuration.listen", self._listen, interval_s=LISTEN_S)
        self._reporting = Background("configuration.report", self._report, interval_s=REPORT_S)

    async def start(self) -> None:
        """Read this process's layers and publish them.

        Raises ConfigurationError when VOICEGATEWAY_OVERRIDES cannot be read or is wrong by itself: who overrides
        something must not run without it. A file that is wrong keeps nobody from starting: what it said last holds.
        """
        await self._env.first()
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self._env.step()
                await self._yaml.step()
        except (ControllerError, TimeoutError) as error:
            _log.warning("configuration.start_without_postgres", error=str(error) or type(error).__name__)
        self._env.start()
        self._yaml.start()
        self._listening.start()
        self._reporting.start()

    async def close(self) -> None:
        """Stop looking, and say goodbye."""
        for each in (self._env, self._yaml):
            await each.close()
        await self._listening.close()
        await self._reporting.close()
        try:
            await self._replicas.leave(self._id)
        except RedisUnavailable as error:
            _log.info("configuration.left_without_redis", error=str(error))

    @property
    def files(self) -> tuple[Followed, Followed]:
        """What this process reads, the highest layer first."""
        return self._env.followed, self._yaml.followed

    async def version(self) -> int:
        """Return the number of the newest version. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return await store.newest_number(connection)

    async def apply(
        self,
        document: Mapping[str, Any],
        *,
        by: str,
        layer: Layer = "db",
        expected_version: int | None = None,
        reason: str = "",
        is_dry_run: bool = False,
    ) -> Changed:
        """Let a layer say what a document says of its sections, all or nothing; other sections stay.

        Raises BadRequest with the place, Conflict, DatabaseUnavailable: then nothing has changed.
        """
        wanted = LayerChange(
            layer=layer,
            documents=self._known(sections_of(document)),
            by=by,
            expected_version=expected_version,
            reason=reason,
        )
        return await self._change(wanted, is_dry_run=is_dry_run)

    async def problems(self, document: Mapping[str, Any], *, layer: Layer) -> list[LayerProblem]:
        """Return what would be wrong if a layer said this; one problem for each section."""
        try:
            sections = self._known(sections_of(document))
        except BadRequest as error:
            return [_problem(layer, "", str(error))]
        found = []
        for section, declared in sections.items():
            try:
                wanted = LayerChange(layer=layer, documents={section: declared}, by="")
                await self._change(wanted, is_dry_run=True)
            except BadRequest as error:
                found.append(_problem(layer, section, str(error)))
        return found

    async def versions(self, *, before: int | None, limit: int) -> list[Version]:
        """Return versions, the newest first. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return await store.versions(connection, before=before, limit=limit)

    async def version_at(self, number: int) -> tuple[Version, Mapping[str, Any], Mapping[str, Any]]:
        """Return a version, and what its layer said before it and from then on. Raises NotFound."""
        async with raw_connection(self._engine) as connection:
            version = await store.version(connection, number)
            if version is None:
                raise NotFound(f"there is no version {number} of the configuration")
            before = await store.as_of(connection, version.layer, number - 1)
            after = await store.as_of(connection, version.layer, number)
        return version, before, after

    async def managed_at(self, number: int) -> Mapping[str, Any]:
        """Return what was managed at a version. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return await store.as_of(connection, "db", number)

    async def roll_back(
        self,
        number: int,
        *,
        by: str,
        expected_version: int | None = None,
        reason: str = "",
        is_dry_run: bool = False,
    ) -> Changed:
        """Let what is managed be what it was at a version, as a new version; environment and file are not ours to turn.

        Raises NotFound, Conflict when something else changed meanwhile, BadRequest with the place when what was
        declared then is not accepted any more: then nothing has changed.
        """
        await self.version_at(number)
        async with raw_connection(self._engine) as connection:
            newest = await store.newest_number(connection)
            then = await store.as_of(connection, "db", number)
            now = await store.as_of(connection, "db", newest)
        # Whole documents and not their differences: an order that means something is part of what was managed.
        documents: dict[str, Any] = {
            section: said
            for section in self.sets
            if (said := then.get(section) or _nothing(section)) != (now.get(section) or _nothing(section))
        }
        wanted = LayerChange(
            layer="db",
            documents=documents,
            by=by,
            expected_version=newest if expected_version is None else expected_version,
            reason=reason or f"back to version {number}",
            rollback_of=number,
        )
        try:
            return await self._change(wanted, is_dry_run=is_dry_run)
        except BadRequest as error:
            raise BadRequest(f"version {number} is not accepted any more: {error}") from error

    async def status(self) -> Status:
        """Return how the layers stand and what replicas say of theirs. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            number = await store.newest_number(connection)
            layers = await store.held_layers(connection)
        own = self._own(number)
        try:
            others = await self._replicas.all()
            is_live = True
        except RedisUnavailable:
            others, is_live = [], False
        replicas = [own, *(each for each in others if each.id != own.id)]
        order = {section: index for index, section in enumerate(SECTIONS)}
        layers = sorted(layers, key=lambda each: (order[each.kind], LAYERS.index(each.layer)))
        return Status(version=number, layers=layers, replicas=replicas, is_live=is_live)

    def is_in_force(self, layer: Layer, reading: Reading | None) -> bool:
        """Say whether what this process read is what the layer says, not what another process published since."""
        if reading is None:
            return False
        try:
            return all(sets.layers().get(layer) == reading.sections.get(section) for section, sets in self.sets.items())
        except DatabaseUnavailable:
            return False

    def _known(self, sections: Mapping[Section, Any]) -> dict[str, Any]:
        return {section: declared for section, declared in sections.items() if section in self.sets}

    async def _change(self, wanted: LayerChange, *, is_dry_run: bool = False) -> Changed:
        kinds = [sets for section, sets in self.sets.items() if section in wanted.documents]
        made = await change_layer(self._engine, kinds, wanted, is_dry_run=is_dry_run)
        if not is_dry_run:
            self._version = made.version
            metrics.CONFIGURATION_VERSION.set(made.version)
        return made

    async def _publish_env(self, reading: Reading) -> Sequence[Problem]:
        return await self._publish("env", reading)

    async def _publish_yaml(self, reading: Reading) -> Sequence[Problem]:
        return await self._publish("yaml", reading)

    async def _publish(self, layer: Layer, reading: Reading) -> Sequence[Problem]:
        """Let a layer say what was read, and nothing of what was not; return what is wrong with that."""
        if not reading.sections and not self._is_heard_of(layer):
            return ()
        # What it does not speak of any more is taken back.
        documents: dict[str, Any] = {section: reading.sections.get(section) for section in self.sets}
        origin = f"{reading.document.name} on {self._host}"
        wanted = LayerChange(layer=layer, documents=documents, by=f"{layer}@{self._host}", origin=origin)
        try:
            await self._change(wanted)
        except BadRequest as error:
            metrics.CONFIGURATION_PUBLISHED.labels(layer, "refused").inc()
            return [reading.document.problem(str(error))]
        metrics.CONFIGURATION_PUBLISHED.labels(layer, "taken").inc()
        return ()

    def _is_heard_of(self, layer: Layer) -> bool:
        """Say whether a layer says anything of any kind. Raises DatabaseUnavailable while that is not known."""
        return any(layer in sets.layers() for sets in self.sets.values())

    async def _listen(self) -> None:
        """Ask Postgres at once for what another replica changed."""
        try:
            heard = await self._redis.get(CHANGED)
        except AWAY as error:
            raise unavailable(error) from error
        if heard == self._heard:
            return
        # Whoever cannot be asked now is asked every second anyway.
        self._heard = heard
        await asyncio.gather(*(sets.refresh() for sets in self.sets.values()))
        self._version = await self.version()
        metrics.CONFIGURATION_VERSION.set(self._version)

    async def _report(self) -> None:
        await self._replicas.say(self._own(self._version))

    def _own(self, version: int) -> Replica:
        followed = ((self._env, self._env.followed), (self._yaml, self._yaml.followed))
        return Replica(
            id=self._id,
            host=self._host,
            version=version,
            seen_at=datetime.now(UTC).isoformat(),
            revisions={kind: sets.known.revision for kind, sets in self.sets.items() if sets.known is not None},
            files=[
                File(
                    layer=each.layer,
                    name=each.name,
                    state=each.state,
                    digest=each.digest,
                    is_in_force=self.is_in_force(each.layer, following.reading),
                    problems=[problem.as_json() for problem in each.problems],
                    read_at=None if each.read_at is None else each.read_at.isoformat(),
                )
                for following, each in followed
                if each.name
            ],
        )


def _nothing(section: Section) -> Any:
    return {} if section == "routing" else []


def _problem(layer: Layer, section: str, message: str) -> LayerProblem:
    place, separator, problem = message.partition(": ")
    is_place = bool(separator) and " " not in place
    return LayerProblem(
        layer=layer, section=section, place=place if is_place else section, problem=problem if is_place else message
    )
